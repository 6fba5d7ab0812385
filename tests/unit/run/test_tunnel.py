"""Tests of the host's end of a tunnel against an agent that dies, lies, or says nothing."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from pytest_dagger_rust.container.frames import FrameError
from pytest_dagger_rust.run import tunnel as tunnel_module
from pytest_dagger_rust.run.tunnel import Tunnel
from tests.unit.run.agents import ScriptedAgent, connected, is_reset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.asyncio


class Host:
    """A tunnel, and what it said."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, bytes]] = []
        self.losses: list[str] = []
        self.changed = asyncio.Event()
        self.tunnel = Tunnel(self._heard, self._lost)
        self.port = 0

    def _heard(self, kind: bytes, payload: bytes) -> None:
        if kind == b"!":
            raise FrameError("it lied")
        self.messages.append((kind, payload))
        self.changed.set()

    def _lost(self, reason: str) -> None:
        self.losses.append(reason)
        self.changed.set()

    async def until_something_happens(self) -> None:
        """Wait for a message, or the agent's loss."""
        await asyncio.wait_for(self.changed.wait(), 5)
        self.changed.clear()


@pytest_asyncio.fixture
async def host() -> AsyncIterator[Host]:
    """A tunnel to one port, to which no agent has come yet."""
    host = Host()
    host.port = (await host.tunnel.open({8080: 0}))[8080]
    yield host
    await host.tunnel.close()
    await ScriptedAgent.vanish_all()


async def test_messages_arrive_and_the_end_of_the_tunnel_is_no_loss(host: Host) -> None:
    """Closed by this side, nothing is lost."""
    agent = await ScriptedAgent.control(host.tunnel.socket)
    await agent.say(b"o", b"text")
    await host.until_something_happens()
    assert host.messages == [(b"o", b"text")]
    await host.tunnel.close()
    assert host.losses == []


async def test_an_agent_that_dies_is_lost_and_all_clients_are_sent_away(host: Host) -> None:
    """The one that waits, the one that is served, and those that come later."""
    agent = await ScriptedAgent.control(host.tunnel.socket)
    await connected(host.tunnel)
    waiting = asyncio.ensure_future(is_reset(host.port))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    idle = await ScriptedAgent.connected(host.tunnel.socket, b"D")
    assert await idle.reader.readexactly(2) == (8080).to_bytes(2, "big")
    idle.writer.write(b"+")
    also_waiting = asyncio.ensure_future(is_reset(host.port))
    await asyncio.sleep(0.05)
    agent.vanish()
    await host.until_something_happens()
    assert host.losses == ["the connection to its container was lost"]
    assert all(await asyncio.gather(waiting, also_waiting))
    assert [await is_reset(host.port) for _ in range(3)] == [True, True, True]


async def test_a_message_without_end_ends_the_connection(host: Host) -> None:
    """No room is made for what a message says of its length."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    agent = await ScriptedAgent.control(host.tunnel.socket)
    agent.writer.write(b"o" + (3_700_000_000).to_bytes(4, "big") + b"x" * 100_000)
    await host.until_something_happens()
    assert host.losses == ["its container sent a message of 3700000000 bytes"]
    assert await agent.reader.read(1) == b""
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


async def test_a_client_is_sent_away_where_its_connection_lies(host: Host) -> None:
    """It alone; the service is not lost for that."""
    await ScriptedAgent.control(host.tunnel.socket)
    idle = await ScriptedAgent.connected(host.tunnel.socket, b"D")
    waiting = asyncio.ensure_future(is_reset(host.port))
    await idle.reader.readexactly(2)
    idle.writer.write(b"+" + (1 << 30).to_bytes(4, "big"))
    assert await waiting
    assert host.losses == []


async def test_what_the_agent_cannot_have_said_is_a_loss(host: Host) -> None:
    """With what was wrong with it."""
    agent = await ScriptedAgent.control(host.tunnel.socket)
    await agent.say(b"!")
    await host.until_something_happens()
    assert host.losses == ["it lied"]


async def test_the_first_agent_is_the_only_one(host: Host) -> None:
    """Whoever comes later and speaks as the agent does is sent away, and not listened to."""
    first = await ScriptedAgent.control(host.tunnel.socket)
    await connected(host.tunnel)
    second = await ScriptedAgent.control(host.tunnel.socket)
    await second.say(b"x", b"exited 0")
    assert await asyncio.wait_for(second.reader.read(1), 5) == b""
    await first.say(b"o", b"still here")
    await host.until_something_happens()
    assert host.messages == [(b"o", b"still here")]
    assert host.losses == []


async def test_connections_that_wait_are_bounded(host: Host) -> None:
    """Two thousand of them are not kept."""
    await ScriptedAgent.control(host.tunnel.socket)
    await connected(host.tunnel)
    idle = [await ScriptedAgent.connected(host.tunnel.socket, b"D") for _ in range(80)]
    ends = [asyncio.ensure_future(agent.reader.read(1)) for agent in idle]
    await asyncio.sleep(0.2)
    assert sum(end.done() for end in ends) == 16
    for end in ends:
        end.cancel()


async def test_an_agent_that_says_nothing_is_given_up(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """After it was listened to twice."""
    monkeypatch.setattr(tunnel_module, "_SILENCE", 0.05)
    await ScriptedAgent.control(host.tunnel.socket)
    await host.until_something_happens()
    assert host.losses == ["its container was silent for 0.1 s"]


async def test_a_long_folder_for_temporary_files_is_not_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket's path has to be short."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    host = Host()
    await host.tunnel.open({})
    assert len(host.tunnel.socket) < 100
    await host.tunnel.close()
    assert list(folder.glob("*/*")) == []
    assert not Path(host.tunnel.socket).parent.exists()
