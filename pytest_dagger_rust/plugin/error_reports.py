"""Shows an error of a fixture: its whole message the first time, one line after that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_dagger_rust.errors import DaggerRustError, RustBuildError

if TYPE_CHECKING:
    import pytest


def write_message(report: pytest.TestReport, error: DaggerRustError, place: str | None) -> None:
    """Write the message into a report; `place` is where in the user's code the error came from."""
    kind = type(error).__name__
    end = "" if place is None else f"\n  at {place}"
    report.longrepr = f"{kind}: {error}{end}"
    # Only the process that shows the report knows whether the error is the first, and whether to use colours.
    extended: Any = report
    extended.dagger_rust_error = kind
    extended.dagger_rust_coloured = f"{kind}: {coloured(error)}{end}"


def coloured(error: DaggerRustError) -> str:
    """Return the text of an error, with the compiler's colours in it."""
    text = str(error)
    for diagnostic in error.diagnostics if isinstance(error, RustBuildError) else ():
        text = text.replace(diagnostic.text.rstrip("\n"), diagnostic.rendered.rstrip("\n"))
    return text


class Deduplicator:
    """Shortens errors that were shown before, by whichever worker."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def shorten(self, report: pytest.TestReport, *, colours: bool) -> None:
        """Keep the first report whole; make later ones refer to it."""
        kind = getattr(report, "dagger_rust_error", None)
        if kind is None or not isinstance(report.longrepr, str):
            return
        first = self._first.setdefault(report.longrepr, report.nodeid)
        if first != report.nodeid:
            report.longrepr = f"{kind}: same error as {first} (shown there)"
        elif colours:
            report.longrepr = str(getattr(report, "dagger_rust_coloured", report.longrepr))
