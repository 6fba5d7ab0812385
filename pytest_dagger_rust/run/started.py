"""The program that was started last, for a shell in its container."""

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
    """A program's request and runtime; `engine` is None if the caller has its own client."""

    client: dagger.Client
    engine: Engine | None
    runtime: Runtime
    setup: Setup


_last: deque[Started] = deque(maxlen=1)


def note(started: Started) -> None:
    """Remember a program that starts, instead of the previous one."""
    _last.append(started)


def forget() -> None:
    """Forget the program, because a new test begins."""
    _last.clear()


def last() -> Started | None:
    """Return the program, or None if none was started since `forget`."""
    return _last[-1] if _last else None
