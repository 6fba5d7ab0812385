"""What this repository's tests share: how the Rust is built, and the Python interface on top of it."""

from __future__ import annotations

import pytest
from pytest_dagger_rust import CargoOptions, RustBuild

from stocktake import Completed, Stocktake


@pytest.fixture(scope="session")
def rust_cargo_options() -> CargoOptions:
    """Override the plugin's options: `cached_rust_build` is the command-line program, exactly as locked."""
    return CargoOptions(packages=("stocktake",), locked=True)


@pytest.fixture(scope="session")
def stocktake(cached_rust_build: RustBuild) -> Stocktake:
    """Return the Python interface, calling the fresh program in its container instead of one on PATH."""

    def run(*arguments: str, stdin: str) -> Completed:
        return cached_rust_build.blocking.run("stocktake", *arguments, stdin=stdin)

    return Stocktake(run)
