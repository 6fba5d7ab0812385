"""Writes docs/performance.md and its plot from the figures of one run."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl

from benchmarks.timing import table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.builds import Figures

DOCS = Path(__file__).parents[1] / "docs"
FLOOR, PLUGIN, HOST, CHEF = "floor", "this plugin", "cargo build", "cargo-chef 0.1.77"
SITUATIONS = (
    "cold",
    "nothing changed",
    "one line of the program",
    "one line of a library",
    "one dependency bumped",
)

INTRODUCTION = """\
# Performance

Written by `make bench`, which measures each application and all tools in one run, on one machine ({cores} cores,
{machine}). The applications are published ones, with their lock files, in the dev profile. The machine's own toolchain
builds on both sides. Times run from the start of a command to its end, after the output of the program. Compare the
ratios: absolute times are those of one machine.

- *floor* is a pytest run of one test that only imports dagger. Subtract this row from the others, except from
  *cargo build*, to see what each tool adds.
- *cargo build* is the lower limit: cargo on the machine itself, without a container.
- *cargo-chef* and the *Dockerfile* with a cache mount build on the same engine as this plugin. Installing cargo-chef is
  not counted.
- *naive Dagger build* compiles stubs first, then mounts a cache volume over the target directory and compiles the
  sources.
- Figures are medians. The tools take turns: each tool's first build, then each tool's second, and so on. For the last
  three, cold builds and builds after a dependency update are measured once. Packages were downloaded before; in the
  cold build, cargo-chef and the naive Dagger build download them again, and the Dockerfile those that its own volume
  lacks.
"""

NOTES = """\
The Dockerfile with `--mount=type=cache` and the naive Dagger build are as fast after an edit because they keep a target
directory too. They rely on file times; [freshness by content](how-it-works.md#freshness-by-content) explains the risk.

Three things limit the speed of this plugin. An edit needs two commands on the engine, one that compiles and one that
runs, of a quarter of a second each. The binary is copied, and it is large if it contains debug information. A cold
build runs cargo twice, so that dependencies have a layer of their own: the workspace's crates start to compile only
after the last dependency, and what was compiled is copied into the layer and out of it.
"""


def write(figures: Mapping[str, Figures], runs: str, model: str) -> None:
    """Write the page and the plot."""
    workloads = {name: item for name, item in figures.items() if name != "surroundings"}
    parts = [
        INTRODUCTION.format(cores=os.cpu_count(), machine=platform.machine()),
        "![seconds above the floor after an edit](performance.svg)\n",
        *(_workload(item) for item in workloads.values()),
        NOTES,
        _targets(figures),
        _where_time_goes(figures),
        f"## Runs and services\n\n{runs}",
        f"## Reading a workspace\n\n{model}",
    ]
    (DOCS / "performance.md").write_text("\n".join(parts))
    _plot(workloads, DOCS / "performance.svg")


def _workload(figures: Figures) -> str:
    situations = [name for name in SITUATIONS if name in figures.seconds]
    names = list(figures.seconds[situations[0]])
    rows: list[list[str]] = []
    for name in names:
        row = [figures.seconds[situation].get(name) for situation in situations]
        rows.append([name, *(f"{value:.2f} s" if value is not None else "" for value in row)])
    rows.append(["packages compiled by this plugin", *(str(figures.compiled[name]) for name in situations)])
    title = f"## {figures.workload}, {figures.packages} locked packages\n\n"
    text = f"Medians of {figures.repeat}, cold of {figures.cold}.\n\n"
    return f"{title}{text}{table(['', *situations], rows)}"


def _targets(figures: Mapping[str, Figures]) -> str:
    rows = _surroundings(figures["surroundings"])
    rows += [row for name, item in figures.items() if name != "surroundings" for row in _checks(item)]
    return f"## Targets\n\n{table(['', 'target', 'measured', ''], rows)}"


def _checks(figures: Figures) -> list[list[str]]:
    above, name = functools.partial(_above_floor, figures), figures.workload
    found = [
        _check(f"{name}: nothing changed, above the floor", 0.9, above("nothing changed", PLUGIN)),
        _check(f"{name}: nothing changed, the build fixture alone", 0.3, figures.fixture["nothing changed"]),
    ]
    for situation, most in (("one line of the program", 1.3), ("one line of a library", 1.6)):
        more = above(situation, PLUGIN) - figures.seconds[situation][HOST]
        found.append(_check(f"{name}: {situation}, above floor and cargo", most, more))
    edit = "one line of the program"
    times = above(edit, CHEF) / above(edit, PLUGIN)
    limit = above(edit, CHEF) / figures.seconds[edit][HOST]
    what = f"{name}: an edit, times faster than cargo-chef (cargo itself: {limit:.1f})"
    found.append([what, "4", f"{times:.1f}", _mark(times >= 4)])
    for situation, most in (("cold", 1.15), ("one dependency bumped", 1.3)):
        ratio = above(situation, PLUGIN) / figures.seconds[situation][HOST]
        found.append(_check(f"{name}: {situation}, times cargo build", most, ratio, ""))
    return found


def _above_floor(figures: Figures, situation: str, peer: str) -> float:
    seconds = figures.seconds[situation]
    return seconds[peer] - (0 if peer == HOST else seconds[FLOOR])


def _surroundings(figures: Figures) -> list[list[str]]:
    found = [_check("memory above the floor's", 150, figures.memory, " MB")]
    for situation, reference, most in (
        ("nothing changed, 10,000 files beside it", "nothing changed", 0.2),
        ("an edit, 10,000 files beside it", "an edit", 0.2),
        ("nothing changed, engine restarted", "nothing changed", 0.5),
    ):
        if situation in figures.seconds:
            least = figures.seconds[reference][PLUGIN]
            more = figures.seconds[situation][PLUGIN] - least
            found.append(_check(f"{situation}, above {reference} ({least:.2f} s)", most, more))
    return found


def _check(what: str, most: float, value: float, unit: str = " s") -> list[str]:
    return [what, f"{most:g}{unit}", f"{value:.2f}{unit}", _mark(value <= most)]


def _mark(is_met: bool) -> str:
    return "✓" if is_met else "✗"


def _where_time_goes(figures: Mapping[str, Figures]) -> str:
    rows: list[list[str]] = []
    names: dict[str, None] = {}
    for item in figures.values():
        for steps in item.steps.values():
            names.update(dict.fromkeys(steps))
    for item in figures.values():
        for situation, steps in item.steps.items():
            if steps:
                inside = [f"{steps.get(name, 0.0):.2f}" for name in names]
                rows.append([f"{item.workload}: {situation}", f"{item.fixture[situation]:.2f}", *inside])
    header = ["", "fixture", *names]
    text = "Seconds of the build fixture, and within it of each step of the source build.\n\n"
    return f"## Where the time goes\n\n{text}{table(header, rows)}"


def _plot(figures: Mapping[str, Figures], file: Path) -> None:
    mpl.use("svg")
    # The same figures give the same file.
    mpl.rcParams["svg.hashsalt"] = "pytest-dagger-rust"
    from matplotlib import pyplot as plt  # noqa: PLC0415 - after the backend is chosen

    canvas, axes = plt.subplots(len(figures), 1, figsize=(8, 1 + 1.6 * len(figures)), squeeze=False)
    for item, area in zip(figures.values(), axes[:, 0], strict=True):
        edit = "one line of the program"
        names = [name for name in item.seconds[edit] if name != FLOOR][::-1]
        above = [_above_floor(item, edit, name) for name in names]
        bars = area.barh(names, above, color=["#c2410c" if name == PLUGIN else "#94a3b8" for name in names])
        area.bar_label(bars, fmt="%.1f s", padding=3)
        area.set_title(
            f"{item.workload}, {item.packages} locked packages: one line of the program", fontsize=10
        )
        area.margins(x=0.15)
        area.spines[["top", "right"]].set_visible(False)
    canvas.tight_layout()
    canvas.savefig(file, metadata={"Date": None})  # pyright: ignore[reportUnknownMemberType]
