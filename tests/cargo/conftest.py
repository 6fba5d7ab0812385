"""Fixtures of the tests for workspaces: a place with cargo's configuration, and published packages."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

import pytest

from tests.cargo import corpus, shelf


@pytest.fixture(scope="session")
def cargo_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home for cargo in which the shelf is the only registry."""
    home = tmp_path_factory.mktemp("cargo-home")
    packages = shelf.fill(tmp_path_factory.mktemp("shelf"))
    (home / "config.toml").write_text(shelf.configuration(packages))
    return home


@pytest.fixture
def shelf_only(cargo_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let cargo know no packages but those on the shelf."""
    # rustup finds its toolchains beside cargo's real home, unless it is told.
    rustup = os.environ.get("RUSTUP_HOME") or str(Path.home() / ".rustup")
    monkeypatch.setenv("RUSTUP_HOME", rustup)
    monkeypatch.setenv("CARGO_HOME", str(cargo_home))


@pytest.fixture(scope="session")
def published() -> Path:
    """The folder with the published packages that cargo has vendored, fetched once for all runs."""
    if shutil.which("cargo") is None:
        pytest.skip("there is no cargo here to fetch and to compare with")
    cache = corpus.cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return corpus.vendored(cache)
