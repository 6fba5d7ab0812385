"""How far the dagger CLI has come while it opens a session, from its spans."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_dagger_rust.engine.otlp import Batch, Span

# What is kept of a start: bodies that nobody has looked at, and the names of spans, after which there is no progress.
_BATCHES, _NAMES = 200, 100

# Tries of one step over and over.
_TRIES = "rpc.service"


@dataclass
class Steps:
    """The steps of one start: `last` is when something happened that had not happened before."""

    last: float = 0.0
    failure: str = ""
    _waiting: deque[Batch] = field(default_factory=lambda: deque(maxlen=_BATCHES))
    _names: set[str] = field(default_factory=set[str])
    _open: dict[bytes, str] = field(default_factory=dict[bytes, str])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def hear(self, batch: Batch) -> None:
        """Keep what the CLI has sent until somebody looks."""
        self._waiting.append(batch)

    def look(self) -> None:
        """Read what has come."""
        with self._lock:
            while self._waiting:
                batch = self._waiting.popleft()
                for span in batch.spans():
                    self._take(span, batch.at)

    def _take(self, span: Span, at: float) -> None:
        if span.name not in self._names and len(self._names) < _NAMES:
            self._names.add(span.name)
            self.last = max(self.last, at)
        self.failure = span.failure or self.failure
        if _TRIES in span.attributes:
            return
        if span.ended:
            self._open.pop(span.id, None)
        elif len(self._open) < _NAMES:
            self._open[span.id] = span.name

    @property
    def current(self) -> str:
        """The name of the innermost step that has begun and not ended, empty if there is none."""
        return next(reversed(self._open.values()), "")
