"""A shell on the user's terminal, in a container like that of a program."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shlex
import time
from typing import TYPE_CHECKING

import anyio

from pytest_dagger_rust.container import agent
from pytest_dagger_rust.engine.plain import without_trace
from pytest_dagger_rust.errors import DaggerRustError
from pytest_dagger_rust.run.running import STDIN, RunRequest
from pytest_dagger_rust.run.service import Service
from pytest_dagger_rust.run.tunnel import Tunnel

if TYPE_CHECKING:
    from collections.abc import Callable

    import dagger

    from pytest_dagger_rust.run.setup import Bound, Setup
    from pytest_dagger_rust.run.started import Started
    from pytest_dagger_rust.run.terminal import UserTerminal

# Every image with a shell has sh; bash is the better one to type in.
_SHELL = ("sh", "-c", "exec $(command -v bash || echo sh)")

# Seconds: until the shell has to be there, between two looks at the terminal's size, and until an agent that should
# speak every second is given up.
_START, _LOOK, _SILENCE = 30, 0.25, 15


class Shell:
    """A new container like the one a program was started in, with a shell in place of the program."""

    def __init__(self, started: Started, terminal: UserTerminal) -> None:
        self._client = started.client
        self._runtime = started.runtime
        self._setup = _with_stdin(started.setup)
        self._terminal = terminal
        self._tunnel = Tunnel(self._heard, self._note_loss)
        self._running: dagger.Service | None = None
        self._changed = asyncio.Event()
        self._heard_at = time.monotonic()
        self._is_there = False
        self._failure: str | None = None
        self._lost = False
        self._ended = False
        self._early: list[bytes] | None = []

    @property
    def command(self) -> str:
        """The command that runs the program again."""
        stdin = f" < {STDIN}" if STDIN in (self._setup.files or {}) else ""
        return shlex.join(self._setup.command) + stdin

    async def start(self) -> None:
        """Start the container and its shell.

        Raises DaggerRustError where there is none to be had.
        """
        import dagger  # noqa: PLC0415 - importing dagger takes most of a second

        await self._tunnel.open({})
        try:
            with anyio.move_on_after(_START):
                await self._launch()
                await self._wait(lambda: self._is_there or self._failure is not None or self._lost)
        except dagger.QueryError as error:
            raise DaggerRustError(without_trace(str(error))) from None
        if not self._is_there:
            raise DaggerRustError(self._failure or f"the container did not start within {_START} s.")

    async def _launch(self) -> None:
        container = self._runtime.prepared(dataclasses.replace(self._setup, services=self._services()))
        container = container.with_env_variable("TERM", os.environ.get("TERM", "dumb"))
        container = await agent.connected(self._client, container, self._tunnel.socket)
        setup = self._setup
        command = agent.command("shell", _SHELL, setup.env, socket=agent.SOCKET, folder=setup.cwd)
        self._running = await container.as_service(args=command).start()

    def _services(self) -> dict[str, Bound | dagger.Service]:
        # Services that the test itself started have ended.
        services = (self._setup.services or {}).items()
        return {
            name: service
            for name, service in services
            if not isinstance(service, Service) or service.running is not None
        }

    def _heard(self, kind: bytes, payload: bytes) -> None:
        """Read a message from the agent."""
        self._heard_at = time.monotonic()
        match kind:
            case b"o" if self._early is not None:
                self._early.append(payload)
            case b"o":
                self._terminal.show(payload)
            case b"r":
                self._is_there = True
            case b"f":
                self._failure = _not_started(payload.decode("utf-8", "replace"))
            case b"x":
                self._ended = True
            case _:
                pass
        self._changed.set()

    def _note_loss(self, reason: str) -> None:
        # Losing the container after the shell's end is expected.
        self._lost = not self._ended
        self._failure = self._failure or f"{reason}."
        self._changed.set()

    async def _wait(self, until: Callable[[], bool]) -> None:
        while not until():
            self._changed.clear()
            await self._changed.wait()

    async def attend(self) -> None:
        """Forward input and output until the shell ends.

        Raises DaggerRustError when the container is lost.
        """
        # Output from before the terminal was connected.
        early, self._early = b"".join(self._early or []), None
        self._terminal.show(early)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._terminal.keyboard, self._typed)
        size: tuple[int, int] | None = None
        try:
            while not self._ended:
                if size != (size := self._terminal.size()):
                    self._tunnel.send(b"w", b"".join(number.to_bytes(2, "big") for number in size))
                if self._lost or time.monotonic() - self._heard_at > _SILENCE:
                    raise DaggerRustError("the connection to its container was lost.")
                with anyio.move_on_after(_LOOK):
                    await self._wait(lambda: self._ended or self._lost)
        finally:
            loop.remove_reader(self._terminal.keyboard)

    def _typed(self) -> None:
        data = self._terminal.read()
        self._tunnel.send(b"i", data)
        # The terminal was closed.
        self._ended = self._ended or not data

    async def stop(self) -> None:
        """End the container, also after an interrupt."""
        with anyio.CancelScope(shield=True):
            await self._tunnel.close()
            await agent.kill(self._running)


def _with_stdin(setup: Setup) -> Setup:
    if isinstance(setup, RunRequest) and setup.stdin:
        return dataclasses.replace(setup, files={**(setup.files or {}), STDIN: setup.stdin})
    return setup


def _not_started(reason: str) -> str:
    return f"sh could not be started: {reason}. Does the runtime image have a shell, and does the folder (cwd) exist?"
