"""Builds of real applications by this plugin and its peers, in one run."""

from __future__ import annotations

import functools
import os
import shutil
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from benchmarks.peers import Dockerfile, Floor, Host, Peer, Plugin, peers
from benchmarks.timing import median_of
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


@dataclass
class Figures:
    """Seconds by situation and peer, and what else was measured, for one workload.

    `memory` is in MB above that of the floor. Medians are of `repeat` builds, those from nothing of `cold`.
    """

    workload: str
    packages: int
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


def nothing(_: int) -> None:
    """Prepare nothing."""


def measure(workload: Workload, folder: Path) -> Figures:
    """Measure one workload with every peer, each in a copy of its own."""
    everyone = peers(workload)
    roots = {
        peer.name: workload.lay_out(folder / str(number) / "tree") for number, peer in enumerate(everyone)
    }
    locked = (roots["cargo build"] / "Cargo.lock").read_text().count("[[package]]")
    figures = Figures(workload.name, locked)
    for peer in everyone:
        if isinstance(peer, (Plugin, Dockerfile)):
            peer.prepare(roots[peer.name])

    def note(
        situation: str, repeat: int, build: Callable[[Peer, int], float], *, is_long: bool = False
    ) -> None:
        for peer, seconds in in_turns(everyone, repeat, build, is_long=is_long):
            figures.note(situation, peer, seconds)

    note("cold", COLD, functools.partial(cold, workload, roots), is_long=True)
    for situation, prepare in situations(workload).items():
        note(situation, REPEAT, functools.partial(again, roots, prepare), is_long=situation == BUMPED)
    return figures


def in_turns(
    everyone: Sequence[Peer], repeat: int, build: Callable[[Peer, int], float], *, is_long: bool
) -> Iterator[tuple[Peer, float]]:
    """Return each peer's median seconds of `repeat` builds; of a long one the median only for the peers of the ratios.

    They take turns, so that a slower minute of the machine is not that of one of them, and each finds it at rest. The
    number a build is called with counts down to 0.
    """
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for number in reversed(range(repeat)):
        for peer in everyone:
            if number == 0 or not is_long or isinstance(peer, (Floor, Plugin, Host)):
                seconds[peer.name].append(build(peer, number))
    for peer in everyone:
        yield peer, statistics.median(seconds[peer.name])


def at_rest(peer: Peer, root: Path) -> float:
    """Build once the disk has what was written, and the engine has done what it does after a session."""
    os.sync()
    time.sleep(1)
    return peer.seconds(root)


def cold(workload: Workload, roots: Mapping[str, Path], peer: Peer, number: int) -> float:
    """Build in a place that no cache has seen: number 0 is the peer's root."""
    root = roots[peer.name]
    if number == 0:
        return at_rest(peer, root)
    place = root.parent / f"cold-{number}" / "tree"
    seconds = at_rest(peer, workload.lay_out(place))
    shutil.rmtree(place.parent)
    return seconds


def again(roots: Mapping[str, Path], prepare: Callable[[Path, int], None], peer: Peer, number: int) -> float:
    """Build at the peer's root once more, after what is done before it."""
    prepare(roots[peer.name], number)
    return at_rest(peer, roots[peer.name])


def situations(workload: Workload) -> dict[str, Callable[[Path, int], None]]:
    """Return what is done before each measurement."""
    return {
        "nothing changed": lambda _root, _number: None,
        "one line of the program": lambda root, number: workload.edit(root, workload.program, number),
        "one line of a library": lambda root, number: workload.edit(root, workload.library, number),
        BUMPED: workload.bump,
    }


def measure_surroundings(workload: Workload, folder: Path) -> Figures:
    """Measure this plugin alone: beside clutter, after a restart of the engine, and its memory."""
    plugin = Plugin(workload, os.environ["PYTEST_DAGGER_RUST_BUILDER_IMAGE"])
    root = workload.lay_out(folder / "tree")
    figures = Figures(workload.name, 0)
    Floor().seconds(folder)
    plugin.seconds(root)

    def measured(situation: str, prepare: Callable[[int], None] = nothing) -> None:
        figures.note(situation, plugin, median_of(REPEAT, prepare, lambda: plugin.seconds(root)))

    measured("nothing changed")
    figures.memory = (cast("int", plugin.report["memory"]) - int((folder / "memory").read_text())) / 1024
    clutter(root)
    plugin.seconds(root)
    measured("nothing changed, 10,000 files beside it")
    measured("an edit, 10,000 files beside it", lambda number: workload.edit(root, workload.program, number))
    unclutter(root)
    measured("an edit", lambda number: workload.edit(root, workload.program, number))
    if restart := engine_to_restart():
        restart()
        figures.note("nothing changed, engine restarted", plugin, plugin.seconds(root))
    return figures


def engine_to_restart() -> Callable[[], None] | None:
    """Return what restarts the engine, where it is one of the development stack."""
    engine = Engine(Settings.from_environment(os.environ))
    if os.environ.get(RUNNER_HOST) != f"unix://{engine.socket}":
        return None

    def restart() -> None:
        engine.down()
        engine.up()

    return restart
