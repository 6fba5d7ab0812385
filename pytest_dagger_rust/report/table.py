"""The summary of builds at the end of a run, their properties for JUnit's XML, and waits for `--durations`."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from pytest_dagger_rust.report.progress import clipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_dagger_rust.report.facts import BuildFacts

_TITLES = ("compiled", "fresh", "state", "seconds")
_LEAST_FOR_NAMES = 20


def table(builds: Sequence[BuildFacts], width: int) -> Iterator[str]:
    """Return the lines of the table; on a terminal too narrow for columns, two lines for each build."""
    rows = [_cells(build) for build in builds]
    names = [build.name for build in builds]
    columns = [max(map(len, column)) for column in zip(_TITLES, *rows, strict=True)]
    room = width - sum(columns) - 2 * len(columns)
    if room < _LEAST_FOR_NAMES:
        for build, name in zip(builds, _distinct(names, width), strict=True):
            yield name
            counts = f"{len(build.compiled)} compiled, {len(build.fresh)} fresh"
            yield clipped(f"  {build.seconds:.1f} s, {build.state}, {counts}", width)
        return
    first = min(max(map(len, names)), room)
    yield _line("build", _TITLES, first, columns)
    for name, row in zip(_distinct(names, first), rows, strict=True):
        yield _line(name, row, first, columns)


def _distinct(names: Sequence[str], width: int) -> Iterator[str]:
    """Return names that fit; those that begin alike show the words they differ from."""
    for name in names:
        alike = [other for other in names if clipped(other, width) == clipped(name, width)]
        same = os.path.commonprefix(alike)  # noqa: RUF071 - up to a character, and these are no paths
        yield _around(name, same.rpartition(" ")[0], width) if len(set(alike)) > 1 else clipped(name, width)


def _around(name: str, same: str, width: int) -> str:
    """Return a name without the end of its first part, which others have too."""
    rest = clipped(f"...{name[len(same) :]}", max(width - len("cargo build"), 0))
    return f"{same[: width - len(rest)]}{rest}"


def _cells(build: BuildFacts) -> tuple[str, ...]:
    return str(len(build.compiled)), str(len(build.fresh)), build.state, f"{build.seconds:.1f}"


def _line(name: str, cells: Sequence[str], first: int, columns: Sequence[int]) -> str:
    padded = (cell.rjust(column) for cell, column in zip(cells, columns, strict=True))
    return "  ".join([name.ljust(first), *padded])


def properties(builds: Sequence[BuildFacts]) -> Iterator[tuple[str, str]]:
    """Return names and values for the test suite's properties in JUnit's XML."""
    for number, build in enumerate(builds, 1):
        values = {
            "name": build.name,
            "state": build.state,
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
