"""Exports the one result file of a container in which the agent ran programs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, TypeVar

import anyio

from pytest_dagger_rust import scratch
from pytest_dagger_rust.container import agent
from pytest_dagger_rust.container.frames import FrameError
from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.errors import DaggerRustError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import dagger

T = TypeVar("T")

# Seconds that a container may take besides the time limit of what runs in it: to be pulled, to start, to be read. The
# agent keeps the limit itself; this one is for an agent that was stopped by the program it runs.
ALLOWANCE = 600


async def fetch(
    executed: dagger.Container, command: str, read: Callable[[Path], T], limit: float | None = None
) -> T:
    """Run a container's last exec, and return what `read` makes of its results; `limit` is the exec's, in seconds.

    Raises DaggerRustError if the container ended without results, or if they cannot be read.
    """
    with _errors(command, limit), scratch.temporary_folder() as folder:
        path = folder / "result"
        with anyio.fail_after(None if limit is None else limit + ALLOWANCE):
            # Resolved in the container, where it is a regular file: nothing else can be exported by this name.
            await executed.file(agent.RESULT_FILE).export(str(path))
        return read(path)


@contextlib.contextmanager
def _errors(command: str, limit: float | None) -> Generator[None]:
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    try:
        yield
    except FrameError as error:
        hint = "Run it again; if that does not help, it is a bug of pytest-dagger-rust."
        raise DaggerRustError(
            f"{command}: the result of the run cannot be read: {error}.\n  {hint}"
        ) from None
    except TimeoutError:
        msg = f"{command}: its container did not end within {limit or 0:g} s and {ALLOWANCE} s more."
        raise DaggerRustError(f"{msg}\n  Does the program stop processes of others?") from None
    except dagger.ExecError as error:
        raise DaggerRustError(_ended_early(command, error)) from None


def _ended_early(command: str, error: dagger.ExecError) -> str:
    hint = "Does the program end processes that are not its own, or was there too little memory?"
    lines = [f"  {line}" for line in lines_of(error.stderr)[-5:]]
    return "\n".join(
        [
            f"{command}: its container ended before the run was over: exit code {error.exit_code}.",
            f"  {hint}",
            *lines,
        ]
    )
