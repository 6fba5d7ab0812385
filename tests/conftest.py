"""Fixtures that tests of several rooms use, and the marker that each folder's tests get by what they need."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.cargo.oracle import write_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """Write a tree of files into a git repository of its own, and give its root."""
    root = tmp_path / "repository"
    (root / ".git").mkdir(parents=True)
    return lambda files: write_tree(root, files)
