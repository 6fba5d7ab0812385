"""Shows an error of this package as its message alone, and once, whoever meets it again."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pytest
from _pytest._code.code import ReprEntryNative, ReprFileLocation, ReprTraceback

# pytest sends this kind of failure from a worker to its controller; it has no public name.
from _pytest._code.code import ReprExceptionInfo as Repr
from _pytest.reports import CollectErrorRepr

from pytest_dagger_rust.errors import DaggerRustError, RustBuildError, StaleBinaryError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    Report = pytest.TestReport | pytest.CollectReport

# This package, and what its calls go through on their way to the engine.
_HIDDEN = frozenset(
    {"pytest_dagger_rust", "anyio", "asyncio", "concurrent", "contextlib", "dagger", "gql", "threading"}
)
_NEED_THIS_BUILD = (RustBuildError.__name__, StaleBinaryError.__name__)

# The name under which an error knows that it is a fixture's.
_OF_FIXTURE = "dagger_rust_of_fixture"

# What rustc writes before a place, with colours or without.
_PLACE = re.compile(r"((?:-->|:::)(?:\x1b\[[0-9;]*m| )*)([^\s:\x1b]+)(?=:\d+:\d+)")


@dataclass
class _Known:
    """An error: its class, its text, and the reports that have it; the first one shows it."""

    kind: str
    text: str
    reports: list[Report] = field(default_factory=list["Report"])

    def more(self) -> str:
        """Return the line about all reports but the first, empty if there is none."""
        count = len({report.nodeid for report in self.reports}) - 1
        if not count:
            return ""
        kind = "file" if isinstance(self.reports[0], pytest.CollectReport) else "test"
        noun, needs = (kind, "needs") if count == 1 else (f"{kind}s", "need")
        ending = f"{needs} this build" if self.kind in _NEED_THIS_BUILD else "with the same error"
        return f"\n  and {count} more {noun} {ending}"


def without_frames(excinfo: pytest.ExceptionInfo[BaseException]) -> pytest.ExceptionInfo[BaseException]:
    """Return an error of this package without the frames of the package, and those that carry its calls."""
    error = excinfo.value
    frames = list(_frames(error.__traceback__))
    kept = [frame for frame in frames if not _is_hidden(frame)]
    # An error that no user's code has to do with keeps its frames.
    if not isinstance(error, DaggerRustError) or not kept or len(kept) == len(frames):
        return excinfo
    shorter: TracebackType | None = None
    for frame in reversed(kept):
        shorter = TracebackType(shorter, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    # pytest goes back to the traceback itself, whatever an ExceptionInfo has been told of it.
    made: Any = pytest.ExceptionInfo
    shown: pytest.ExceptionInfo[BaseException] = made.from_exception(error.with_traceback(shorter))
    return shown


def _frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _is_hidden(frame: TracebackType) -> bool:
    module = str(frame.tb_frame.f_globals.get("__name__", ""))
    return module.partition(".")[0] in _HIDDEN


def note_fixture(error: DaggerRustError) -> None:
    """Note that an error came out of a fixture, whenever that was requested."""
    vars(error)[_OF_FIXTURE] = True


def is_of_fixture(error: DaggerRustError) -> bool:
    """Return whether an error came out of a fixture."""
    return _OF_FIXTURE in vars(error)


def write_message(report: Report, error: DaggerRustError, rootpath: Path, place: str | None = None) -> None:
    """Make a report show the message alone; `place` is where in the user's code the error came from."""
    kind = type(error).__name__
    end = "" if place is None else f"\n  at {place}"
    root = getattr(error, "root", None) or rootpath
    said = [from_rootdir(text, root, rootpath) for text in (str(error), _coloured(error))]
    text, coloured = (f"{kind}: {text}{end}" for text in said)
    report.longrepr = _shown(report, text)
    # Only the process that shows the report knows whether the error is the first, and whether to use colours.
    extended: Any = report
    extended.dagger_rust_error = (kind, text, coloured)


def _coloured(error: DaggerRustError) -> str:
    """Return the text of an error, with the compiler's colours in it."""
    text = str(error)
    for diagnostic in error.diagnostics if isinstance(error, RustBuildError) else ():
        text = text.replace(diagnostic.text.rstrip("\n"), diagnostic.rendered.rstrip("\n"))
    return text


def from_rootdir(text: str, root: Path, rootpath: Path) -> str:
    """Return the compiler's text with its places, relative to the workspace at `root`, as seen from rootdir."""

    def seen(match: re.Match[str]) -> str:
        path = root / match[2]
        return match[1] + (os.path.relpath(path, rootpath) if path.exists() else match[2])

    return _PLACE.sub(seen, text)


def _shown(report: Report, text: str) -> Any:
    """Return a text in the form of pytest's failures; its first line is the one for the short summary."""
    crash = ReprFileLocation(report.nodeid.partition("::")[0], 0, text.partition("\n")[0])
    if isinstance(report, pytest.CollectReport):
        # Equal ones of several workers are one, which pytest-xdist sees by their text.
        collected: Any = CollectErrorRepr(text)
        collected.reprcrash = crash
        return collected
    traceback = ReprTraceback([ReprEntryNative([f"{text}\n"])], None, style="native")
    return Repr(reprtraceback=traceback, reprcrash=crash)


class Deduplicator:
    """The hooks of the process that shows reports: each error is shown once, whichever worker met it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._known: dict[str, _Known] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the first report of an error whole; make later ones refer to it."""
        self._shorten(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Do the same with errors of collection."""
        self._shorten(report)

    def _shorten(self, report: Report) -> None:
        error = getattr(report, "dagger_rust_error", None)
        if error is None:
            return
        kind, text, coloured = error
        has_colours = self._config.get_terminal_writer().hasmarkup
        known = self._known.setdefault(text, _Known(kind, coloured if has_colours else text))
        known.reports.append(report)
        first = known.reports[0].nodeid
        later = f"{kind}: same error as {first} (shown there)"
        report.longrepr = _shown(report, known.text if first == report.nodeid else later)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Generator[None, None, None]:
        """Have pytest write the first report of each error only, and count them all."""
        stats: dict[str, list[Any]] = terminalreporter.stats
        counted: dict[str, list[Any]] = {name: stats[name] for name in ("error", "failed") if name in stats}
        later: set[int] = set()
        for known in self._known.values():
            later.update(map(id, known.reports[1:]))
            known.reports[0].longrepr = _shown(known.reports[0], known.text + known.more())
        for name, reports in counted.items():
            stats[name] = [report for report in reports if id(report) not in later]
        try:
            return (yield)
        finally:
            stats.update(counted)
