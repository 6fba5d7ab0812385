"""Tests of the first request of a session: it is never given up early, and ends when it has to."""

from __future__ import annotations

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.engine.cli import SessionParams
from pytest_dagger_rust.engine.introspection import Introspection, Said, schema_of
from pytest_dagger_rust.engine.versions import check_versions, difference_of
from pytest_dagger_rust.errors import ConfigurationError, EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWER = json.dumps({"data": {"version": "v0.19.10", "__schema": {"types": []}}}).encode()


class Session(ThreadingHTTPServer):
    """A session that answers the first request in a way of its own."""

    daemon_threads = True

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.answer = answer
        self.requests = 0
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def params(self) -> SessionParams:
        """Where it serves."""
        return SessionParams(self.server_port, "token")

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that have gone."""


class Handler(BaseHTTPRequestHandler):
    server: Session  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests += 1
        self.server.answer(self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Say nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[BaseHTTPRequestHandler], None]], Session]]:
    """Return a function that starts such a session."""
    servers: list[Session] = []

    def start(answer: Callable[[BaseHTTPRequestHandler], None]) -> Session:
        servers.append(Session(answer))
        threading.Thread(target=servers[-1].serve_forever, args=(0.05,), daemon=True).start()
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def reply(
    code: int, body: bytes, pause: float = 0.0, between: float = 0.0
) -> Callable[[BaseHTTPRequestHandler], None]:
    """Return a function that answers after a pause, and byte by byte where there is one `between` them."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(pause)
        handler.send_response(code)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        for byte in body if between else ():
            handler.wfile.write(bytes([byte]))
            time.sleep(between)
        handler.wfile.write(b"" if between else body)

    return answer


def test_a_slow_answer_is_waited_for(serve: Callable[..., Session]) -> None:
    """It is one request, and its answer counts whenever it comes before the limit."""
    session = serve(reply(200, ANSWER, pause=1.0))
    assert Introspection(30).fetch(session.params) == Said("v0.19.10", {"__schema": {"types": []}})
    assert session.requests == 1


@pytest.mark.parametrize("how", ["silent", "byte by byte"])
def test_an_answer_that_does_not_come(serve: Callable[..., Session], how: str) -> None:
    """The limit is one for the whole answer, however it trickles, and the sentence names the setting."""
    slow = {"pause": 30.0} if how == "silent" else {"between": 0.1}
    session = serve(reply(200, ANSWER + b" " * 300, **slow))
    begun = time.monotonic()
    with pytest.raises(EngineUnavailable, match=r"first request within 0\.5 s\.\n.*connect_timeout"):
        Introspection(0.5).fetch(session.params)
    assert time.monotonic() - begun < 5


def test_cancelled_on_another_thread(serve: Callable[..., Session]) -> None:
    """Ctrl-C does not wait for an answer."""
    introspection = Introspection(300)
    session = serve(reply(200, ANSWER, pause=30))
    threading.Timer(0.3, introspection.cancel).start()
    begun = time.monotonic()
    with pytest.raises(EngineUnavailable):
        introspection.fetch(session.params)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "answer", ["200 nothing", "200 {}", '200 {"data": null}', '401 {"data": "secret"}', "200 []"]
)
def test_an_answer_that_is_none(serve: Callable[..., Session], answer: str) -> None:
    """Whatever does not tell of a schema is left for the SDK to complain about."""
    code, _, body = answer.partition(" ")
    session = serve(reply(int(code), body.encode()))
    assert schema_of(Introspection(30).fetch(session.params)) is None


def test_nobody_answers() -> None:
    """Where nobody listens it is known at once."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert Introspection(30).fetch(SessionParams(unused.getsockname()[1], "token")) is None


@pytest.mark.parametrize(
    ("engine", "sdk", "differ"),
    [
        ("v0.19.10", "0.19.10", False),
        ("v0.19.11", "0.19.10", False),
        ("v0.19.10", "0.21.11", True),
        ("v0.21.8", "0.19.10", True),
        ("v1.0.0-beta.21", "1.0.0b21", False),
        ("v1.0.0-beta.21", "0.21.11", True),
        ("v0.21.0-260818-dev", "0.21.11", False),
        ("v0", "0.21.11", False),
        ("3f2a1c", "0.21.11", False),
        ("", "0.21.11", False),
    ],
)
def test_versions_that_do_not_go_together(engine: str, sdk: str, differ: bool) -> None:
    """Another minor version is told with both versions and the command that cures it."""
    told = difference_of(engine, sdk)
    assert bool(told) == differ
    if differ:
        assert sdk in told
        assert told.count(engine.removeprefix("v")) == 2
        assert f"pip install dagger-io=={engine.removeprefix('v')}" in told


def test_the_session_does_not_open_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would fail minutes later, in a service or a wheel."""

    def version(_: str) -> str:
        return "0.21.11"

    monkeypatch.setattr("importlib.metadata.version", version)
    with pytest.raises(
        ConfigurationError, match=r"engine is version 0\.19\.10 and the Python SDK is version 0\.21\.11"
    ):
        check_versions(Said("v0.19.10", {}))
    check_versions(None)
