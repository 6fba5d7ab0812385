"""Which parts of OTLP the dagger CLI can send to this process, and the user's own collector, which gets them too."""

from __future__ import annotations

import contextlib
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_dagger_rust.engine.otlp import LOGS, TRACES, finished

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "OTEL_EXPORTER_OTLP"
_LIVE = f"{_PREFIX}_TRACES_LIVE"

# What a collector may be asked for that this process does not offer: its own certificates.
_TLS = ("CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE")

# Bodies that wait for the collector, and their bytes: what comes when it is slower than the CLI is dropped.
_WAITING, _WAITING_BYTES = 256, 16 * 1024 * 1024

# Seconds that the collector may take for one body, and at the end of the session for all that are left.
_PATIENCE, _LAST_PATIENCE = 5.0, 5.0

# Headers of one connection, which are not the body's.
_OWN_HEADERS = frozenset({"host", "content-length", "connection", "transfer-encoding", "accept-encoding"})


def destinations(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what this process can receive in place of the user's collector, each with the collector's URL.

    The URL is empty where the user has none. What the user has sent by another protocol than HTTP, or with
    certificates, is left out; without traces there is nothing at all.
    """
    found = {signal: _endpoint(environ, signal) for signal in (TRACES, LOGS)}
    ours = {signal: url for signal, url in found.items() if not url or _is_plain(environ, signal)}
    return ours if TRACES in ours else {}


def _setting(environ: Mapping[str, str], signal: str, name: str) -> str:
    return environ.get(f"{_PREFIX}_{signal.upper()}_{name}") or environ.get(f"{_PREFIX}_{name}") or ""


def _endpoint(environ: Mapping[str, str], signal: str) -> str:
    if own := environ.get(f"{_PREFIX}_{signal.upper()}_ENDPOINT"):
        return own
    base = environ.get(f"{_PREFIX}_ENDPOINT")
    # Where only that is set, the CLI sends no logs.
    return f"{base.rstrip('/')}/v1/traces" if base and signal == TRACES else ""


def _is_plain(environ: Mapping[str, str], signal: str) -> bool:
    protocol = _setting(environ, signal, "PROTOCOL") or "http/protobuf"
    return protocol in {"http/protobuf", "http"} and not any(_setting(environ, signal, name) for name in _TLS)


def variables(base: str, signals: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which the CLI sends its spans, as they begin and end, and its logs below a URL."""
    found = {_LIVE: "1"}
    for signal in signals:
        found[f"{_PREFIX}_{signal.upper()}_ENDPOINT"] = f"{base}/v1/{signal}"
        found[f"{_PREFIX}_{signal.upper()}_PROTOCOL"] = "http/protobuf"
    return found


@dataclass(frozen=True)
class _Parcel:
    url: str
    headers: dict[str, str]
    body: bytes


def _send(parcel: _Parcel) -> None:
    from http.client import HTTPException  # noqa: PLC0415 - few users have a collector
    from urllib.error import HTTPError  # noqa: PLC0415
    from urllib.request import Request, urlopen  # noqa: PLC0415

    with contextlib.suppress(OSError, ValueError, HTTPException):
        # The address is the one that the user has set.
        request = Request(parcel.url, parcel.body, parcel.headers, method="POST")  # noqa: S310
        try:
            urlopen(request, timeout=_PATIENCE).close()  # noqa: S310
        except HTTPError as refusal:
            refusal.close()


class Collector:
    """Passes on to the user's collector what the CLI would have sent it; what fails is dropped without a word."""

    def __init__(self, environ: Mapping[str, str], urls: Mapping[str, str]) -> None:
        self._urls = {signal: url for signal, url in urls.items() if url}
        # Other collectors than Dagger's take a span that has not ended for a wrong one.
        self._takes_live = bool(environ.get(_LIVE))
        self._waiting: queue.Queue[_Parcel | None] = queue.Queue(_WAITING)
        self._bytes = 0
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def pass_on(self, signal: str, headers: Mapping[str, str], raw: bytes, body: bytes) -> None:
        """Pass on a body with its headers: `raw` as it came, `body` unpacked."""
        if not (url := self._urls.get(signal)):
            return
        kept = {name: value for name, value in headers.items() if name.lower() not in _OWN_HEADERS}
        if signal == TRACES and not self._takes_live:
            kept = {name: value for name, value in kept.items() if name.lower() != "content-encoding"}
            raw = finished(body)
        if raw:
            self._put(_Parcel(url, kept, raw))

    def _put(self, parcel: _Parcel) -> None:
        with self._lock:
            if self._bytes + len(parcel.body) > _WAITING_BYTES:
                return
            with contextlib.suppress(queue.Full):
                self._waiting.put_nowait(parcel)
                self._bytes += len(parcel.body)
            if self._thread is None:
                self._thread = threading.Thread(target=self._send_all, name="dagger-rust OTLP", daemon=True)
                self._thread.start()

    def _send_all(self) -> None:
        while parcel := self._waiting.get():
            _send(parcel)
            with self._lock:
                self._bytes -= len(parcel.body)

    def close(self) -> None:
        """Send what is left, as far as there is time."""
        with self._lock:
            thread = self._thread
        if thread is not None:
            with contextlib.suppress(queue.Full):
                self._waiting.put(None, timeout=_LAST_PATIENCE)
            thread.join(_LAST_PATIENCE)
