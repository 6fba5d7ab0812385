"""Tests of receiving OTLP, and of passing it on to a collector of the user's."""

from __future__ import annotations

import gzip
import http.client
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from pytest_dagger_rust.engine import telemetry
from pytest_dagger_rust.engine.otlp import TRACES, Batch
from pytest_dagger_rust.engine.telemetry import Receiver
from tests.unit.recordings import log, span, traces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

BEGUN, ENDED = span("1", "from"), span("1", "from", ended=True)
TRACES_ENDPOINT, LOGS_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT"


class Peer:
    """A receiver under test, what it heard, and a CLI that sends to it."""

    def __init__(self, environ: Mapping[str, str], hear: Callable[[Batch], object] | None = None) -> None:
        self.heard: list[Batch] = []
        self.receiver = Receiver(environ, hear or self.heard.append)
        self.variables = self.receiver.start()

    def send(self, batch: Batch, **headers: str) -> int:
        """Send a body as the CLI does, and return the status of the answer."""
        return self.send_to(
            self.variables[f"OTEL_EXPORTER_OTLP_{batch.signal.upper()}_ENDPOINT"], batch.body, headers
        )

    def send_to(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> int:
        """Send bytes to a URL."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
        connection.request(
            "POST", parts.path, body, {"Content-Type": "application/x-protobuf", **(headers or {})}
        )
        status = connection.getresponse().status
        connection.close()
        return status


@pytest.fixture
def make_peer() -> Iterator[Callable[..., Peer]]:
    """Return a function that makes a peer, which is closed at the end."""
    made: list[Peer] = []

    def make(hear: Callable[[Batch], object] | None = None, **environ: str) -> Peer:
        made.append(Peer(environ, hear))
        return made[-1]

    yield make
    for peer in made:
        peer.receiver.close()


class Collector(ThreadingHTTPServer):
    """A collector of the user's, which keeps what it gets."""

    daemon_threads = True

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 200
        self.pause = 0.0
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Collector  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        """Keep a body."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.pause)
        self.server.got.append((self.path, dict(self.headers.items()), body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that runs."""
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def wait_for(condition: Callable[[], object]) -> bool:
    """Return whether a condition holds within some seconds."""
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_what_is_sent_is_heard(make_peer: Callable[..., Peer]) -> None:
    """Spans and logs arrive in order, packed or not, and the CLI is told to send them live."""
    peer = make_peer()
    assert peer.variables["OTEL_EXPORTER_OTLP_TRACES_LIVE"] == "1"
    assert peer.send(traces(BEGUN)) == peer.send(log("1", "Compiling")) == 200
    packed = Batch(TRACES, gzip.compress(traces(ENDED).body))
    assert peer.send(packed, **{"Content-Encoding": "gzip"}) == 200
    assert wait_for(lambda: len(peer.heard) == 3)
    assert [s.ended for s in peer.heard[0].spans()] == [False]
    assert [p.text for p in peer.heard[1].pieces()] == ["Compiling"]
    assert [s.ended for s in peer.heard[2].spans()] == [True]


def test_only_the_cli_can_send(make_peer: Callable[..., Peer]) -> None:
    """Somebody else on this machine does not know the path."""
    peer = make_peer()
    url = urlsplit(peer.variables[TRACES_ENDPOINT])
    assert url.hostname == "127.0.0.1"
    assert peer.send_to(f"http://{url.netloc}/v1/traces", traces(BEGUN).body) == 404
    assert peer.send(traces(ENDED)) == 200
    assert wait_for(lambda: peer.heard)
    assert len(peer.heard) == 1


def test_a_huge_body_is_not_kept(make_peer: Callable[..., Peer], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is read and answered, packed or not, and the ones after it arrive."""
    monkeypatch.setattr(telemetry, "BODY_LIMIT", 100_000)
    peer = make_peer()
    assert peer.send(Batch(TRACES, bytes(1_000_000))) == 200
    bomb = Batch(TRACES, gzip.compress(bytes(10_000_000)))
    assert len(bomb.body) < 100_000
    assert peer.send(bomb, **{"Content-Encoding": "gzip"}) == 200
    assert peer.send(Batch(TRACES, b"no gzip"), **{"Content-Encoding": "gzip"}) == 200
    assert peer.send(traces(ENDED)) == 200
    assert wait_for(lambda: peer.heard)
    assert len(peer.heard) == 1


def test_a_receiver_that_fails(make_peer: Callable[..., Peer]) -> None:
    """The CLI gets its answer whatever becomes of the body, and nothing is printed."""

    def fail(_: Batch) -> None:
        raise RuntimeError

    peer = make_peer(fail)
    assert [peer.send(traces(BEGUN)) for _ in range(3)] == [200, 200, 200]


def test_no_port_to_listen_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CLI then runs as if there were no receiver."""

    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(telemetry, "_Server", refuse)
    receiver = Receiver({}, lambda _: None)
    assert receiver.start() == {}
    receiver.close()


def test_the_users_collector_gets_the_same(make_peer: Callable[..., Peer], collector: Collector) -> None:
    """What the user has asked the CLI for arrives at the user's collector, with its headers and as it was packed."""
    peer = make_peer(
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.url}/mine/v1/traces",
        OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=f"{collector.url}/logs",
        OTEL_EXPORTER_OTLP_TRACES_LIVE="1",
    )
    packed = gzip.compress(traces(BEGUN).body)
    peer.send(Batch(TRACES, packed), **{"Content-Encoding": "gzip", "X-Tenant": "me"})
    written = log("1", "Compiling")
    peer.send(written)
    peer.receiver.close()
    assert len(peer.heard) == 2
    got = {path: (headers, body) for path, headers, body in collector.got}
    headers, body = got["/mine/v1/traces"]
    assert body == packed
    assert (headers["X-Tenant"], headers["Content-Encoding"]) == ("me", "gzip")
    assert got["/logs"][1] == written.body


def test_a_collector_that_has_not_asked_for_live_spans(
    make_peer: Callable[..., Peer], collector: Collector
) -> None:
    """It gets each span once, when it has ended, and no logs, which the CLI sends to an address of their own only."""
    peer = make_peer(OTEL_EXPORTER_OTLP_ENDPOINT=f"{collector.url}/")
    assert "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT" in peer.variables
    peer.send(traces(BEGUN))
    peer.send(traces(BEGUN, ENDED))
    peer.send(log("1", "Compiling"))
    peer.receiver.close()
    assert len(peer.heard) == 3
    assert [(path, body) for path, _, body in collector.got] == [("/v1/traces", traces(ENDED).body)]


TAKEN: list[tuple[dict[str, str], set[str]]] = [
    ({}, {"TRACES", "LOGS"}),
    ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, {"TRACES", "LOGS"}),
    ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317"}, set()),
    ({TRACES_ENDPOINT: "http://c:4317", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, set()),
    ({LOGS_ENDPOINT: "http://c:4317", "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "grpc"}, {"TRACES"}),
    ({TRACES_ENDPOINT: "https://c", "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/key"}, set()),
    ({TRACES_ENDPOINT: "https://c/v1/traces"}, {"TRACES", "LOGS"}),
    ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c/v1/metrics"}, {"TRACES", "LOGS"}),
]


@pytest.mark.parametrize(("environ", "taken"), TAKEN)
def test_what_cannot_be_passed_on_keeps_its_address(environ: dict[str, str], taken: set[str]) -> None:
    """A collector by gRPC, or one that wants certificates, is sent to by the CLI itself; metrics always are."""
    receiver = Receiver(environ, lambda _: None)
    variables = receiver.start()
    receiver.close()
    assert {name.split("_")[3] for name in variables if name.endswith("_ENDPOINT")} == taken
    assert bool(variables) == bool(taken)


@pytest.mark.parametrize("what", ["refuses", "is not there", "is slow"])
def test_a_collector_that_fails(
    make_peer: Callable[..., Peer], collector: Collector, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing waits for it, and the end of the session not for long."""
    monkeypatch.setattr("pytest_dagger_rust.engine.collector._LAST_PATIENCE", 0.2)
    collector.status, collector.pause = 500, 1.0 if what == "is slow" else 0.0
    url = "http://127.0.0.1:1" if what == "is not there" else collector.url
    peer = make_peer(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{url}/v1/traces")
    begun = time.monotonic()
    for _ in range(300):
        assert peer.send(traces(ENDED)) == 200
    peer.receiver.close()
    assert time.monotonic() - begun < 10
    assert len(peer.heard) == 300
