"""What the engine and cargo are doing right now, read from the log of the dagger CLI.

The log is meant for people, and its form is no promise: what is not understood is passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_LINE = re.compile(r"(?P<span>\d+) *: (?:┆ )*(?P<said>\[[\d.hms]+\] \| )?(?P<text>.*)")
# The script's own text has these words with names in capitals after them.
_STEP = re.compile(r"cargo\.sh (dependencies|sources) [0-9a-f/]")
_ENDED = re.compile(r"(DONE|CACHED|ERROR)( \[[\d.hms]+\])?$")
_PULL = re.compile(r'Container\.from\(address: "([^"]+)"')
_COUNT = re.compile(r"(\d+)/(\d+)(?:: (.*?))?\s*$")
_STATUS = re.compile(r"(Updating|Locking|Downloading|Downloaded|Blocking|Compiling|Checking) (\S+)")


@dataclass
class Activity:
    """The state of all builds of one session with the engine: feed it the log, and ask for words."""

    _steps: dict[str, str] = field(default_factory=dict[str, str])
    _pulls: dict[str, str] = field(default_factory=dict[str, str])
    _count: str = ""
    _crates: str = ""

    @property
    def is_busy(self) -> bool:
        """Whether a step of a build, or the pull of an image, has begun and not ended."""
        return bool(self._steps or self._pulls)

    def feed(self, text: str) -> None:
        """Take whole lines of the log."""
        for line in _ANSI.sub("", text).split("\n"):
            if found := _LINE.fullmatch(line):
                self._take(found["span"], found["text"], said=found["said"] is not None)

    def _take(self, span: str, text: str, *, said: bool) -> None:
        if said:
            if span in self._steps:
                self._cargo(text)
        elif _ENDED.search(text):
            self._steps.pop(span, None)
            self._pulls.pop(span, None)
        elif steps := _STEP.findall(text):
            self._begin(span, steps[-1])
        elif pull := _PULL.match(text):
            self._pulls[span] = pull[1]

    def _begin(self, span: str, step: str) -> None:
        # The log repeats a step's headline whenever it comes back to it.
        if span not in self._steps:
            self._steps[span] = step
            self._count = self._crates = ""

    def _cargo(self, text: str) -> None:
        # A progress line of cargo's and the line that replaces it come as one, parted by carriage returns.
        for part in text.split("\r"):
            if count := _COUNT.search(part):
                self._count = f"{count[1]}/{count[2]}"
                self._crates = count[3] or self._crates
            elif status := _STATUS.match(part.strip()):
                self._crates = status[2] if status[1] in ("Compiling", "Checking") else part.strip()

    def words(self) -> tuple[str, str]:
        """Say what is done, and on what; the second may be empty."""
        if not self._steps:
            return "pulling", next(reversed(self._pulls.values()), "")
        step = next(reversed(self._steps.values()))
        what = "compiling dependencies" if step == "dependencies" else "compiling"
        return f"{what} {self._count}".rstrip(), self._crates


class LogTail:
    """Reads a file as it grows, into an Activity."""

    def __init__(self) -> None:
        self.activity = Activity()
        self._position = 0

    def read(self, log: Path | None) -> None:
        """Take what has been added since the last time; a file that is not there adds nothing."""
        if log is None:
            return
        try:
            with log.open("rb") as file:
                file.seek(self._position)
                data = file.read()
        except OSError:
            return
        # A character may be written in two parts: what is cut off waits for its rest.
        end = data.rfind(b"\n") + 1
        self._position += end
        self.activity.feed(data[:end].decode("utf-8", "replace"))
