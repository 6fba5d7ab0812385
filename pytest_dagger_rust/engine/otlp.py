"""What the dagger CLI sends of a session's work: spans, twice each where they take time, and pieces of logs."""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

TRACES, LOGS = "traces", "logs"

# Attributes of the engine's spans: a call with its arguments, what it returns, and whose work a later span does.
CALL, OUTPUT, RESUMED = "dagger.io/dag.call", "dagger.io/dag.output", "dagger.io/ui.resume.output"

# Fields of the message in CALL: the arguments of a call, name and value of one, and a text or a list as a value.
_ARGUMENT, _NAME, _VALUE, _TEXT, _LIST, _ITEM = 4, 1, 2, 7, 8, 1


class Span(NamedTuple):
    """A span that began, or has ended; `failure` is the reason of one that failed, `links` name related spans."""

    id: bytes
    parent: bytes
    name: str
    ended: bool
    failure: str
    attributes: Mapping[str, str]
    links: tuple[bytes, ...]

    def arguments(self) -> dict[str, tuple[str, ...]]:
        """Return the texts among the arguments of the call that the span is about; none if they cannot be read."""
        try:
            return dict(_arguments(base64.b64decode(self.attributes.get(CALL, ""), validate=True)))
        except (ValueError, IndexError, binascii.Error):
            return {}


class Piece(NamedTuple):
    """A piece of what the program of a span has written; it may begin and end anywhere in a line."""

    span: bytes
    text: str


@dataclass(frozen=True)
class Batch:
    """One body of OTLP, decoded when it is asked for; `at` is when it came, in seconds of the monotonic clock."""

    signal: str
    body: bytes
    at: float = field(default_factory=time.monotonic)

    def spans(self) -> list[Span]:
        """Return the spans in the order they were sent; none if the body cannot be read."""
        if self.signal != TRACES:
            return []
        request = _decoded(TRACES, self.body)
        return [
            _span(span)
            for resource in (request.resource_spans if request else ())
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def pieces(self) -> list[Piece]:
        """Return the pieces of logs in the order they were sent; none if the body cannot be read."""
        if self.signal != LOGS:
            return []
        request = _decoded(LOGS, self.body)
        return [
            Piece(record.span_id, record.body.string_value)
            for resource in (request.resource_logs if request else ())
            for scope in resource.scope_logs
            for record in scope.log_records
            if record.body.string_value
        ]


def finished(body: bytes) -> bytes:
    """Return a body of traces without the spans that have not ended; empty if none is left or it cannot be read."""
    request = _decoded(TRACES, body)
    scopes = [
        scope for resource in (request.resource_spans if request else ()) for scope in resource.scope_spans
    ]
    for scope in scopes:
        ended = [span for span in scope.spans if span.end_time_unix_nano]
        del scope.spans[:]
        scope.spans.extend(ended)
    whole: bytes = request.SerializeToString() if any(scope.spans for scope in scopes) else b""
    return whole


def _decoded(signal: str, body: bytes) -> Any:
    # They come with the SDK, and take a tenth of a second to import: only where somebody looks.
    from google.protobuf.message import DecodeError  # noqa: PLC0415
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest  # noqa: PLC0415
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415
        ExportTraceServiceRequest,
    )

    kind = ExportTraceServiceRequest if signal == TRACES else ExportLogsServiceRequest
    try:
        return kind.FromString(body)
    except DecodeError:
        return None


def _span(span: Any) -> Span:
    failed = span.status.code == span.status.STATUS_CODE_ERROR
    return Span(
        span.span_id,
        span.parent_span_id,
        span.name,
        bool(span.end_time_unix_nano),
        (span.status.message or "failed") if failed else "",
        {attribute.key: attribute.value.string_value for attribute in span.attributes},
        tuple(link.span_id for link in span.links),
    )


def _arguments(call: bytes) -> Iterator[tuple[str, tuple[str, ...]]]:
    for number, argument in _fields(call):
        if number == _ARGUMENT:
            parts = dict(_fields(argument))
            yield parts.get(_NAME, b"").decode(), tuple(_texts(parts.get(_VALUE, b"")))


def _texts(value: bytes) -> Iterator[str]:
    for number, data in _fields(value):
        if number == _TEXT:
            yield data.decode()
        elif number == _LIST:
            yield from (text for item, inner in _fields(data) if item == _ITEM for text in _texts(inner))


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the fields of a protobuf message that have a length.

    Raises ValueError or IndexError for what is no message.
    """
    at = 0
    while at < len(data):
        key, at = _number(data, at)
        if key & 7 == 0:
            _, at = _number(data, at)
            continue
        size, at = (
            _number(data, at) if key & 7 == 2 else ({1: 8, 5: 4}[key & 7] if key & 7 in {1, 5} else -1, at)
        )
        if size < 0 or at + size > len(data):
            raise ValueError(key)
        if key & 7 == 2:
            yield key >> 3, data[at : at + size]
        at += size


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
