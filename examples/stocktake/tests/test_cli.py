"""The `stocktake` program by itself: what it reads, prints and refuses."""

from __future__ import annotations

import json

import pytest
from pytest_dagger_rust import BlockingRustBuild, RustBuild

MOVEMENTS = """\
{"item": "egg", "quantity": 2, "unit": "dozen"}
{"item": "egg", "quantity": -5}
{"item": "apple", "quantity": 1, "unit": "gross"}
"""


async def test_levels_add_up(cached_rust_build: RustBuild) -> None:
    """Movements in any unit become pieces in stock, sorted by item."""
    result = await cached_rust_build.run("stocktake", "levels", stdin=MOVEMENTS, check=True)
    assert json.loads(result.stdout) == [{"item": "apple", "pieces": 144}, {"item": "egg", "pieces": 19}]


async def test_movements_come_from_a_file(cached_rust_build: RustBuild) -> None:
    """A path is read instead of standard input."""
    files = {"/work/movements.jsonl": MOVEMENTS}
    result = await cached_rust_build.run("stocktake", "levels", "/work/movements.jsonl", files=files)
    assert len(json.loads(result.stdout)) == 2


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"item": "egg", "quantity": -1}', "line 1: there is not enough of `egg` in stock"),
        ('{"item": "ale", "quantity": 1, "unit": "barrel"}', "line 1: there is no unit `barrel`"),
        ('{"item": "egg"}', "line 1: missing field `quantity`"),
    ],
)
def test_refusals_name_the_line(rust_build: BlockingRustBuild, line: str, complaint: str) -> None:
    """Bad input ends the program with one sentence on standard error and nothing on standard output."""
    result = rust_build.run("stocktake", "levels", stdin=line)
    assert (result.exit_code, result.stdout) == (1, "")
    assert complaint in result.stderr


def test_missing_file_is_named(rust_build: BlockingRustBuild) -> None:
    """A file that is not there is an error, not an empty stock."""
    result = rust_build.run("stocktake", "levels", "/nowhere.jsonl")
    assert result.exit_code == 1
    assert result.stderr.startswith("stocktake: /nowhere.jsonl: No such file")


def test_usage_errors_are_clap_s(rust_build: BlockingRustBuild) -> None:
    """An unknown command ends with exit code 2 and a hint."""
    result = rust_build.run("stocktake", "level")
    assert result.exit_code == 2
    assert "a similar subcommand exists: 'levels'" in result.stderr
