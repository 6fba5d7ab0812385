"""The summary of builds at the end of a run, their properties for JUnit's XML, and waits for `--durations`."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pytest_dagger_rust.report.progress import clipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_dagger_rust.report.facts import BuildFacts

_TITLES = ("compiled", "fresh", "cache", "seconds")
_LEAST_FOR_NAMES = 20


def table(builds: Sequence[BuildFacts], width: int) -> Iterator[str]:
    """Return the lines of the table; on a terminal too narrow for columns, two lines for each build."""
    rows = [_cells(build) for build in builds]
    columns = [max(map(len, column)) for column in zip(_TITLES, *rows, strict=True)]
    room = width - sum(columns) - 2 * len(columns)
    if room < _LEAST_FOR_NAMES:
        for build in builds:
            yield clipped(build.name, width)
            counts = f"{len(build.compiled)} compiled, {len(build.fresh)} fresh"
            yield clipped(f"  {build.seconds:.1f} s, {build.cache}, {counts}", width)
        return
    first = min(max(len(build.name) for build in builds), room)
    yield _line("build", _TITLES, first, columns)
    for build, row in zip(builds, rows, strict=True):
        yield _line(clipped(build.name, first), row, first, columns)


def _cells(build: BuildFacts) -> tuple[str, ...]:
    return str(len(build.compiled)), str(len(build.fresh)), build.cache, f"{build.seconds:.1f}"


def _line(name: str, cells: Sequence[str], first: int, columns: Sequence[int]) -> str:
    padded = (cell.rjust(column) for cell, column in zip(cells, columns, strict=True))
    return "  ".join([name.ljust(first), *padded])


def properties(builds: Sequence[BuildFacts]) -> Iterator[tuple[str, str]]:
    """Return names and values for the test suite's properties in JUnit's XML."""
    for number, build in enumerate(builds, 1):
        values = {
            "name": build.name,
            "cache": build.cache,
            "compiled": len(build.compiled),
            "fresh": len(build.fresh),
            "warnings": build.warnings,
            "seconds": f"{build.seconds:.3f}",
        }
        yield from ((f"dagger_rust.build.{number}.{name}", str(value)) for name, value in values.items())


def durations(waits: Sequence[tuple[str, float]]) -> list[Any]:
    """Return the waits in the form that `--durations` lists."""
    return [
        SimpleNamespace(duration=seconds, when="wait", nodeid=f"dagger-rust: {what}")
        for what, seconds in waits
    ]
