"""Tests of the agent as it serves: what it tells the host, in a socket of this machine's."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.cargo.run.test_run import processes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Host:
    """The host's end of one service."""

    def __init__(self, agent: Path, folder: Path) -> None:
        self._agent = agent
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._path = str(folder / "host")
        self._listener.bind(self._path)
        self._listener.listen()
        self._listener.settimeout(10)
        self._control: socket.socket | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def serve(self, *program: str, grace: str = "5") -> None:
        """Start the agent, and take its first connection."""
        command = [str(self._agent), "serve", f"--socket={self._path}", f"--grace={grace}", "--", *program]
        self.process = subprocess.Popen(command)
        self._control, _ = self._listener.accept()
        self._control.settimeout(10)

    @property
    def control(self) -> socket.socket:
        """The connection on which the agent speaks."""
        assert self._control is not None
        return self._control

    def message(self) -> tuple[bytes, bytes]:
        """Read a message."""
        head = self._read(5)
        return head[:1], self._read(int.from_bytes(head[1:], "big"))

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.control.recv(count - len(data))
            assert part, "the agent is gone"
            data += part
        return data

    def until(self, kind: bytes) -> bytes:
        """Read messages up to one of a kind, and return what it says."""
        while True:
            found, payload = self.message()
            if found == kind:
                return payload

    def close(self) -> None:
        """End everything."""
        if self._control is not None:
            self._control.close()
        self._listener.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@pytest.fixture
def host(compiled_agent: Path, tmp_path: Path) -> Iterator[Host]:
    """A host to which no agent has come yet."""
    with contextlib.closing(Host(compiled_agent, tmp_path)) as host:
        yield host


def test_the_reason_why_nothing_could_be_started_is_not_lost(host: Host) -> None:
    """The agent stays until the host has had the time to read it."""
    host.serve("/nowhere")
    time.sleep(0.5)
    assert host.process is not None
    assert host.process.poll() is None
    assert host.until(b"f") == b"No such file or directory (os error 2)"


def test_a_service_says_what_it_writes_and_how_it_ends(host: Host) -> None:
    """Both streams in their order, and a death by signal as one."""
    host.serve("/bin/sh", "-c", "echo one; echo two >&2; kill -SEGV $$")
    assert host.until(b"o").startswith(b"one\n")
    assert host.until(b"x") == b"signal 11"


def test_what_a_service_leaves_behind_ends_with_it(host: Host) -> None:
    """Also in a session of its own, and before its end is told."""
    mark = f"left-by-{os.getpid()}"
    host.serve("/bin/sh", "-c", f"(setsid sh -c 'sleep 60; : {mark}' &); exit 3")
    assert host.until(b"x") == b"exited 3"
    assert host.process is not None
    assert processes(mark) == [host.process.pid]


def test_a_service_that_does_not_end_when_asked_is_killed(host: Host) -> None:
    """After its grace; that it was asked to is told."""
    host.serve("/bin/sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done", grace="0.3")
    host.until(b"o")
    host.control.sendall(b"s")
    assert host.until(b"X") == b"signal 9"


def test_orphans_are_waited_for_while_a_service_runs(host: Host) -> None:
    """A service may make thousands of them."""
    host.serve("/bin/sh", "-c", "for n in 1 2 3 4 5; do (true &); done; sleep 0.3; echo ready; sleep 60")
    host.until(b"o")
    assert host.process is not None
    stats: list[list[str]] = []
    for process in os.listdir("/proc"):  # noqa: PTH208
        with contextlib.suppress(OSError), open(f"/proc/{process}/stat") as file:  # noqa: PTH123
            stats.append(file.read().rpartition(")")[2].split()[:2])
    assert stats.count(["Z", str(host.process.pid)]) == 0
    host.control.sendall(b"s")
    host.until(b"X")


def test_a_service_gets_the_signals_that_the_host_sends(host: Host) -> None:
    """By number, the program alone; what else it was asked to do still counts."""
    host.serve("/bin/sh", "-c", "trap 'echo reload' USR1; echo ready; while :; do sleep 0.05; done")
    host.until(b"o")
    # A shell cannot trap what it was started to ignore, as SIGHUP below nohup.
    host.control.sendall(b"k\x0a")
    assert host.until(b"o") == b"reload\n"
    host.control.sendall(b"k\x0as")
    assert host.until(b"X") == b"signal 15"
