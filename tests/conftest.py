"""Fixtures that tests of several rooms use, and the marker that each folder's tests get by what they need."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cargo.oracle import write_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HERE = Path(__file__).parent

# A property of a test, which workers of pytest-xdist send with its report: whether a binary was right.
BINARY = "binary of these sources"

# Another: whether a fault came in time, and how many wrong binaries, hangs and leftovers there were after it.
FAULT = "fault"

# What the tests of a folder need; those of tests/unit and tests/dev need nothing but Python.
NEEDS = {"cargo": "cargo", "docs": "engine", "engine": "engine", "pytest": "engine", "typing": "types"}

# Files that take minutes. They begin first, so that no worker is left alone with one of them at the end.
LONG = (
    "engine/faults/test_faults.py",
    "docs/test_example.py",
    "engine/builds/test_published.py",
    "engine/builds/test_freshness.py",
    "docs/test_docs.py",
    "engine/wheels/test_wheels.py",
    "engine/builds/test_sessions.py",
)


def pytest_configure(config: pytest.Config) -> None:
    """Give each run temporary folders that no run had before: an engine remembers what was built in a folder.

    They are deleted at the end. To keep them, set the variable to a folder.
    """
    if "PYTEST_DEBUG_TEMPROOT" not in os.environ:
        root = os.environ["PYTEST_DEBUG_TEMPROOT"] = tempfile.mkdtemp(prefix="pytest-")
        # Some tests run programs as another user.
        Path(root).chmod(0o711)
        config.add_cleanup(lambda: shutil.rmtree(root, ignore_errors=True))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with what the tests of its folder need, and put the longest files first."""
    order = {HERE / name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path, len(order)))
    for item in items:
        if item.path.is_relative_to(HERE) and (need := NEEDS.get(item.path.relative_to(HERE).parts[0])):
            item.add_marker(need)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many binaries were looked at, and how many of them were of other sources; and what came of faults."""
    reports = [report for found in terminalreporter.stats.values() for report in found]
    calls = [report for report in reports if getattr(report, "when", "") == "call"]
    noted = [noted for report in calls for noted in report.user_properties]
    if faults := [counts for name, counts in noted if name == FAULT]:
        came, wrong, hangs, leftovers = (sum(column) for column in zip(*faults, strict=True))
        counts = f"wrong binaries {wrong}, hangs {hangs}, leftovers {leftovers}"
        terminalreporter.write_line(f"faults {came}, {counts}")
    if binaries := [right for name, right in noted if name == BINARY]:
        wrong = binaries.count(False)
        terminalreporter.write_line(f"freshness: {len(binaries)} binaries checked, {wrong} of other sources")


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Write a tree of files into a git repository of its own, and return its root."""
    root = tmp_path / "repository"
    (root / ".git").mkdir(parents=True)
    return lambda files: write_tree(root, files)
