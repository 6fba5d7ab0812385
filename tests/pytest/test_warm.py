"""`python -m pytest_dagger_rust warm` builds what tests need, and runs none."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.pytest.terminal import FEWER_PLUGINS

if TYPE_CHECKING:
    from tests.pytest.conftest import Project

TESTS = """
import pytest

@pytest.fixture
def database():
    raise RuntimeError("a test was set up")

@pytest.mark.parametrize("number", range(3))
async def test_one(cached_rust_build, database, number):
    raise RuntimeError("a test was run")

@pytest.mark.rust_build(env={"WORD": "another"})
def test_another(rust_build, database):
    raise RuntimeError("a test was run")

def test_without_a_build(database):
    raise RuntimeError("a test was run")
"""


def test_only_what_is_built_happens(project: Project) -> None:
    """Each build once, in the summary as ever; other fixtures are not set up."""
    project.write({"test_warm.py": TESTS})
    command = [sys.executable, "-m", "pytest_dagger_rust", "warm", *FEWER_PLUGINS, "-rA"]
    result = project.pytester.run(*command, timeout=300)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*cargo build*", "*3 deselected, 2 built*"])
    result.stdout.no_fnmatch_line("*RuntimeError*")
    assert sum(line.startswith(("cargo build ", "WORD=... cargo build ")) for line in result.outlines) == 2
