"""Workspaces of every shape: the model is what cargo says, and cargo accepts and builds the skeleton."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.workspace import RustWorkspace
from tests.cargo import oracle
from tests.cargo.builds import Wanted
from tests.cargo.layouts import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(shutil.which("cargo") is None, reason="compares with cargo"),
    pytest.mark.usefixtures("shelf_only"),
]


@pytest.fixture(params=LAYOUTS)
def place(request: pytest.FixtureRequest, tree: Callable[[Mapping[str, str]], Path]) -> Path:
    """The folder to load of one workspace."""
    files = LAYOUTS[request.param]
    root = tree({name: text for name, text in files.items() if name != "*"})
    return root / files.get("*", "")


def test_the_model_is_what_cargo_says(place: Path) -> None:
    """Packages, targets and default members are those of `cargo metadata --no-deps`."""
    workspace = RustWorkspace.load(place)
    assert oracle.facts_of_model(workspace) == oracle.facts_of_cargo(place)
    default = {package.manifest_path for package in workspace.default_members}
    assert default == oracle.default_members_of_cargo(place)


def test_the_skeleton_gets_the_dependencies_compiled(place: Path, tmp_path: Path) -> None:
    """The real build finds every package that is not the repository's own compiled, and compiles the rest."""
    workspace = RustWorkspace.load(place)
    oracle.cargo("generate-lockfile", "--offline", cwd=place)
    workspace = RustWorkspace.load(place)
    skeleton = workspace.skeleton()
    root = oracle.lay(skeleton, workspace, tmp_path / "skeleton")
    everything = ("check", "--offline", "--locked", "--all-targets", "--workspace")
    oracle.cargo(*everything, cwd=root, target_dir=tmp_path / "checked")
    first = oracle.build(root, tmp_path / "target", skeleton.selection(Wanted()))
    flags = [flag for package in workspace.default_members for flag in ("--package", package.name)]
    second = oracle.build(workspace.root, tmp_path / "target", flags)
    own = {f"{item.name} {item.version}" for item in (*workspace.packages, *workspace.local_packages)}
    assert not second.compiled - own
    assert second.fresh - own == {item for item in first.compiled if "0.0.0-skeleton" not in item} - own
