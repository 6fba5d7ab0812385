"""The Python interface on the fresh program: in its container, and exported to this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pytest_dagger_rust import RustBuild

from stocktake import Level, Movement, Stocktake, StocktakeError, program

if TYPE_CHECKING:
    from pathlib import Path


def test_levels_are_typed(stocktake: Stocktake) -> None:
    """Movements and levels are ordinary dataclasses."""
    stock = stocktake.levels([Movement("egg", 1, "dozen"), Movement("egg", -2)])
    assert stock == [Level("egg", 10)]


def test_units_come_from_the_build_script(stocktake: Stocktake) -> None:
    """The table that build.rs made of units.txt is the one that Python sees."""
    assert stocktake.units() == {"piece": 1, "pair": 2, "dozen": 12, "gross": 144}


def test_refusal_is_an_exception(stocktake: Stocktake) -> None:
    """What the program refuses is raised in its own words."""
    with pytest.raises(StocktakeError, match="line 2: there is not enough of `egg` in stock"):
        stocktake.levels([Movement("egg", 1), Movement("egg", -2)])


async def test_exported_program_runs_by_subprocess(cached_rust_build: RustBuild, tmp_path: Path) -> None:
    """The binary leaves the container as a file that `subprocess` can call where the platform is the same."""
    run = program(await cached_rust_build.export("stocktake", tmp_path / "bin" / "stocktake"))
    try:
        version = run("--version", stdin="")
    except OSError as error:
        pytest.skip(f"this machine cannot run a Linux binary of the builder image: {error}")
    if "GLIBC_" in version.stderr:
        pytest.skip(f"this machine's C library is older than the builder image's: {version.stderr.strip()}")
    assert version.stdout == "stocktake 0.1.0\n"
    assert Stocktake(run).levels([Movement("sock", 1, "pair")]) == [Level("sock", 2)]
