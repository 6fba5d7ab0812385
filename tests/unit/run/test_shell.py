"""Tests of a shell's host end against an agent that dies, lies, or says nothing."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any, cast

import pytest
import pytest_asyncio

from pytest_dagger_rust.errors import DaggerRustError
from pytest_dagger_rust.run import shell as shell_module
from pytest_dagger_rust.run.setup import Setup
from pytest_dagger_rust.run.shell import Shell
from pytest_dagger_rust.run.started import Started
from tests.unit.run.agents import Container, ScriptedAgent, until, without_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio


class Terminal:
    """A terminal on which nobody types."""

    def __init__(self) -> None:
        self.keyboard, self._typing = os.pipe()
        self.shown = b""

    def size(self) -> tuple[int, int]:
        """Return rows and columns."""
        return 24, 80

    def read(self) -> bytes:
        """Return what was typed."""
        return os.read(self.keyboard, 100)

    def show(self, data: bytes) -> None:
        """Keep what is shown."""
        self.shown += data

    def type(self, data: bytes) -> None:
        """Type."""
        os.write(self._typing, data)

    def close(self) -> None:
        """Close both ends."""
        os.close(self.keyboard)
        os.close(self._typing)


class Attended:
    """A shell whose agent is the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._sockets = without_engine(monkeypatch)
        self.container, self.terminal = Container(), Terminal()
        started = Started(cast("Any", None), None, cast("Any", self.container), Setup(command=("app",)))
        self.shell = Shell(started, cast("Any", self.terminal))
        self._starting = asyncio.ensure_future(self.shell.start())

    async def agent(self) -> ScriptedAgent:
        """Connect as the agent."""
        await until(lambda: self._sockets)
        return await ScriptedAgent.control(self._sockets[0])

    async def started(self) -> None:
        """Wait until the shell is there."""
        await asyncio.wait_for(self._starting, 5)

    async def attended(self) -> None:
        """Wait until it has ended."""
        await asyncio.wait_for(self.shell.attend(), 5)


@pytest_asyncio.fixture
async def attended(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Attended]:
    """A shell that is being started."""
    attended = Attended(monkeypatch)
    yield attended
    await attended.shell.stop()
    await ScriptedAgent.vanish_all()
    attended.terminal.close()


async def test_what_is_typed_and_shown_is_carried(attended: Attended) -> None:
    """Until the shell has ended; what was shown before the terminal was there, too."""
    agent = await attended.agent()
    await agent.say(b"r")
    await agent.say(b"o", b"early ")
    await attended.started()
    attended.terminal.type(b"ls\n")
    attending = asyncio.ensure_future(attended.attended())
    size = await agent.reader.readexactly(9)
    assert size == b"w\0\0\0\x04\0\x18\0\x50"
    assert await agent.reader.readexactly(8) == b"i\0\0\0\x03ls\n"
    await agent.say(b"o", b"late")
    await agent.say(b"x", b"exited 0")
    await attending
    assert attended.terminal.shown == b"early late"


async def test_a_container_that_vanishes_gives_the_terminal_back(attended: Attended) -> None:
    """At once, with the reason."""
    agent = await attended.agent()
    await agent.say(b"r")
    await attended.started()
    attending = asyncio.ensure_future(attended.attended())
    agent.vanish()
    with pytest.raises(DaggerRustError, match=r"^the connection to its container was lost\.$"):
        await attending


async def test_a_container_that_vanishes_before_the_shell_is_there_is_no_wait(attended: Attended) -> None:
    """Though half a minute would be allowed."""
    agent = await attended.agent()
    agent.vanish()
    with pytest.raises(DaggerRustError, match=r"^the connection to its container was lost\.$"):
        await attended.started()


async def test_a_message_without_end_ends_the_shell(attended: Attended) -> None:
    """It is not waited for."""
    agent = await attended.agent()
    await agent.say(b"r")
    await attended.started()
    attending = asyncio.ensure_future(attended.attended())
    agent.writer.write(b"o" + b"\xff" * 4)
    with pytest.raises(DaggerRustError, match=r"^the connection to its container was lost\.$"):
        await attending


async def test_a_silent_agent_is_given_up(attended: Attended, monkeypatch: pytest.MonkeyPatch) -> None:
    """It should say every second that it is there."""
    monkeypatch.setattr(shell_module, "_SILENCE", 0.1)
    agent = await attended.agent()
    await agent.say(b"r")
    await attended.started()
    with pytest.raises(DaggerRustError, match=r"^the connection to its container was lost\.$"):
        await attended.attended()


async def test_an_image_without_a_shell_is_said(attended: Attended) -> None:
    """Bytes that are no text included."""
    agent = await attended.agent()
    await agent.say(b"f", b"No such file \xff")
    with pytest.raises(
        DaggerRustError, match=r"^sh could not be started: No such file \ufffd\. Does the runtime"
    ):
        await attended.started()
