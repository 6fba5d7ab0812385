"""Workspaces nobody thought of: random ones look to the model as they look to cargo, and cargo accepts their skeletons."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from pytest_dagger_rust.errors import WorkspaceError
from pytest_dagger_rust.workspace import RustWorkspace
from tests.cargo import oracle
from tests.cargo.builds import EVERYTHING
from tests.cargo.generator import Files, workspaces, write

pytestmark = [
    pytest.mark.skipif(shutil.which("cargo") is None, reason="compares with cargo"),
    pytest.mark.usefixtures("shelf_only"),
]
# Chosen anew on each run, the failures would come to whoever changes something else: only who asks for more gets new
# ones.
MORE = os.environ.get("GENERATED_EXAMPLES")
SLOW = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


def _load(root: Path) -> RustWorkspace | None:
    """Load a workspace that cargo accepts; None when both the model and cargo reject it."""
    (root / ".git").mkdir()
    try:
        oracle.facts_of_build(root)
    except oracle.CargoFailed:
        with pytest.raises(WorkspaceError):
            RustWorkspace.load(root)
        return None
    try:
        return RustWorkspace.load(root)
    except WorkspaceError:
        # `cargo metadata` leaves out declared tests that are not there, over which a build fails.
        with pytest.raises(oracle.CargoFailed, match="failed to parse manifest"):
            oracle.cargo("build", "--offline", cwd=root)
        return None


@settings(max_examples=int(MORE or 80), deadline=None, suppress_health_check=SLOW, derandomize=not MORE)
@given(workspaces())
def test_any_workspace(files: Files) -> None:
    """The model says what cargo says, or both reject the workspace; cargo accepts the skeleton and its lock file."""
    with tempfile.TemporaryDirectory() as folder:
        root = write(Path(folder).resolve() / "repository", files)
        workspace = _load(root)
        if workspace is None:
            return
        assert oracle.facts_of_model(workspace) == oracle.facts_of_cargo(root)
        default = {package.manifest_path for package in workspace.default_members}
        assert default == oracle.default_members_of_cargo(root)
        place = oracle.lay(workspace.skeleton(), workspace, root.parent / "skeleton")
        seen = {item.name for item in oracle.facts_of_build(place, "--locked")}
        assert seen == {item.name for item in workspace.packages}


@settings(max_examples=int(MORE or 80) // 10, deadline=None, suppress_health_check=SLOW, derandomize=not MORE)
@given(workspaces())
def test_any_workspace_compiles(files: Files) -> None:
    """Cargo checks and builds the skeleton, then the sources with the same dependencies and the harness the model says."""
    with tempfile.TemporaryDirectory() as folder:
        root = write(Path(folder).resolve() / "repository", files)
        workspace = _load(root)
        if workspace is not None:
            place = oracle.lay(workspace.skeleton(), workspace, root.parent / "skeleton")
            oracle.cargo(*oracle.CHECK_ALL, "--locked", cwd=place, target_dir=root.parent / "checked")
            assert oracle.harness_mismatches(workspace, root.parent / "target") == []
            _check_builds(workspace, place)


def _check_builds(workspace: RustWorkspace, laid: Path) -> None:
    """Build the laid skeleton and then the sources, which must find exactly the same dependencies compiled."""
    target = laid.parent / "built"
    first = oracle.build(laid, target, workspace.skeleton().selection(EVERYTHING))
    try:
        second = oracle.build(workspace.root, target)
    except oracle.CargoFailed:
        # A library of a kind that is linked may not compile as empty as it is.
        return
    own = {item.name for item in (*workspace.packages, *workspace.local_packages)}
    others = {item for item in first.compiled if item.split()[0] not in own}
    assert {item for item in second.fresh if item.split()[0] not in own} == others
    assert {item.split()[0] for item in second.compiled} <= own
