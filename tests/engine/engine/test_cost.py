"""Tests of what a session costs as it grows: a run late in a long session costs what one at its beginning does."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import Engine
from pytest_dagger_rust.report.progress import Progress

if TYPE_CHECKING:
    import dagger

# Runs before the measurement, of each of the two measured blocks, and between them.
WARM_UP, BLOCK, BETWEEN = (
    20,
    int(os.environ.get("COST_BLOCK", "40")),
    int(os.environ.get("COST_BETWEEN", "120")),
)

_TICKS = os.sysconf("SC_CLK_TCK")


class Silent:
    """A display that shows nothing, for which everything is read."""

    def show(self, what: str, detail: str, seconds: float) -> None:
        """Do nothing."""

    def clear(self) -> None:
        """Do nothing."""


def cli_of_this_process() -> Path:
    """Return the process of the CLI that was started last."""
    children = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    found = [Path("/proc", pid) for file in children for pid in file.read_text().split()]
    return max(
        (path for path in found if b"\0session\0" in (path / "cmdline").read_bytes()),
        key=lambda path: int(path.name),
    )


def seconds_of(process: Path) -> float:
    """Return the processor time that a process has used."""
    fields = (process / "stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def run_some(client: dagger.Client, image: str, number: int) -> None:
    """Run as many execs, four at a time."""
    container = client.container().from_(image)

    async def run_each(numbers: range) -> None:
        for _ in numbers:
            await container.with_env_variable("RUN", uuid.uuid4().hex).with_exec(["true"]).sync()

    await asyncio.gather(*(run_each(range(start, number, 4)) for start in range(4)))


@pytest.mark.timing
def test_a_run_costs_the_same_late_in_a_session(rust_runtime_image: str) -> None:
    """Neither the CLI nor this process takes more for a run the more of them there were, with progress shown."""
    progress = Progress(Silent)
    engine = Engine(hear=progress.hear)
    costs: list[tuple[float, float]] = []
    with engine as client, progress.waiting("running"):
        cli = cli_of_this_process()

        def cost(number: int) -> tuple[float, float]:
            before = seconds_of(cli), time.process_time()
            engine.call(run_some, client, rust_runtime_image, number)
            return (seconds_of(cli) - before[0]) / number, (time.process_time() - before[1]) / number

        cost(WARM_UP)
        costs.append(cost(BLOCK))
        cost(BETWEEN)
        costs.append(cost(BLOCK))
    progress.stop()
    print("seconds of CLI and of this process for a run, early and late:", costs)  # noqa: T201
    (early_cli, early_own), (late_cli, late_own) = costs
    assert late_cli < 1.5 * early_cli
    assert late_own < 1.5 * early_own
