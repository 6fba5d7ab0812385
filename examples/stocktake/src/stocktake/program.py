"""How the `stocktake` program is called: by subprocess, unless the caller has another way."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import os


class Completed(Protocol):
    """What is known of a program that has ended; `subprocess.CompletedProcess` has other names for it."""

    @property
    def exit_code(self) -> int: ...
    @property
    def stdout(self) -> str: ...
    @property
    def stderr(self) -> str: ...


class Runner(Protocol):
    """Runs `stocktake` with these arguments and this standard input."""

    def __call__(self, *arguments: str, stdin: str) -> Completed: ...


class _Finished:
    """A finished subprocess, seen as `Completed`."""

    def __init__(self, process: subprocess.CompletedProcess[str]) -> None:
        self.exit_code = process.returncode
        self.stdout = process.stdout
        self.stderr = process.stderr


def program(path: str | os.PathLike[str] = "stocktake") -> Runner:
    """Return a runner for a program on this machine, looked up on PATH if it is a bare name."""

    def run(*arguments: str, stdin: str) -> Completed:
        command = [path, *arguments]
        return _Finished(
            subprocess.run(command, input=stdin, capture_output=True, encoding="utf-8", check=False)  # noqa: S603
        )

    return run
