"""Carries connections from this machine's loopback interface to a service, through the agent next to it.

The engine's own tunnels listen on all interfaces. Here only 127.0.0.1 listens, and the agent in the service's
container comes to a socket of this process, which the engine forwards: one connection tells what the service does,
and some wait until a client needs one. `container/rust/tunnel.rs` is the other end.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from pytest_dagger_rust import scratch
from pytest_dagger_rust.container.frames import FrameError, frame
from pytest_dagger_rust.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

LOOPBACK = "127.0.0.1"

_CHUNK = 1 << 16
_END = (0).to_bytes(4, "big")
_ABORT = b"\xff" * 4
_SHORT_PATH = 90
_LOST = (OSError, EOFError)

# Bytes of a frame, and connections that wait for a client: the agent needs far less of both.
_FRAME_LIMIT = 1 << 20
_IDLE_LIMIT = 64

# Seconds after which an agent that should speak every second is given up, having been listened to twice: while this
# process was stopped, time went on.
_SILENCE = 30


class Tunnel:
    """The host's end of one service: the socket its agent comes to, and the ports that clients come to.

    `on_message` is called with the kind and the payload of everything that the agent says; it raises FrameError for
    what the agent cannot have said. `on_lost` is called with the reason once the agent is gone, unless `close` was
    called before; by then every client has been reset, and every later one will be.
    """

    def __init__(self, on_message: Callable[[bytes, bytes], None], on_lost: Callable[[str], None]) -> None:
        self._folder = _socket_folder()
        self._on_message = on_message
        self._on_lost = on_lost
        self._is_open = True
        # None: no more connections come.
        self._idle: asyncio.Queue[_Link | None] = asyncio.Queue()
        self._control: asyncio.StreamWriter | None = None
        self._servers: list[asyncio.AbstractServer] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def socket(self) -> str:
        """The socket that the agent connects to."""
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
                f"ports: port {wanted} of {LOOPBACK} cannot be used: {error.strerror}.\n"
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
            # Only `close` cancels it: no error.
            with contextlib.suppress(asyncio.CancelledError, FrameError, *_LOST):
                await serve(reader, writer)

        return serve_until_lost

    async def _agent_came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link(reader, writer)
        kind = await reader.readexactly(1)
        if kind == b"D" and self._idle.qsize() < _IDLE_LIMIT and self._is_open:
            self._idle.put_nowait(link)
        elif kind == b"C" and self._control is None:
            self._control = writer
            await self._listen_to(link)
        else:
            # The agent is connected already: this is somebody else.
            self._drop(writer)

    async def _listen_to(self, link: _Link) -> None:
        reason = "the connection to its container was lost"
        try:
            await link.frame()
            while True:
                self._on_message(await link.kind(), await link.frame())
        except FrameError as error:
            reason = str(error)
        except _LOST:
            pass
        finally:
            self._lose(reason)

    def _lose(self, reason: str) -> None:
        if not self._is_open:
            return
        self._is_open = False
        self._idle.put_nowait(None)
        for writer in self._writers:
            writer.transport.abort()
        self._on_lost(reason)

    async def _client_came(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        try:
            link = await self._idle.get()
            if link is None:
                # Wake the next one, too.
                self._idle.put_nowait(None)
                return
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
        """Whether the agent has connected."""
        return self._control is not None

    def send(self, kind: bytes, payload: bytes) -> None:
        """Send the agent a message: a kind of one byte, and a frame."""
        if self._control is not None:
            self._control.write(kind + len(payload).to_bytes(4, "big") + payload)

    async def ask(self, request: bytes, limit: int) -> tuple[bytes, bytes]:
        """Send a request on a connection of its own, and return the kind and the payload of the answer.

        If the caller is cancelled, the agent ends what was asked for. Raises FrameError for an answer of more than
        `limit` bytes, and OSError or EOFError if the agent is gone.
        """
        link = await self._idle.get()
        if link is None:
            # Wake the next one, too.
            self._idle.put_nowait(None)
            raise EOFError
        try:
            link.writer.write(frame(b"q", request))
            await link.writer.drain()
            answer = await link.reader.readexactly(1), await link.frame(limit)
        except asyncio.CancelledError:
            link.writer.write(b"c")
            raise
        else:
            link.writer.write(b".")
            return answer
        finally:
            self._drop(link.writer)

    def ask_to_stop(self) -> None:
        """Ask the agent to end the service."""
        if self._control is not None:
            self._control.write(b"s")

    def send_signal(self, number: int) -> None:
        """Ask the agent to send the service a signal."""
        if self._control is not None:
            self._control.write(b"k" + bytes([number]))

    async def close(self) -> None:
        """Stop listening, and close all connections."""
        self._is_open = False
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)
        shutil.rmtree(self._folder, ignore_errors=True)


def _socket_folder() -> Path:
    """Make a folder for a socket: the kernel accepts short paths only."""
    folder = scratch.new_folder()
    if len(str(folder)) <= _SHORT_PATH:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="pdr-", dir="/tmp"))


class _Link:
    """A connection to the agent, on which frames travel: a length of four bytes, and as many bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def kind(self) -> bytes:
        for _ in range(2):
            with anyio.move_on_after(_SILENCE):
                return await self.reader.readexactly(1)
        msg = f"its container was silent for {2 * _SILENCE} s"
        raise FrameError(msg)

    async def frame(self, limit: int = _FRAME_LIMIT) -> bytes:
        size = int.from_bytes(await self.reader.readexactly(4), "big")
        if size > limit:
            msg = f"its container sent a message of {size} bytes"
            raise FrameError(msg)
        return await self.reader.readexactly(size)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward a client's bytes both ways until both sides end."""
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
