"""Tests of writing a lock file into the workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import DaggerRustError, RustWorkspace
from pytest_dagger_rust.builds.lock_file import write_lock

if TYPE_CHECKING:
    from pathlib import Path

LOCK = 'version = 4\n\n[[package]]\nname = "app"\nversion = "0.1.0"\n'


@pytest.fixture
def workspace(tmp_path: Path) -> RustWorkspace:
    """A workspace without a lock file."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/main.rs").write_text("fn main() {}\n")
    (tmp_path / "Cargo.toml").write_text('[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n')
    return RustWorkspace.load(tmp_path)


def test_it_is_written_once(workspace: RustWorkspace) -> None:
    """Where it is there already, it is left alone."""
    assert write_lock(workspace, LOCK)
    assert workspace.lock_file.read_text() == LOCK
    assert workspace.lock_file.stat().st_mode & 0o777 == 0o644
    assert not write_lock(RustWorkspace.load(workspace.root), LOCK)
    assert not write_lock(workspace, "")


def test_a_link_is_replaced_and_not_followed(workspace: RustWorkspace, tmp_path: Path) -> None:
    """What it leads to stays as it is."""
    other = tmp_path / "other"
    other.write_text("kept")
    workspace.lock_file.symlink_to(other)
    write_lock(workspace, LOCK)
    assert (other.read_text(), workspace.lock_file.read_text()) == ("kept", LOCK)
    assert not workspace.lock_file.is_symlink()


def test_what_is_no_lock_file_is_refused(workspace: RustWorkspace) -> None:
    """Nothing is written then."""
    with pytest.raises(DaggerRustError, match="write_lock: cargo's lock file cannot be read"):
        write_lock(workspace, "[[package\n")
    assert [path.name for path in workspace.root.iterdir() if "lock" in path.name] == []
