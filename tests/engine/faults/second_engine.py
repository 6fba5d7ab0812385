"""An engine that faults may happen to: the stack's programs, a state and a network of its own, a small disk if it can be."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dev.stack import network, process
from dev.stack.engine import Engine
from dev.stack.settings import Settings
from dev.stack.source import RUNNER_HOST
from tests.engine.faults import processes

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.engine.faults.processes import Running

# Sparse: it takes what the engine writes, about 2 GB.
DISK_BYTES = 8 << 30

# Programs of the engine's own, that run all the time.
OWN = frozenset({"engine", "dnsmasq", "unshare"})

# What is below it while a container exists.
_CONTAINERS = "/run/dagger/state/worker/"


def is_usable() -> bool:
    """Whether the engine in use is the development stack's, whose programs a second one can be started from."""
    ours = Engine(Settings.from_environment(os.environ))
    return os.environ.get(RUNNER_HOST) == f"unix://{ours.socket}"


@dataclass(frozen=True)
class SecondEngine:
    """An engine on a disk of its own; `has_disk` says whether there could be one."""

    engine: Engine
    has_disk: bool

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"unix://{self.engine.socket}"

    def up(self) -> None:
        """Start it, unless it runs."""
        self.engine.up()

    def kill(self) -> None:
        """End it as a crash does; what is left of it a moment later would be taken for an engine."""
        running = self._process()
        (running.children() or [running])[0].send(signal.SIGKILL)
        assert process.wait_until(lambda: not running.alive, 30)

    def work(self) -> list[Running]:
        """Return the processes that run for its clients."""
        running = self.engine.pid_file.read()
        return [] if running is None else [p for p in processes.below(running.pid) if p.name not in OWN]

    def mounts(self) -> list[str]:
        """Return where containers have mounts."""
        pid = self._process().children()[0].pid
        lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
        return [line.split()[4] for line in lines if line.split()[4].startswith(_CONTAINERS)]

    @contextlib.contextmanager
    def full(self, left: int) -> Generator[None]:
        """Fill its disk but for some bytes, until the context ends."""
        ballast = self.engine.folder / "ballast"
        disk = os.statvfs(self.engine.folder)
        size = max(disk.f_bavail * disk.f_frsize - left, 1)
        try:
            with ballast.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, size)
            yield
        finally:
            ballast.unlink()

    def shift_files(self, seconds: float) -> int:
        """Date what builds have kept in their volumes to another time, and return how many files that were."""
        count = 0
        for volume in self.engine.state.glob("worker/snapshots/snapshots/*/fs/proofs"):
            for path in (volume.parent, *volume.parent.rglob("*")):
                written = path.lstat().st_mtime + seconds
                os.utime(path, (written, written), follow_symlinks=False)
                count += 1
        return count

    def _process(self) -> process.Process:
        running = self.engine.pid_file.read()
        assert running is not None, f"the engine has ended:\n{process.tail(self.engine.log)}"
        return running


@contextlib.contextmanager
def second_engine() -> Generator[SecondEngine]:
    """Start a second engine. In the end nothing of it is there.

    Raises AssertionError if something is left.
    """
    ours = Engine(Settings.from_environment(os.environ))
    build = ours.build()
    # A short path: the engine's socket is below it.
    folder = Path(tempfile.mkdtemp(prefix="pdr"))
    second = Engine(Settings(folder, ours.settings.registry_port))
    try:
        second.folder.mkdir()
        with _disk(folder / "disk", second.folder) as has_disk:
            (second.folder / build.name).symlink_to(build)
            try:
                second.up()
                yield SecondEngine(second, has_disk)
            finally:
                _end(second)
    finally:
        shutil.rmtree(folder)
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()


def _end(engine: Engine) -> None:
    running = engine.pid_file.read()
    family = [] if running is None else [running, *running.descendants()]
    engine.down()
    assert not any(member.alive for member in family)
    assert not Path("/sys/class/net", network.bridge(engine.settings.network)).exists()


@contextlib.contextmanager
def _disk(image: Path, folder: Path) -> Generator[bool]:
    """Mount a small disk at a folder, if this machine can, and return whether it could."""
    with image.open("wb") as file:
        file.truncate(DISK_BYTES)
    made = _done("mkfs.ext4", "-q", "-O", "^has_journal", str(image))
    if not (made and _done("mount", "-o", "loop", str(image), str(folder))):
        yield False
        return
    try:
        yield True
    finally:
        # The kernel lets go of a killed engine's files a little later.
        assert process.wait_until(lambda: _done("umount", str(folder)), 10)


def _done(*command: str) -> bool:
    found = shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    return (
        bool(found)
        and subprocess.run(command, executable=found, capture_output=True, check=False).returncode == 0
    )
