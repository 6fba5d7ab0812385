"""Builds of real applications by this plugin and its peers, in one run."""

from __future__ import annotations

import functools
import os
import shutil
import statistics
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from benchmarks.peers import INI, PYTEST, Dockerfile, Host, Peer, Plugin, peers
from benchmarks.timing import median_of, seconds_of
from benchmarks.workloads import clutter, unclutter
from dev.stack.engine import Engine
from dev.stack.settings import Settings
from dev.stack.source import RUNNER_HOST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.workloads import Workload

REPEAT = int(os.environ.get("BENCH_REPEAT", "5"))
COLD = int(os.environ.get("BENCH_COLD", REPEAT))
BUMPED = "one dependency bumped"
FLOOR = """\
import pathlib, resource
import dagger

def test_floor():
    pathlib.Path("memory").write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""


@dataclass
class Figures:
    """Seconds by situation and peer, and what else was measured, for one workload.

    `floor` is in seconds, `memory` in MB above that of the floor. Medians are of `repeat` builds, those from
    nothing of `cold`.
    """

    workload: str
    packages: int
    floor: float
    seconds: dict[str, dict[str, float]] = field(default_factory=dict[str, "dict[str, float]"])
    compiled: dict[str, int] = field(default_factory=dict[str, int])
    fixture: dict[str, float] = field(default_factory=dict[str, float])
    steps: dict[str, dict[str, float]] = field(default_factory=dict[str, "dict[str, float]"])
    memory: float = 0.0
    repeat: int = REPEAT
    cold: int = COLD

    def note(self, situation: str, peer: Peer, seconds: float) -> None:
        """Keep a figure, and say it, because the whole takes long."""
        self.seconds.setdefault(situation, {})[peer.name] = seconds
        print(f"{self.workload}: {situation}: {peer.name}: {seconds:.2f} s", flush=True)
        if isinstance(peer, Plugin):
            compiled = cast("list[str]", peer.report["compiled"])
            self.compiled[situation] = len(compiled)
            self.fixture[situation] = cast("float", peer.report["fixture"])
            self.steps[situation] = cast("dict[str, float]", peer.report["steps"])
            refuse_twice(compiled)


def refuse_twice(compiled: list[str]) -> None:
    """Fail when a package was compiled twice in one build."""
    if twice := [name for name, count in Counter(compiled).items() if count > 1]:
        msg = f"compiled twice: {', '.join(twice)}"
        raise RuntimeError(msg)


def floor(folder: Path) -> float:
    """Seconds of a pytest run whose only test imports dagger."""
    (folder / "test_floor.py").write_text(FLOOR)
    (folder / "pytest.ini").write_text(INI)
    return median_of(REPEAT, nothing, lambda: seconds_of([*PYTEST, "test_floor.py"], folder))


def nothing(_: int) -> None:
    """Prepare nothing."""


def measure(workload: Workload, folder: Path) -> Figures:
    """Measure one workload with every peer, each in a copy of its own."""
    everyone = peers(workload)
    roots = {
        peer.name: workload.lay_out(folder / str(number) / "tree") for number, peer in enumerate(everyone)
    }
    locked = (roots["cargo build"] / "Cargo.lock").read_text().count("[[package]]")
    figures = Figures(workload.name, locked, floor(folder))
    for peer, seconds in each(everyone, COLD, functools.partial(cold, workload, roots)):
        figures.note("cold", peer, seconds)
    for situation, prepare in situations(workload).items():
        for peer in everyone:
            figures.note(situation, peer, repeated(peer, roots[peer.name], prepare))
    for peer, seconds in each(everyone, REPEAT, functools.partial(bumped, workload, roots)):
        figures.note(BUMPED, peer, seconds)
    return figures


def each(
    everyone: Sequence[Peer], repeat: int, build: Callable[[Peer, int], float]
) -> Iterator[tuple[Peer, float]]:
    """Give the seconds by each peer of what takes long: of the two of the ratios, medians of `repeat` builds.

    These two take turns, so that a slower minute of the machine is not that of one of them. The number a build is
    called with counts down to 0.
    """
    compared = [peer for peer in everyone if isinstance(peer, (Plugin, Host))]
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for number in reversed(range(repeat)):
        for one in compared:
            seconds[one.name].append(build(one, number))
    for peer in everyone:
        yield peer, statistics.median(seconds[peer.name] or [build(peer, 0)])


def cold(workload: Workload, roots: Mapping[str, Path], peer: Peer, number: int) -> float:
    """Build in a place that no cache has seen: number 0 is the peer's root."""
    root = roots[peer.name]
    if isinstance(peer, Dockerfile):
        peer.prepare(root)
    if number == 0:
        return peer.seconds(root)
    place = root.parent / f"cold-{number}" / "tree"
    seconds = peer.seconds(workload.lay_out(place))
    shutil.rmtree(place.parent)
    return seconds


def bumped(workload: Workload, roots: Mapping[str, Path], peer: Peer, number: int) -> float:
    """Build with another version of one dependency."""
    workload.bump(roots[peer.name], number)
    return peer.seconds(roots[peer.name])


def repeated(peer: Peer, root: Path, prepare: Callable[[Path, int], None]) -> float:
    """Give the median of several builds, each after what is done before it."""
    return median_of(REPEAT, lambda number: prepare(root, number), lambda: peer.seconds(root))


def situations(workload: Workload) -> dict[str, Callable[[Path, int], None]]:
    """Give what is done before each build that takes but seconds."""
    return {
        "nothing changed": lambda _root, _number: None,
        "one line of the program": lambda root, number: workload.edit(root, workload.program, number),
        "one line of a library": lambda root, number: workload.edit(root, workload.library, number),
    }


def measure_surroundings(workload: Workload, folder: Path) -> Figures:
    """Measure this plugin alone: beside clutter, after a restart of the engine, and its memory."""
    plugin = Plugin(workload)
    root = workload.lay_out(folder / "tree")
    figures = Figures(workload.name, 0, floor(folder))
    plugin.seconds(root)

    def again(situation: str, prepare: Callable[[int], None] = nothing) -> None:
        figures.note(situation, plugin, median_of(REPEAT, prepare, lambda: plugin.seconds(root)))

    again("nothing changed")
    figures.memory = (cast("int", plugin.report["memory"]) - int((folder / "memory").read_text())) / 1024
    clutter(root)
    plugin.seconds(root)
    again("nothing changed, 10,000 files beside it")
    again("an edit, 10,000 files beside it", lambda number: workload.edit(root, workload.program, number))
    unclutter(root)
    again("an edit", lambda number: workload.edit(root, workload.program, number))
    if restart := engine_to_restart():
        restart()
        figures.note("nothing changed, engine restarted", plugin, plugin.seconds(root))
    return figures


def engine_to_restart() -> Callable[[], None] | None:
    """Give what restarts the engine, where it is one of the development stack."""
    engine = Engine(Settings.from_environment(os.environ))
    if os.environ.get(RUNNER_HOST) != f"unix://{engine.socket}":
        return None

    def restart() -> None:
        engine.down()
        engine.up()

    return restart
