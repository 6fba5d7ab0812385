"""cargo's own graph of units as the judge of what a dependency build compiles."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from pytest_dagger_rust.builds.options import CargoOptions
from tests.cargo import oracle

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_dagger_rust.workspace import RustWorkspace

# Package, kind of target, mode, features, platform, profile.
Unit: TypeAlias = "tuple[str, str, str, tuple[str, ...], str | None, str]"
# The graph is an unstable output of a stable cargo, too.
_UNSTABLE = {"RUSTC_BOOTSTRAP": "1"}


def external_units(root: Path, *arguments: str) -> set[Unit]:
    """Return the units that a command of cargo would compile of packages from a registry or git."""
    text = oracle.cargo(
        *arguments, "--offline", "--unit-graph", "-Zunstable-options", cwd=root, env=_UNSTABLE
    )
    return {
        (
            str(unit["pkg_id"]).rpartition("#")[2],
            str(unit["target"]["kind"][0]),
            str(unit["mode"]),
            tuple(unit["features"]),
            unit["platform"],
            json.dumps({**unit["profile"], "name": ""}, sort_keys=True),
        )
        for unit in json.loads(text)["units"]
        if not str(unit["pkg_id"]).startswith("path+")
    }


def missing_and_surplus(
    workspace: RustWorkspace, place: Path, options: CargoOptions | None = None, *, tests: bool = False
) -> tuple[set[Unit], set[Unit]]:
    """Return the external units that only the source build compiles, and those that only the dependency build does."""
    wanted = options or CargoOptions()
    skeleton = workspace.skeleton()
    laid = oracle.lay(skeleton, workspace, place)
    command = ("test", "--tests") if tests else ("build",)
    real = external_units(workspace.root, *command, *wanted.selection_flags(), *wanted.build_flags())
    stub = external_units(laid, *skeleton.command(wanted, tests=tests), *wanted.build_flags())
    return real - stub, stub - real
