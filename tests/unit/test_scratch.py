"""Tests of temporary folders, and of what killed processes left."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import scratch

if TYPE_CHECKING:
    from pathlib import Path

OWNER = """
import sys
from pytest_dagger_rust import scratch

(scratch.new_folder() / "file").touch()
print("made", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that temporary ones are made in, by this process and those it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def owner() -> subprocess.Popen[str]:
    """Start a process with a temporary folder, which lives until its standard input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "made\n"
    return process


def test_what_a_process_made_is_deleted_at_its_end(temporary: Path) -> None:
    """With all that is in it, and no earlier."""
    with owner() as process:
        assert list(temporary.glob(f"{scratch.PREFIX}*/*/file"))
        process.communicate("")
    assert process.returncode == 0
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_is_deleted_by_the_next(temporary: Path) -> None:
    """Processes that live keep theirs, and a link is not followed."""
    precious = temporary / "precious"
    precious.mkdir()
    (precious / "file").touch()
    (temporary / f"{scratch.PREFIX}link").symlink_to(precious)
    with owner() as living, owner() as killed:
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        assert len(list(temporary.glob(f"{scratch.PREFIX}*/*/file"))) == 2
        own = scratch.new_folder()
        assert len(list(temporary.glob(f"{scratch.PREFIX}*/*/file"))) == 1
        assert own.is_dir()
        living.communicate("")
    assert list(temporary.glob(f"{scratch.PREFIX}*/*/file")) == []
    assert (precious / "file").exists()


def test_a_folder_that_was_deleted_is_made_again(temporary: Path) -> None:
    """A program that cleans the folder of temporary files takes away no more than what is in it."""
    first = scratch.new_folder()
    for path in (first, first.parent):
        path.rmdir()
    second = scratch.new_folder()
    assert second.parent != first.parent
    assert list(temporary.iterdir()) == [second.parent]


def test_a_folder_lasts_as_long_as_its_context(temporary: Path) -> None:
    """Whatever is left in it."""
    with scratch.temporary_folder() as folder:
        assert folder.is_relative_to(temporary)
        (folder / "file").touch()
    assert not folder.exists()
