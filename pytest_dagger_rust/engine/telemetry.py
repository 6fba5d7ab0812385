"""Receives what the dagger CLI sends of a session's work, by OTLP over HTTP on loopback."""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_dagger_rust.engine.collector import Collector, destinations, variables
from pytest_dagger_rust.engine.otlp import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Hear: TypeAlias = Callable[[Batch], object]

# Bytes of a body, as sent and unpacked; the CLI's have less than 100 kB. A larger one is read and forgotten.
BODY_LIMIT = 16 * 1024 * 1024
_CHUNK = 1 << 16

# Seconds that a connection may stand still.
_SILENCE = 300

# Seconds to wait for the thread that listens.
_LEAVE = 5


class Receiver:
    """A server that calls `hear` with each body it gets, on a thread of its own.

    It is an extra: what fails here is passed over, and the session goes on without.
    """

    def __init__(self, environ: Mapping[str, str], hear: Hear) -> None:
        self.hear = hear
        self.signals = destinations(environ)
        self.collector = Collector(environ, self.signals)
        # Everybody on this machine can connect; only the CLI knows where to.
        self.secret = secrets.token_urlsafe(16)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def start(self) -> dict[str, str]:
        """Listen, and return the variables that make the CLI send; none if that cannot be."""
        if not self.signals:
            return {}
        try:
            self._server = server = _Server(self)
        except OSError:
            return {}
        self._thread = threading.Thread(target=self._serve, name="dagger-rust telemetry", daemon=True)
        self._thread.start()
        return variables(f"http://127.0.0.1:{server.server_port}/{self.secret}", self.signals)

    def _serve(self) -> None:
        while self._server is not None and not self._closed.is_set():
            self._server.handle_request()

    def close(self) -> None:
        """Stop listening, once the CLI has ended."""
        if self._server is not None and self._thread is not None:
            self._closed.set()
            # It waits for a connection, which may not be had where all descriptors are taken.
            with contextlib.suppress(OSError), socket.create_connection(self._server.address, 1):
                pass
            self._thread.join(_LEAVE)
            self._server.server_close()
            self._server = None
        self.collector.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, receiver: Receiver) -> None:
        self.receiver = receiver
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = ("127.0.0.1", self.server_port)

    def server_bind(self) -> None:
        """Listen without asking for this machine's name, which may take seconds."""
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.socket.getsockname()[:2]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _SILENCE
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        """Pass a body on, and answer, whatever becomes of it: then nothing is missing when the CLI has ended."""
        receiver = self.server.receiver
        raw = self._body()
        found = next((s for s in receiver.signals if self.path == f"/{receiver.secret}/v1/{s}"), None)
        if found and raw and (body := _unpacked(raw, self.headers.get("Content-Encoding", ""))):
            with contextlib.suppress(Exception):
                receiver.collector.pass_on(found, dict(self.headers.items()), raw, body)
            with contextlib.suppress(Exception):
                receiver.hear(Batch(found, body))
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _body(self) -> bytes:
        """Read the body; one that is too large is empty."""
        size = left = int(self.headers.get("Content-Length", ""))
        kept: list[bytes] = []
        while left > 0:
            data = self.rfile.read(min(left, _CHUNK))
            if not data:
                raise EOFError
            left -= len(data)
            if size <= BODY_LIMIT:
                kept.append(data)
        return b"".join(kept)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        """Say nothing."""


def _unpacked(raw: bytes, encoding: str) -> bytes:
    """Return a body without its compression; empty if it is too large then, or damaged."""
    if encoding != "gzip":
        return raw
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    try:
        body = unpacker.decompress(raw, BODY_LIMIT)
    except zlib.error:
        return b""
    return b"" if unpacker.unconsumed_tail else body
