"""Carries connections from this machine's loopback interface to a service, through the agent beside it.

The engine's own tunnels listen on all interfaces. Here only 127.0.0.1 listens, and the agent in the service's
container comes to a socket of this process, which the engine forwards: one connection tells what the service does,
and some wait until a client needs one. `scripts/agent/tunnel.rs` is the other end.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dagger_rust.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

LOOPBACK = "127.0.0.1"

_CHUNK = 1 << 16
_END = (0).to_bytes(4, "big")
_ABORT = b"\xff" * 4
_LOST = (OSError, EOFError)


class Tunnel:
    """The host's end of one service: the socket its agent comes to, and the ports that clients come to.

    `on_message` is called with the kind and the payload of everything that the agent tells.
    """

    def __init__(self, on_message: Callable[[bytes, bytes], None]) -> None:
        # Not in the test's own temporary folder: the kernel takes short paths only.
        self._folder = Path(tempfile.mkdtemp(prefix="pdr-"))
        self._on_message = on_message
        self._idle: asyncio.Queue[_Link] = asyncio.Queue()
        self._control: asyncio.StreamWriter | None = None
        self._servers: list[asyncio.AbstractServer] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def socket(self) -> str:
        """The socket that the agent has to reach."""
        return str(self._folder / "agent")

    async def open(self, ports: Mapping[int, int]) -> dict[int, int]:
        """Listen; `ports` maps each port of the service to the one to listen on, 0 for any that is free.

        Give the same mapping with the ports that were taken. Raises ConfigurationError for one that is in use.
        """
        self._servers.append(await asyncio.start_unix_server(self._kept(self._agent_came), self.socket))
        return {port: await self._listen(port, wanted) for port, wanted in ports.items()}

    async def _listen(self, port: int, wanted: int) -> int:
        try:
            server = await asyncio.start_server(
                self._kept(partial(self._client_came, port)), LOOPBACK, wanted
            )
        except OSError as error:
            msg = (
                f"ports: port {wanted} of {LOOPBACK} cannot be listened on: {error.strerror}.\n"
                "  Choose another one, or 0 for any that is free."
            )
            raise ConfigurationError(msg) from None
        self._servers.append(server)
        taken: int = server.sockets[0].getsockname()[1]
        return taken

    def _kept(
        self, serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
        async def serve_until_lost(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if task := asyncio.current_task():
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            self._writers.add(writer)
            # Cancelled by `close` only, which is nothing to report.
            with contextlib.suppress(asyncio.CancelledError, *_LOST):
                await serve(reader, writer)

        return serve_until_lost

    async def _agent_came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(reader, writer)
        if await reader.readexactly(1) == b"D":
            self._idle.put_nowait(link)
            return
        self._control = writer
        await link.frame()
        while True:
            kind = await reader.readexactly(1)
            self._on_message(kind, await link.frame())

    async def _client_came(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            link = await self._idle.get()
            link.writer.write(port.to_bytes(2, "big"))
            try:
                if await link.reader.readexactly(1) == b"+":
                    await link.carry(reader, writer)
            finally:
                self._drop(link.writer)
        finally:
            # Reset rather than closed where the service did not answer; nothing is left to send otherwise.
            self._drop(writer)

    def _drop(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)
        if writer.is_closing() or writer.transport.get_write_buffer_size() == 0:
            writer.transport.abort()
        writer.close()

    @property
    def connected(self) -> bool:
        """Whether the agent has come."""
        return self._control is not None

    def send(self, kind: bytes, payload: bytes) -> None:
        """Tell the agent something, as it tells this side: by a kind of one byte, and a frame."""
        if self._control is not None:
            self._control.write(kind + len(payload).to_bytes(4, "big") + payload)

    def ask_to_stop(self) -> None:
        """Tell the agent to end the service."""
        if self._control is not None:
            self._control.write(b"s")

    async def close(self) -> None:
        """Listen no more, and drop all connections."""
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)
        shutil.rmtree(self._folder, ignore_errors=True)


class _Link:
    """A connection to the agent, on which frames travel: a length of four bytes, and as many bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def frame(self) -> bytes:
        size = int.from_bytes(await self.reader.readexactly(4), "big")
        return await self.reader.readexactly(size)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry a client's bytes both ways, until both sides have ended."""
        inward = asyncio.create_task(self._inward(reader))
        try:
            while data := await self.frame():
                writer.write(data)
                await writer.drain()
            writer.write_eof()
            await writer.drain()
            await inward
        except BaseException:
            self.writer.write(_ABORT)
            raise
        finally:
            inward.cancel()

    async def _inward(self, reader: asyncio.StreamReader) -> None:
        try:
            while data := await reader.read(_CHUNK):
                self.writer.write(len(data).to_bytes(4, "big") + data)
                await self.writer.drain()
            self.writer.write(_END)
        except ConnectionError:
            self.writer.write(_ABORT)
