"""An agent that says what a test has it say, and a host's end of a service that needs no engine."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import anyio

from pytest_dagger_rust.container.frames import frame

if TYPE_CHECKING:
    from collections.abc import Callable

    import dagger
    import pytest

    from pytest_dagger_rust.run.tunnel import Tunnel


@dataclass
class ScriptedAgent:
    """The agent's end of a connection to the host."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    # Nobody else keeps them, and what is not kept is closed.
    all: ClassVar[list[ScriptedAgent]] = []

    @classmethod
    async def connected(cls, socket: str, first: bytes = b"") -> ScriptedAgent:
        """Connect, and send the first bytes."""
        agent = cls(*await asyncio.open_unix_connection(socket))
        cls.all.append(agent)
        agent.writer.write(first)
        await agent.writer.drain()
        return agent

    @classmethod
    async def control(cls, socket: str) -> ScriptedAgent:
        """Connect as the agent does first of all."""
        return await cls.connected(socket, frame(b"C"))

    async def say(self, kind: bytes, payload: bytes = b"") -> None:
        """Send a message."""
        self.writer.write(frame(kind, payload))
        await self.writer.drain()

    @classmethod
    async def vanish_all(cls) -> None:
        """End all connections of a test."""
        for agent in cls.all:
            agent.vanish()
        await asyncio.gather(*(agent.writer.wait_closed() for agent in cls.all), return_exceptions=True)
        cls.all.clear()

    def vanish(self) -> None:
        """End the connection at once."""
        self.writer.transport.abort()


async def is_reset(port: int) -> bool:
    """Return whether a client of a port is sent away, and does not wait."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await asyncio.wait_for(reader.read(1), 5) == b""
    except ConnectionError:
        return True
    finally:
        writer.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait for what happens a little later."""
    with anyio.fail_after(5):
        while not condition():  # noqa: ASYNC110 - nothing says when it happens
            await asyncio.sleep(0.001)


async def connected(tunnel: Tunnel) -> None:
    """Wait until the agent has come."""
    await until(lambda: tunnel.connected)


class Container:
    """A container in place of the engine's, with the parts of the interface that a service uses."""

    def __init__(self) -> None:
        self.args: list[str] = []
        self.stopped = 0
        self.slow = 0.0

    def prepared(self, _: Any) -> Container:
        """Return itself, as the runtime does."""
        return self

    def with_exposed_port(self, *_: Any, **__: Any) -> Container:
        """Return itself."""
        return self

    def with_env_variable(self, *_: Any) -> Container:
        """Return itself."""
        return self

    def with_mounted_directory(self, *_: Any) -> Container:
        """Return itself."""
        return self

    def as_service(self, args: list[str]) -> Container:
        """Note the command."""
        self.args = args
        return self

    async def start(self) -> Container:
        """Start nothing, after a while."""
        await asyncio.sleep(self.slow)
        return self

    async def stop(self, **_: Any) -> None:
        """Note that it was stopped."""
        self.stopped += 1


def without_engine(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have containers connected to sockets whose paths are noted, and no more."""
    sockets: list[str] = []

    async def connect(_: dagger.Client, container: Container, socket: str) -> Container:
        sockets.append(socket)
        return container

    monkeypatch.setattr("pytest_dagger_rust.container.agent.connected", connect)
    return sockets
