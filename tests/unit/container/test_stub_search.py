"""Tests of the search for a stub's marker in a program, which cargo.sh makes before it hands one out."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.container.scripts import script
from pytest_dagger_rust.skeleton.stubs import STUB_MARKER

if TYPE_CHECKING:
    from pathlib import Path

MARKER = STUB_MARKER.encode()
# As some busybox have it.
GREP_WITHOUT_ZEROS = """\
#!/bin/sh
case " $* " in *" -z "*) exit 2 ;; esac
PATH=${PATH#*:}
exec grep "$@"
"""


@pytest.fixture(params=["the machine's grep", "a grep without -z"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where programs are looked for: as on this machine, and with another grep in front."""
    if request.param == "the machine's grep":
        return os.environ["PATH"]
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/grep").write_text(GREP_WITHOUT_ZEROS)
    (tmp_path / "bin/grep").chmod(0o755)
    return f"{tmp_path / 'bin'}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("content", "is_refused"),
    [
        (b"", False),
        (b"\0\n\xff\0" * 1000, False),
        (MARKER[:-1] + b"\0" + MARKER[1:], False),
        (MARKER, True),
        (b"\0" * 1000 + MARKER + b"\0", True),
        (b"\x7fELF\xff\0text" + MARKER + b"text\n\0", True),
        (b"line\n\0" * 50_000 + MARKER + b"\n\0line" * 50_000, True),
    ],
)
def test_a_marker_is_found_wherever_it_lies(
    tmp_path: Path, path: str, content: bytes, *, is_refused: bool
) -> None:
    """Behind zeros, within a line, in the middle of a large program; and only where it is."""
    (tmp_path / "program").write_bytes(content)
    assert refused(tmp_path, path) == ("program is a stub, not the program" if is_refused else "")


def test_what_cannot_be_searched_is_refused(tmp_path: Path) -> None:
    """A program that is not there is no better than a stub."""
    assert "program is a stub" in refused(tmp_path, os.environ["PATH"])


def refused(folder: Path, path: str) -> str:
    """Return what is said of the file `program` in a folder; nothing where it is taken for a program."""
    (folder / "executables").write_text(f"compiled {folder}/program\n")
    command = f"{script('tree.sh', 'proofs.sh')}\nwork={folder} marker={STUB_MARKER}\nrefuse_stubs"
    env = {"PATH": path, "LC_ALL": "C", "VOLUME": str(folder)}
    done = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == (96 if done.stderr else 0)
    return done.stderr.rpartition(f"{folder}/")[2].strip()
