"""Daemons known by process id and start time, so that a recycled id is never taken for one of ours."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process of this boot; `key` says what it was started from."""

    pid: int
    started: int
    boot: str
    key: str = ""

    @classmethod
    def of(cls, pid: int, key: str = "") -> Process | None:
        """Identify a running process, or return None if there is none of that id."""
        started = _start_time(pid)
        return None if started is None else cls(pid, started, _boot_id(), key)

    @property
    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return self.boot == _boot_id() and _start_time(self.pid) == self.started

    def send(self, number: signal.Signals) -> None:
        """Signal the process, if it is still the one we mean."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def children(self) -> list[Process]:
        """Return its direct children."""
        found = (Process.of(pid) for pid in _pids() if _parent(pid) == self.pid) if self.alive else ()
        return [child for child in found if child is not None]

    def descendants(self) -> list[Process]:
        """Return everything below it, nearest first."""
        below = self.children()
        for child in below:
            below.extend(child.children())
        return below


@dataclass(frozen=True)
class PidFile:
    """The file that remembers one daemon."""

    path: Path

    def read(self) -> Process | None:
        """Return the remembered process if it is alive; a broken or outdated file counts as none."""
        try:
            known: Any = json.loads(self.path.read_text())
            process = Process(
                int(known["pid"]), int(known["started"]), str(known["boot"]), str(known.get("key", ""))
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        return process if process.alive else None

    def write(self, process: Process) -> None:
        """Remember a process; a reader never sees half a file."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(process)))
        partial.replace(self.path)

    def clear(self) -> None:
        """Forget the process."""
        self.path.unlink(missing_ok=True)


def start(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str], key: str, cwd: Path = Path("/")
) -> Process:
    """Start a daemon in a session of its own, with its output in a log; the last one's is kept beside it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))
    with log.open("wb") as output:
        daemon = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            cwd=cwd,
            start_new_session=True,
        )
    # A daemon outlives the one who started it, and that is nothing for Python to complain about.
    daemon.returncode = 0
    process = Process.of(daemon.pid, key)
    return process or Process(daemon.pid, -1, _boot_id(), key)


def stop(process: Process, *, main: Process | None = None, grace: float = 10.0) -> None:
    """Ask `main` (else the process itself) to end, wait for a while, then end it and all below it."""
    family = [process, *process.descendants()]
    (main or process).send(signal.SIGTERM)
    if not wait_until(lambda: not any(member.alive for member in family), grace):
        family.extend(member for member in process.descendants() if member not in family)
        for member in family:
            member.send(signal.SIGKILL)
        wait_until(lambda: not any(member.alive for member in family), grace)


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = 0.05) -> bool:
    """Poll a condition; return whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def tail(log: Path, lines: int = 15) -> str:
    """Return a log's last lines, for an error message."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return ""
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat after the program's name, which may hold blanks itself."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def _start_time(pid: int) -> int | None:
    fields = _stat(pid)
    if fields is None or (fields[0] in "ZX" and _threads(pid) <= 1):
        return None
    return int(fields[19])


def _threads(pid: int) -> int:
    """Count a process's threads: while only the first has ended, the others hold its files and ports."""
    try:
        return len(list((PROC / str(pid) / "task").iterdir()))
    except OSError:
        return 0


def _parent(pid: int) -> int | None:
    fields = _stat(pid)
    return None if fields is None else int(fields[1])


def _pids() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()]


def _boot_id() -> str:
    try:
        return (PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
