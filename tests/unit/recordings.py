"""Recorded OTLP of the dagger CLI, reduced to what has a meaning here, and bodies made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pytest_dagger_rust.engine.otlp import LOGS, TRACES, Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RECORDED = Path(__file__).parent / "report" / "recorded"


def recorded(name: str, at: float = 0.0) -> Iterator[Batch]:
    """Yield the bodies of a recording in the order they came."""
    for line in (RECORDED / f"{name}.jsonl").read_text().splitlines():
        ((signal, values),) = json.loads(line).items()
        kind = ExportTraceServiceRequest if signal == TRACES else ExportLogsServiceRequest
        yield Batch(signal, ParseDict(values, kind()).SerializeToString(), at)


def span(
    id: str,  # noqa: A002 - OTLP's name
    name: str,
    *,
    parent: str = "",
    ended: bool = False,
    failed: str | None = None,
    attributes: dict[str, str] | None = None,
    links: Sequence[str] = (),
) -> Any:
    """Return one span that begins or has ended, to put into a body."""
    made = ExportTraceServiceRequest().resource_spans.add().scope_spans.add().spans.add(name=name)
    made.span_id, made.parent_span_id = id.encode(), parent.encode()
    made.start_time_unix_nano, made.end_time_unix_nano = 1, int(ended)
    if failed is not None:
        made.status.code, made.status.message = made.status.STATUS_CODE_ERROR, failed
    for key, value in (attributes or {}).items():
        made.attributes.add(key=key).value.string_value = value
    for link in links:
        made.links.add(span_id=link.encode())
    return made


def traces(*spans: Any, at: float = 0.0) -> Batch:
    """Return a body of spans."""
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend(spans)
    return Batch(TRACES, request.SerializeToString(), at)


def log(span_id: str, *texts: str) -> Batch:
    """Return a body with pieces of what a program wrote."""
    request = ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for text in texts:
        records.add(span_id=span_id.encode()).body.string_value = text
    return Batch(LOGS, request.SerializeToString())
