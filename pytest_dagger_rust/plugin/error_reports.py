"""How an error of a fixture is told: as its message, whole the first time, and in one line after that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_dagger_rust.errors import DaggerRustError, RustBuildError

if TYPE_CHECKING:
    import pytest


def tell(report: pytest.TestReport, error: DaggerRustError, place: str | None) -> None:
    """Put the message into a report, with `place` for where in the user's own code the error came from."""
    kind = type(error).__name__
    end = "" if place is None else f"\n  at {place}"
    report.longrepr = f"{kind}: {error}{end}"
    # Whether it is the first one, and whether colours are wanted, is known to the process that shows it only.
    told: Any = report
    told.dagger_rust_error = kind
    told.dagger_rust_coloured = f"{kind}: {coloured(error)}{end}"


def coloured(error: DaggerRustError) -> str:
    """Return the text of an error, with the compiler's colours in it."""
    text = str(error)
    for diagnostic in error.diagnostics if isinstance(error, RustBuildError) else ():
        text = text.replace(diagnostic.text.rstrip("\n"), diagnostic.rendered.rstrip("\n"))
    return text


class Deduplicator:
    """Shortens what has been shown already, whichever worker has met it first."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}

    def shorten(self, report: pytest.TestReport, *, colours: bool) -> None:
        """Leave a first report whole, and let any later one refer to it."""
        kind = getattr(report, "dagger_rust_error", None)
        if kind is None or not isinstance(report.longrepr, str):
            return
        first = self._first.setdefault(report.longrepr, report.nodeid)
        if first != report.nodeid:
            report.longrepr = f"{kind}: the same as for {first}, where it is shown."
        elif colours:
            report.longrepr = str(getattr(report, "dagger_rust_coloured", report.longrepr))
