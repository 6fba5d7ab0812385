"""Tests of sharing a session between workers, with processes on a connection of xdist's kind."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import execnet
import pytest

from pytest_dagger_rust.engine.cli import CLI_BIN, RUNNER_HOST
from pytest_dagger_rust.errors import EngineUnavailable
from pytest_dagger_rust.plugin.xdist import Controller, SharedSession
from pytest_dagger_rust.report.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A CLI that takes a while to open a session, and notes its processes.
CLI = """\
import json, os, sys, time
open(os.environ["PIDS"], "a").write(f"{os.getpid()}\\n")
time.sleep(float(os.environ["PAUSE"]))
print(json.dumps({"port": 4, "session_token": "token"}), flush=True)
sys.stdin.read()
"""

# What a worker of this plugin does, and what it gets.
HONEST = """\
channel = channel.receive()
channel.send("session")
answer = channel.receive(20)
channel.send(("got", answer))
"""


class Display:
    """Keeps what is shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def show(self, what: str, detail: str, seconds: float) -> None:
        """Keep it."""
        self.shown.append(what)

    def clear(self) -> None:
        """Do nothing."""


class Run:
    """The controller of one run, and its workers."""

    def __init__(self, pids: Path) -> None:
        self.pids = pids
        self.display = Display()
        self.progress = Progress(lambda: self.display)
        self.session = SharedSession(20, lambda: self.progress)
        self.group = execnet.Group()
        self.taken: list[Any] = []
        take = self.session._take  # pyright: ignore[reportPrivateUsage]

        def note(channel: Any, worker: str, message: object) -> None:
            self.taken.append(message)
            take(channel, worker, message)

        setattr(self.session, "_take", note)  # noqa: B010 - it is private

    def worker(self, source: str) -> Any:
        """Start a worker that does something with its channel, and return its gateway."""
        gateway: Any = self.group.makegateway(f"popen//python={sys.executable}")
        channel: Any = gateway.newchannel()
        self.session.serve(channel, gateway.id)
        gateway.remote_exec(source).send(channel)
        return gateway

    def answers(self) -> list[Any]:
        """Return the answers that honest workers got."""
        found: list[Any] = []
        for message in list(self.taken):
            match message:
                case ("got", answer):
                    found.append(answer)
                case _:
                    pass
        return found

    def wait_for(self, condition: Callable[[], object]) -> bool:
        """Return whether a condition holds within some seconds."""
        deadline = time.monotonic() + 20
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.01)
        return bool(condition())

    @property
    def processes(self) -> list[str]:
        """The CLIs that run."""
        started = self.pids.read_text().split() if self.pids.exists() else []
        return [pid for pid in started if Path("/proc", pid).exists()]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """A controller with a CLI that opens a session at once."""
    program = tmp_path / "dagger"
    (tmp_path / "cli.py").write_text(CLI)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path / "cli.py"} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv(CLI_BIN, str(program))
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))
    monkeypatch.setenv("PAUSE", "0")
    for name in (RUNNER_HOST, "DAGGER_SESSION_PORT"):
        monkeypatch.delenv(name, raising=False)
    made = Run(tmp_path / "pids")
    yield made
    made.session.close(1)
    made.progress.stop()
    made.group.terminate(1)
    assert made.processes == []


def test_one_session_for_all(run: Run) -> None:
    """However many ask, one CLI is started, and it ends with the controller."""
    for _ in range(3):
        run.worker(HONEST)
    assert run.wait_for(lambda: len(run.answers()) == 3)
    assert run.answers() == [("session", (4, "token"))] * 3
    assert len(run.pids.read_text().split()) == 1
    run.session.close(1)
    assert run.processes == []


PEERS = {
    "lies": "channel = channel.receive()\nfor lie in ('close', 7, None, (), ('begin',), ('begin', 7), ('end', 'x'), "
    "('session', 1), b'\\xff' * 100000, {'a': [1]}, ('begin', 'x' * 10**6)): channel.send(lie)\n",
    "dies": "import os\nchannel = channel.receive()\nchannel.send('session')\nos._exit(1)\n",
    "says nothing": "import time\nchannel = channel.receive()\ntime.sleep(60)\n",
    "asks for ever": "channel = channel.receive()\nfor _ in range(1000): channel.send('session')\n",
}


@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
def test_a_bad_worker_harms_no_other(run: Run, peer: str) -> None:
    """Whatever one of them does, the others get their session."""
    run.worker(peer)
    run.worker(HONEST)
    assert run.wait_for(run.answers)
    assert run.answers() == [("session", (4, "token"))]
    assert all(len(shown) <= 300 for shown in run.display.shown)


@pytest.mark.parametrize("delay", [0.0, 0.02, 0.1, 0.3])
def test_closed_while_it_opens(run: Run, monkeypatch: pytest.MonkeyPatch, delay: float) -> None:
    """After Ctrl-C each worker that waits gets an answer, and no CLI is left or started."""
    monkeypatch.setenv("PAUSE", "30")
    run.worker(HONEST)
    run.worker(HONEST)
    assert run.wait_for(lambda: "session" in run.taken)
    time.sleep(delay)
    begun = time.monotonic()
    closers = [threading.Thread(target=run.session.close, args=(0.5,)) for _ in range(2)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(10)
    assert time.monotonic() - begun < 5
    assert run.wait_for(lambda: len(run.answers()) == 2)
    told: set[object] = {answer[1] for answer in run.answers()}
    assert told == {"The session was closed before it was open."}
    assert run.processes == []


def test_a_cli_that_cannot_be_started(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every worker gets the same words."""
    monkeypatch.setenv(CLI_BIN, "/nowhere/dagger")
    run.worker(HONEST)
    run.worker(HONEST)
    assert run.wait_for(lambda: len(run.answers()) == 2)
    first, second = run.answers()
    assert first == second
    assert "/nowhere/dagger" in str(first)


def test_waits_are_shown_and_forgotten(run: Run) -> None:
    """What a worker waits for is shown under its name, also when it dies meanwhile."""
    source = "channel = channel.receive()\nchannel.send(('begin', 'building'))\nchannel.receive()\n"
    gateway = run.worker(source)
    assert run.wait_for(lambda: "building" in run.display.shown)
    run.progress.forget(gateway.id)
    assert not run.progress._waits  # pyright: ignore[reportPrivateUsage]


class FakeChannel:
    """The worker's end of a channel, with answers that were written before."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.sent: list[object] = []

    def send(self, item: object) -> None:
        """Keep it."""
        self.sent.append(item)

    def receive(self, timeout: float | None = None) -> object:
        """Give the next answer."""
        assert timeout is not None
        if not self.answers:
            raise EOFError
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def setcallback(self, callback: Callable[[object], None]) -> None:
        """Do nothing."""


def test_a_worker_asks() -> None:
    """An answer to an earlier question is passed over."""
    channel = FakeChannel(("folder", "/late"), 7, ("session", (4, "token")), ("folder", "/f"), ("folder", 7))
    controller = Controller(channel, 1)
    assert controller.session().port == 4
    assert controller.folder() == "/f"
    assert controller.folder() is None
    assert controller.folder() is None


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([("session", "no engine")], "^no engine$"),
        ([("session", 7)], "answered 7"),
        ([("session", ("x", "y"))], "answered"),
        ([], "does not answer: EOFError"),
        ([TimeoutError("no item after 10 seconds")], "does not answer: no item"),
    ],
)
def test_a_controller_that_does_not_answer_well(answers: list[object], told: str) -> None:
    """A worker says what it got, and does not wait for ever."""
    with pytest.raises(EngineUnavailable, match=told):
        Controller(FakeChannel(*answers), 1).session()


def test_progress_of_a_controller_that_is_gone() -> None:
    """It fails no test."""

    class Gone(FakeChannel):
        def send(self, item: object) -> None:
            raise OSError

    with Controller(Gone(), 1).waiting("building"):
        pass
