"""What the engine and cargo are doing right now, from the spans and logs of a session."""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from pytest_dagger_rust.container import agent
from pytest_dagger_rust.diagnostics import strip_ansi
from pytest_dagger_rust.engine.otlp import OUTPUT, RESUMED

if TYPE_CHECKING:
    from pytest_dagger_rust.engine.otlp import Batch, Piece, Span

K = TypeVar("K")
V = TypeVar("V")

# Subcommands of the agent that are steps of a build, and what a step is called.
_STEPS = {
    "toolchain": "installing the toolchain",
    "dependencies": "compiling dependencies",
    "build": "compiling",
    "wheel": "packing the wheel",
}
_EXEC = re.compile(rf"exec {re.escape(agent.PROGRAM)} (?P<step>{'|'.join(_STEPS)}) ")
_PULL = re.compile(r"(?:resolving|pull) (?P<image>[^\s@]+)(?:@\S*)?")

_LINE_END = re.compile(r"[\r\n]")
_COUNT = re.compile(r"(\d+)/(\d+)(?:: (.*?))?\s*$")
_RUSTUP = re.compile(r"info: ((?:downloading|installing) component \S+|syncing channel updates .*)")
_STATUS = re.compile(r"(Updating|Locking|Downloading|Downloaded|Blocking|Compiling|Checking) (\S+)")

# What is kept: steps of builds, spans and results that belong to them, pulls, characters of an unfinished line.
_MOST_STEPS, _MOST_RELATED, _MOST_PULLS, _LONGEST_LINE = 64, 1024, 64, 4096


@dataclass(eq=False)
class _Step:
    """One exec of a build: the last words of cargo or rustup, and the spans of its work that have not ended."""

    what: str
    count: str = ""
    crates: str = ""
    line: str = ""
    open: set[bytes] = field(default_factory=set[bytes])

    def write(self, text: str) -> None:
        """Take a piece of its output."""
        # A progress line of cargo's ends with a carriage return.
        *lines, rest = _LINE_END.split(self.line + text)
        self.line = rest[-_LONGEST_LINE:]
        for line in lines:
            self._take(strip_ansi(line))

    def _take(self, line: str) -> None:
        if count := _COUNT.search(line):
            self.count = f"{count[1]}/{count[2]}"
            self.crates = count[3] or self.crates
        elif status := _STATUS.match(line.strip()):
            self.crates = status[2] if status[1] in ("Compiling", "Checking") else line.strip()
        elif said := _RUSTUP.match(line.strip()):
            self.crates = said[1].replace("'", "")


class Activity:
    """The state of all builds of one session with the engine: feed it what the CLI sends, and ask for words.

    An exec is asked for by one span, which may end at once, and done by others later, which name it.
    """

    def __init__(self) -> None:
        # By the span, and by the result, of what belongs to each step.
        self._steps: OrderedDict[bytes | str, _Step] = OrderedDict()
        self._busy: deque[_Step] = deque(maxlen=_MOST_STEPS)
        self._pulls: OrderedDict[bytes, str] = OrderedDict()

    @property
    def is_busy(self) -> bool:
        """Whether a step of a build, or the pull of an image, has begun and not ended."""
        return bool(self._busy or self._pulls)

    def feed(self, batch: Batch) -> None:
        """Take what the CLI has sent."""
        for span in batch.spans():
            self._take_span(span)
        for piece in batch.pieces():
            self._take_piece(piece)

    def _take_span(self, span: Span) -> None:
        if step := self._step_of(span):
            self._note(step, span)
        elif image := _image_of(span):
            if span.ended:
                self._pulls.pop(span.id, None)
            else:
                _put(self._pulls, span.id, image, _MOST_PULLS)

    def _step_of(self, span: Span) -> _Step | None:
        names = (span.id, span.attributes.get(RESUMED), *span.links, span.parent)
        for name in names:
            if name and (step := self._steps.get(name)):
                return step
        what = _STEPS.get(_subcommand(span))
        return _Step(what) if what else None

    def _note(self, step: _Step, span: Span) -> None:
        _put(self._steps, span.id, step, _MOST_RELATED)
        if result := span.attributes.get(OUTPUT):
            _put(self._steps, result, step, _MOST_RELATED)
        if span.ended:
            step.open.discard(span.id)
        elif len(step.open) < _MOST_STEPS:
            step.open.add(span.id)
        if not step.open and step in self._busy:
            self._busy.remove(step)
        elif step.open and step not in self._busy:
            self._busy.append(step)

    def _take_piece(self, piece: Piece) -> None:
        if step := self._steps.get(piece.span):
            step.write(piece.text)

    def words(self) -> tuple[str, str]:
        """Say what is done, and on what; the second may be empty."""
        if not self._busy:
            return "pulling", next(reversed(self._pulls.values()), "")
        step = self._busy[-1]
        return f"{step.what} {step.count}".rstrip(), step.crates


def _put(kept: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    kept[key] = value
    if len(kept) > most:
        kept.popitem(last=False)


def _subcommand(span: Span) -> str:
    if found := _EXEC.match(span.name):
        return found["step"]
    if not span.name.endswith("withExec"):
        return ""
    program, subcommand = [*span.arguments().get("args", ()), "", ""][:2]
    return subcommand if program == agent.PROGRAM else ""


def _image_of(span: Span) -> str:
    if found := _PULL.fullmatch(span.name):
        return found["image"]
    return next(iter(span.arguments().get("address", ())), "") if span.name == "Container.from" else ""
