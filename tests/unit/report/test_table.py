"""Tests of the table of builds: rows fit, and different builds look different."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pytest_dagger_rust.builds.options import CargoOptions
from pytest_dagger_rust.report import table
from pytest_dagger_rust.report.build_log import BuildRecord
from pytest_dagger_rust.report.facts import BuildFacts, facts_of

LONG = "cargo build --package stocktake --package stocktake-server --features"


def lines(*names: str, width: int = 80) -> list[str]:
    """Return the table of builds with these names."""
    builds = [BuildFacts(name, name, "/repo", started=1.0, seconds=2.0, state="rebuilt") for name in names]
    return list(table.table(builds, width))


def test_builds_that_begin_alike_look_different() -> None:
    """Where names are cut, the words that differ stay."""
    _, first, second, other = lines(f"{LONG} postgres", f"{LONG} sqlite,tls", "cargo build")
    assert first.startswith("cargo build --package stocktake")
    assert "... postgres" in first
    assert "... sqlite,tls" in second
    assert other.startswith("cargo build  ")


@given(
    st.lists(st.text("ab -", min_size=1, max_size=90), min_size=1, max_size=4, unique=True),
    st.integers(20, 120),
)
def test_no_line_is_wider_than_the_terminal(names: list[str], width: int) -> None:
    """Whatever the names are."""
    assert all(len(line) <= width for line in lines(*(f"cargo build {name}" for name in names), width=width))


def test_all_members_are_named_as_cargo_names_them() -> None:
    """The flag is --workspace."""
    record = BuildRecord(CargoOptions(packages=("*",)), Path("/repo"), 1.0, tests=True)
    assert facts_of(record).name == "cargo test --workspace"
