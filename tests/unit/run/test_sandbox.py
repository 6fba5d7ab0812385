"""Tests of a sandbox's host end against an agent that dies, lies, or says nothing."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, cast

import pytest
import pytest_asyncio

from pytest_dagger_rust import DaggerRustError
from pytest_dagger_rust.container.frames import END, frame
from pytest_dagger_rust.run import results
from pytest_dagger_rust.run.running import RunRequest
from pytest_dagger_rust.run.sandbox import MAGIC, SandboxRunner
from pytest_dagger_rust.run.setup import Setup
from tests.unit.run.agents import Container, ScriptedAgent, until, without_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio

STREAM = bytes(16)
RESULT = b"".join(
    [
        results.MAGIC,
        frame(b"s", b"exited 3"),
        frame(b"t", bytes(8)),
        frame(b"o", STREAM, b"out"),
        frame(b"e", STREAM),
        frame(END),
    ]
)


def nothing(*_: object, **__: object) -> None:
    """Stand for what only an engine can make."""


class Sandboxed:
    """A sandbox whose agent is the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.container = Container()
        self.sockets = without_engine(monkeypatch)
        monkeypatch.setattr("pytest_dagger_rust.container.agent.empty_directory", nothing)
        setup = Setup(command=("sandbox",))
        self.runner = SandboxRunner(cast("Any", None), cast("Any", self.container), setup)

    def run(self, *words: str) -> asyncio.Task[Any]:
        """Begin a run."""
        return asyncio.ensure_future(self.runner.run(RunRequest(command=("app", *words), timeout=5)))

    async def agent(self) -> ScriptedAgent:
        """Come as the agent, and say that it is ready."""
        await until(lambda: self.sockets)
        agent = await ScriptedAgent.control(self.sockets[-1])
        await agent.say(b"r")
        return agent

    async def asked(self) -> tuple[ScriptedAgent, bytes]:
        """Wait for a request, and return the connection that it came on and its bytes."""
        agent = await ScriptedAgent.connected(self.sockets[-1], b"D")
        head = await asyncio.wait_for(agent.reader.readexactly(5), 5)
        assert head[:1] == b"q"
        return agent, await agent.reader.readexactly(int.from_bytes(head[1:], "big"))


@pytest_asyncio.fixture
async def sandboxed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Sandboxed]:
    """A sandbox, and the end of all connections of the test."""
    found = Sandboxed(monkeypatch)
    yield found
    await ScriptedAgent.vanish_all()
    await found.runner.stop()


async def test_a_run_is_asked_for_and_answered(sandboxed: Sandboxed) -> None:
    """The request has the agent's own words; the agent is told that its answer came."""
    run = sandboxed.run("--output=x")
    await sandboxed.agent()
    agent, request = await sandboxed.asked()
    assert request.startswith(MAGIC)
    assert request.endswith(frame(END))
    assert b"--timeout=5" in request
    await agent.say(b"+", RESULT)
    result = await run
    assert (result.exit_code, result.stdout, result.in_sandbox) == (3, "out", True)
    assert await agent.reader.readexactly(1) == b"."


@pytest.mark.parametrize(
    ("kind", "answer", "complaint"),
    [
        (b"-", b"no space left", "app failed in its sandbox: no space left."),
        (b"-", b"\xff", "app failed in its sandbox: \ufffd."),
        (b"x", b"", "app failed in its sandbox: ."),
        (b"+", b"", "its result cannot be read: it does not begin with 'pytest-dagger-rust result 1'"),
        (b"+", RESULT + b"more", "its result cannot be read: it goes on for 4 bytes after its end"),
        (b"+", RESULT.replace(b"exited 3", b"exited 9999"), "its result cannot be read"),
    ],
)
async def test_an_answer_that_is_none_is_an_error(
    sandboxed: Sandboxed, kind: bytes, answer: bytes, complaint: str
) -> None:
    """And the sandbox serves the next run."""
    run = sandboxed.run()
    await sandboxed.agent()
    agent, _ = await sandboxed.asked()
    await agent.say(kind, answer)
    with pytest.raises(DaggerRustError, match=re.escape(complaint)):
        await run
    later = sandboxed.run()
    agent, _ = await sandboxed.asked()
    await agent.say(b"+", RESULT)
    assert (await later).exit_code == 3
    assert len(sandboxed.sockets) == 1


async def test_an_answer_without_end_is_refused(sandboxed: Sandboxed) -> None:
    """Nothing is read of what would be too much."""
    run = sandboxed.run()
    await sandboxed.agent()
    agent, _ = await sandboxed.asked()
    agent.writer.write(b"+" + b"\xff" * 4)
    with pytest.raises(DaggerRustError, match="its container sent a message of 4294967295 bytes"):
        await run


async def test_an_agent_that_vanishes_is_an_error_once(sandboxed: Sandboxed) -> None:
    """For each run that waits; the next one has a new container."""
    runs = [sandboxed.run() for _ in range(3)]
    control = await sandboxed.agent()
    await sandboxed.asked()
    control.vanish()
    found = await asyncio.gather(*runs, return_exceptions=True)
    assert [str(error).partition(": the")[0] for error in found] == [
        "app: its sandbox ended while it ran"
    ] * 3
    later = sandboxed.run()
    await until(lambda: len(sandboxed.sockets) == 2)
    await sandboxed.agent()
    agent, _ = await sandboxed.asked()
    await agent.say(b"+", RESULT)
    assert (await later).exit_code == 3


async def test_a_run_may_be_lost_before_its_container_is(sandboxed: Sandboxed) -> None:
    """The next one has a new container all the same."""
    run = sandboxed.run()
    await sandboxed.agent()
    agent, _ = await sandboxed.asked()
    agent.vanish()
    with pytest.raises(DaggerRustError, match="its sandbox ended while it ran"):
        await run
    later = sandboxed.run()
    await until(lambda: len(sandboxed.sockets) == 2)
    await sandboxed.agent()
    agent, _ = await sandboxed.asked()
    await agent.say(b"+", RESULT)
    assert (await later).exit_code == 3


async def test_an_agent_that_never_comes_is_an_error(
    sandboxed: Sandboxed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its container is ended."""
    monkeypatch.setattr("pytest_dagger_rust.run.sandbox._START", 0.1)
    with pytest.raises(DaggerRustError, match=r"could not be used: it did not answer within 0\.1 s"):
        await sandboxed.run()
    assert sandboxed.container.stopped == 1


async def test_a_run_that_is_cancelled_is_taken_back(sandboxed: Sandboxed) -> None:
    """The agent is told to end it."""
    run = sandboxed.run()
    await sandboxed.agent()
    agent, _ = await sandboxed.asked()
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert await asyncio.wait_for(agent.reader.readexactly(1), 5) == b"c"


async def test_a_thousand_runs_keep_nothing(sandboxed: Sandboxed) -> None:
    """No connection, task or file stays of a run that is over."""
    first = sandboxed.run()
    await sandboxed.agent()
    agent, _ = await sandboxed.asked()
    await agent.say(b"+", RESULT)
    await first
    tunnel = cast("Any", sandboxed.runner)._tunnel
    for _ in range(100):
        run = sandboxed.run()
        agent, _ = await sandboxed.asked()
        await agent.say(b"+", RESULT)
        await run
        agent.vanish()
    await until(lambda: len(tunnel._tasks) <= 2)
    assert len(tunnel._writers) <= 2
