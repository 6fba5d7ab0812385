"""Count what is in stock, with the `stocktake` program doing the arithmetic."""

from __future__ import annotations

from stocktake.api import Level, Movement, Stocktake, StocktakeError
from stocktake.program import Completed, Runner, program

__all__ = ["Completed", "Level", "Movement", "Runner", "Stocktake", "StocktakeError", "program"]
