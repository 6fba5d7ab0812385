"""Running other programs: quiet when they succeed, with their last words when they fail."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dev.stack.settings import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path


def say(message: str) -> None:
    """Tell the user something; standard output stays free for what a program may read."""
    print(message, file=sys.stderr, flush=True)


def main(name: str, function: Callable[[], object]) -> None:
    """Call a program's function; an error of the stack's is its last line, and exit code 1."""
    try:
        function()
    except StackError as error:
        say(f"{name}: error: {error}")
        sys.exit(1)


@contextmanager
def step(message: str) -> Generator[None]:
    """Announce work that takes a while, and say how long it took."""
    began = time.monotonic()
    say(f"stack: {message} ...")
    yield
    say(f"stack: {message}: done in {time.monotonic() - began:.0f} s")


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program to its end and return its output."""
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words,
            cwd=cwd,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise StackError(f"The program {words[0]} is needed and not installed.") from None
    if done.returncode:
        raise StackError(_failure(words, done.returncode, done.stdout + done.stderr))
    return done.stdout


def _failure(words: Sequence[str], code: int, output: str) -> str:
    last = "\n".join(f"  {line}" for line in output.splitlines()[-20:])
    return f"`{shlex.join(words)[:300]}` failed with exit code {code}:\n{last}"
