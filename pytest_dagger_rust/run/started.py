"""The program that was started last, for whoever wants to look around where it ran."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagger

    from pytest_dagger_rust.engine.engine import Engine
    from pytest_dagger_rust.run.setup import Runtime, Setup


@dataclass(frozen=True)
class Started:
    """A program as it was asked for, and where it was started; `engine` is None for a client of the caller's own."""

    client: dagger.Client
    engine: Engine | None
    runtime: Runtime
    setup: Setup


_last: deque[Started] = deque(maxlen=1)


def note(started: Started) -> None:
    """Keep a program that is being started, in place of the one before."""
    _last.append(started)


def forget() -> None:
    """Forget the program: a new test begins."""
    _last.clear()


def last() -> Started | None:
    """Return the program, None where none was started since `forget`."""
    return _last[-1] if _last else None
