"""Reads which processes there are: those of one run of pytest, and those that an engine has started."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

# The variable by whose value the processes of one run are known.
RUN = "FAULTY_RUN"


class Running(NamedTuple):
    """A process, as it was when the list was read."""

    pid: int
    parent: int
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file name of its program."""
        return Path(self.words[0]).name if self.words else ""

    def __str__(self) -> str:
        return f"{self.pid} {' '.join(self.words)[:200]}"


def below(pid: int) -> list[Running]:
    """Return every process below one, nearest first; zombies, which run nothing, are left out."""
    found = _all()
    family = [pid]
    for member in family:
        family.extend(process.pid for process in found.values() if process.parent == member)
    return [found[member] for member in family[1:] if found[member].words]


def of_run(mark: str) -> list[Running]:
    """Return the processes of this machine that a run has started, known by a variable of their environment."""
    wanted = f"{RUN}={mark}".encode()
    return [process for process in _all().values() if process.words and _has_variable(process.pid, wanted)]


def _has_variable(pid: int, wanted: bytes) -> bool:
    with contextlib.suppress(OSError):
        return wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False


def _all() -> dict[int, Running]:
    found: dict[int, Running] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            words = (entry / "cmdline").read_bytes().decode("utf-8", "replace").rstrip("\0")
            process = Running(int(entry.name), int(parent), tuple(words.split("\0")) if words else ())
            found[process.pid] = process
    return found
