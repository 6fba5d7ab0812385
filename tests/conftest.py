"""Fixtures that tests of several rooms use, and the marker that each folder's tests get by what they need."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cargo.oracle import write_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HERE = Path(__file__).parent

# What the tests of a folder need; those of tests/unit and tests/dev need nothing but Python.
NEEDS = {"cargo": "cargo", "docs": "engine", "engine": "engine", "pytest": "engine", "typing": "types"}


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Mark each test with what the tests of its folder need."""
    for item in items:
        if item.path.is_relative_to(HERE) and (need := NEEDS.get(item.path.relative_to(HERE).parts[0])):
            item.add_marker(need)


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Write a tree of files into a git repository of its own, and return its root."""
    root = tmp_path / "repository"
    (root / ".git").mkdir(parents=True)
    return lambda files: write_tree(root, files)
