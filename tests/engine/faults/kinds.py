"""The kinds of faults: what each does to a run, and what the run has to say of it, where it can."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tests.engine.faults import processes

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Generator

    from tests.engine.faults.processes import Running
    from tests.engine.faults.project import Project, Run
    from tests.engine.faults.second_engine import SecondEngine

# The engine is gone, or the CLI: as it is noticed at once, later, and by somebody who only now comes.
_LOST = (
    r"The connection to the Dagger engine was lost: "
    r"|No Dagger engine answers at unix://"
    r"|The dagger CLI (stopped before it opened|did not open) a session"
)

# Seconds within which what is waited for has begun, on a machine that does other things too.
_BEGINNING = 120.0

# Two days, a year; the clock is moved to either side.
_JUMPS = (2 * 86_400, 365 * 86_400)


@dataclass(frozen=True)
class Fault:
    """One fault; with its name `seed` decides the moment, and everything else that is left to chance."""

    kind: str
    is_cold: bool
    seed: int

    def __str__(self) -> str:
        return f"{self.kind}-{'cold' if self.is_cold else 'warm'}-{self.seed}"


@dataclass(frozen=True)
class Victim:
    """What a fault happens to: a run that has just begun, with the seconds such a run takes undisturbed."""

    run: Run
    engine: SecondEngine
    project: Project
    seconds: float
    chance: random.Random

    @property
    def is_over(self) -> bool:
        """Whether the run has ended by itself."""
        return self.run.process.poll() is not None

    def wait(self, longest: float) -> bool:
        """Wait for a moment within some seconds; return False if the run ended before it came."""
        until = time.monotonic() + self.chance.random() * longest
        while (left := until - time.monotonic()) > 0 and not self.is_over:
            time.sleep(min(left, 0.02))
        return not self.is_over

    def found(self, search: Callable[[], list[Running]], name: str) -> int | None:
        """Wait for a process of that name, and return its id; None if the run ended before there was one."""
        deadline = time.monotonic() + _BEGINNING
        while not self.is_over and time.monotonic() < deadline:
            if matching := [process for process in search() if process.name == name]:
                return self.chance.choice(matching).pid
            time.sleep(0.005)
        return None


class Inflict(Protocol):
    """Does it to a run, and returns whether it came in time; what it changes lasts as long as the context."""

    def __call__(self, victim: Victim) -> contextlib.AbstractContextManager[bool]:
        """Begin, and end when the run has ended."""
        ...


@dataclass(frozen=True)
class Kind:
    """What is done, the message that names it, and what has to be there for it."""

    inflict: Inflict
    message: str = ""
    needs_disk: bool = False


def _pytest(number: signal.Signals) -> Inflict:
    """Signal pytest at any moment of its life."""

    @contextlib.contextmanager
    def inflict(victim: Victim) -> Generator[bool]:
        in_time = victim.wait(victim.seconds)
        victim.run.process.send_signal(number)
        yield in_time

    return inflict


@contextlib.contextmanager
def _cli(victim: Victim) -> Generator[bool]:
    """Kill the dagger CLI at any moment of its life."""
    pid = victim.found(lambda: processes.of_run(victim.run.mark), "dagger")
    in_time = pid is not None and victim.wait(victim.seconds * 0.6) and _killed(pid)
    yield in_time


@contextlib.contextmanager
def _engine(victim: Victim) -> Generator[bool]:
    """Kill the engine at any moment of a run's life."""
    in_time = victim.wait(victim.seconds)
    victim.engine.kill()
    yield in_time


def _in_container(name: str, longest: float) -> Inflict:
    """Kill a process of a build within some seconds after it began."""

    @contextlib.contextmanager
    def inflict(victim: Victim) -> Generator[bool]:
        in_time, left = False, victim.chance.random() * longest
        # Some are gone by then, as a rustc that only says its version; the next one is killed at once.
        while not in_time and (pid := victim.found(victim.engine.work, name)) is not None:
            time.sleep(left)
            in_time, left = _killed(pid), 0.0
        yield in_time

    return inflict


@contextlib.contextmanager
def _disk(victim: Victim) -> Generator[bool]:
    """Fill the engine's disk at any moment; it is full until the run has ended."""
    in_time = victim.wait(victim.seconds * 0.8)
    with victim.engine.full(victim.chance.choice([0, 1 << 16, 1 << 20, 8 << 20])):
        yield in_time


@contextlib.contextmanager
def _host_clock(victim: Victim) -> Generator[bool]:
    """The run has begun with a wrong clock, and the files edited before it are of that time."""
    yield True


@contextlib.contextmanager
def _engine_clock(victim: Victim) -> Generator[bool]:
    """Let the engine's clock have jumped since the last build: what it has kept is of another time."""
    deadline = time.monotonic() + _BEGINNING
    while not victim.is_over and time.monotonic() < deadline:
        time.sleep(0.02)
    yield victim.engine.shift_files(jump(victim.chance)) > 0


def jump(chance: random.Random) -> int:
    """Return by how many seconds a clock is wrong."""
    return chance.choice((-1, 1)) * chance.choice(_JUMPS)


def _killed(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


KINDS = {
    "pytest-killed": Kind(_pytest(signal.SIGKILL)),
    "cli-killed": Kind(_cli, _LOST),
    "rustc-killed": Kind(_in_container("rustc", 0.1), r"signal: 9, SIGKILL"),
    "engine-killed": Kind(_engine, _LOST),
    "pytest-terminated": Kind(_pytest(signal.SIGTERM)),
    "disk-full": Kind(_disk, rf"(?i:no space left on device)|{_LOST}", needs_disk=True),
    "pytest-interrupted": Kind(_pytest(signal.SIGINT), r"KeyboardInterrupt|Interrupted"),
    "cargo-killed": Kind(_in_container("cargo", 0.3), r"killed|SIGKILL"),
    "engine-clock": Kind(_engine_clock),
    "agent-killed": Kind(_in_container("agent", 0.3), r"killed|SIGKILL"),
    "host-clock": Kind(_host_clock),
}


def plan(count: int, seed: int) -> list[Fault]:
    """Return so many faults, each kind as often as the others, after a cold build as often as after a warm one."""
    kinds = list(KINDS)
    return [
        Fault(kinds[i % len(kinds)], (i % len(kinds) + i // len(kinds)) % 2 == 0, seed + i)
        for i in range(count)
    ]
