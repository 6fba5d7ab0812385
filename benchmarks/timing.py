"""How long commands take, and how figures are written down."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path


def seconds_of(command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None) -> float:
    """Run a command to its end and give the wall-clock seconds; its output is shown when it fails."""
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        msg = f"{' '.join(command)} failed:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        raise RuntimeError(msg)
    return seconds


def median_of(repeat: int, prepare: Callable[[int], None], measure: Callable[[], float]) -> float:
    """Prepare and measure so many times, and give the median."""
    figures: list[float] = []
    for number in range(repeat):
        prepare(number)
        figures.append(measure())
    return statistics.median(figures)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
