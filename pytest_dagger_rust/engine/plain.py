"""What the engine says, without what only its own tools can use."""

from __future__ import annotations

import re

_TRACE = re.compile(r" ?\[traceparent:[^\]\s]*\]")


def without_trace(text: str) -> str:
    """Return a message without the ids of the spans that it belongs to."""
    return _TRACE.sub("", text)
