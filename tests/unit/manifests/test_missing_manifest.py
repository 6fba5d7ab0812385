"""Tests of the error for a folder without a Cargo.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import RustWorkspace, WorkspaceError
from tests.cargo.oracle import write_tree

if TYPE_CHECKING:
    from pathlib import Path


def error_of(folder: Path) -> WorkspaceError:
    """Return the error for a folder that cannot be loaded."""
    with pytest.raises(WorkspaceError) as raised:
        RustWorkspace.load(folder)
    return raised.value


def test_the_nearest_manifests_are_named(tmp_path: Path) -> None:
    """The error names the manifests below the folder, nearest first, three at most."""
    folders = ["tools/gen", "tools/lint", "rust", "app"]
    write_tree(tmp_path, {f"{folder}/Cargo.toml": "" for folder in folders})
    error = error_of(tmp_path)
    assert error.file == tmp_path
    assert (
        error.hint == "There is one in app, rust, tools/gen. Name the folder of a Cargo package or workspace."
    )


def test_folders_of_tools_are_not_named(tmp_path: Path) -> None:
    """Manifests that a tool put into its own folder are no suggestion."""
    write_tree(tmp_path, {f"{name}/x/Cargo.toml": "" for name in ("target", "node_modules", ".cargo")})
    assert error_of(tmp_path).hint == "Name the folder of a Cargo package or workspace."


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    """The error names the folder that is missing."""
    assert error_of(tmp_path / "gone").file == tmp_path / "gone"
