"""The output of programs while a test runs, kept for the report of its failure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

# How many runs are kept, and bytes of a service's log; older ones are dropped.
_RUNS = 3
_LOG_LIMIT = 1024 * 1024

# Characters of a log that a report shows.
_SHOWN = 20_000


class Section(NamedTuple):
    """A part of a report: its headline and its text."""

    title: str
    text: str


@dataclass
class Log:
    """What a service wrote, the last MiB of it; `lost` counts all bytes that are not kept."""

    name: str = ""
    lost: int = 0
    closed: bool = False
    _data: bytearray = field(default_factory=bytearray)
    # Where in the data the mark is, and the bytes after it that are not kept.
    _mark: int = 0
    _missing: int = 0
    _arrived: int = 0

    def append(self, data: bytes) -> None:
        """Add what was written, and drop the oldest part beyond the limit."""
        self._data += data
        self._arrived += len(data)
        excess = len(self._data) - _LOG_LIMIT
        if excess > 0:
            del self._data[:excess]
            self.lost += excess
            self._missing += max(0, excess - self._mark)
            self._mark = max(0, self._mark - excess)

    def skip(self, count: int) -> None:
        """Note that this many bytes never arrived, which came after all that did."""
        self.lost += count
        self._missing += count

    def mark(self) -> None:
        """Set the mark that `since_mark` starts from."""
        self._mark, self._missing = len(self._data), 0

    @property
    def text(self) -> str:
        """All that is kept, as text."""
        return self._data.decode("utf-8", "replace")

    @property
    def position(self) -> int:
        """How many bytes have arrived so far."""
        return self._arrived

    def since(self, position: int) -> str:
        """Return what has arrived after a position, as far as it is kept."""
        start = max(0, len(self._data) - (self._arrived - position))
        return self._data[start:].decode("utf-8", "replace")

    def since_mark(self) -> str:
        """Return what was written since the mark, or the end of it after a line that says how much is missing."""
        text = self._data[self._mark :].decode("utf-8", "replace")
        missing = self._missing + max(0, len(text) - _SHOWN)
        return f"... {missing} bytes are not shown\n{text[-_SHOWN:]}" if missing else text


_runs: deque[Section] = deque(maxlen=_RUNS)
_logs: list[Log] = []


def begin() -> None:
    """Forget all output, because a new test begins."""
    _runs.clear()
    _logs[:] = [log for log in _logs if not log.closed]
    for log in _logs:
        log.mark()


def add_run(command: str, summary: str) -> None:
    """Keep the summary of a run."""
    _runs.append(Section(f"run of {command}", summary))


def follow(log: Log) -> None:
    """Include a service's log until the end of the test in which it is closed."""
    if not any(known is log for known in _logs):
        _logs.append(log)


def collected() -> list[Section]:
    """Return the output since the test began."""
    logs = [Section(f"log of {log.name}", text) for log in _logs if (text := log.since_mark())]
    return [*_runs, *logs]
