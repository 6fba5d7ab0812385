"""Movements in, levels out: the typed side of the `stocktake` program."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from stocktake.program import program

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stocktake.program import Runner


@dataclass(frozen=True)
class Movement:
    """Goods that came in (a positive quantity) or went out (a negative one)."""

    item: str
    quantity: int
    unit: str = "piece"


@dataclass(frozen=True)
class Level:
    """How many pieces of an item are in stock."""

    item: str
    pieces: int


class StocktakeError(Exception):
    """The program refused what it was given; the message is the program's own."""


class Stocktake:
    """Calls `stocktake`; `runner` says how, and is the program on PATH unless given."""

    def __init__(self, runner: Runner | None = None) -> None:
        self._run = program() if runner is None else runner

    def levels(self, movements: Iterable[Movement]) -> list[Level]:
        """Add movements up and return every item's level, by name."""
        lines = "".join(json.dumps(asdict(movement)) + "\n" for movement in movements)
        return [Level(**level) for level in json.loads(self._output("levels", stdin=lines))]

    def units(self) -> dict[str, int]:
        """Return the units that goods can be counted in, with the pieces in each."""
        units: dict[str, int] = json.loads(self._output("units"))
        return units

    def _output(self, *arguments: str, stdin: str = "") -> str:
        completed = self._run(*arguments, stdin=stdin)
        if completed.exit_code != 0:
            raise StocktakeError(completed.stderr.strip())
        return completed.stdout
