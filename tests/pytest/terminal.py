"""A terminal of a given width for a program to run on, with somebody who types."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

# Seconds that one run may take.
PATIENCE = 240.0

_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


@dataclass
class Terminal:
    """What a program has written on the terminal, in pieces with their times."""

    pieces: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    exit_code: int | None = None
    interrupted_at: float | None = None
    ended_at: float = 0.0
    modes: list[Any] = field(default_factory=list[Any])

    @property
    def text(self) -> str:
        """All of it, control sequences included."""
        return "".join(text for _, text in self.pieces)

    @property
    def moving_lines(self) -> list[str]:
        """What was drawn of progress, without control sequences."""
        drawn = re.findall(r"dagger-rust: \[[^\r\n]*", self.text)
        return [_CONTROL.sub("", line) for line in drawn]

    def longest_silence(self) -> float:
        """Seconds between two pieces, from the first progress on."""
        times = [when for when, _ in self.pieces]
        first = next(i for i, (_, text) in enumerate(self.pieces) if "dagger-rust: [" in text)
        return max(b - a for a, b in zip(times[first:], times[first + 1 :], strict=False))


# They are there for single tests, and change what every other run does or shows.
_OF_SINGLE_TESTS = ("pytest-bdd", "pytest-shard", "randomly", "repeat", "rerunfailures", "syrupy")
WITHOUT_THEM = tuple(word for name in _OF_SINGLE_TESTS for word in ("-p", f"no:{name}"))
# Nothing is kept in the project. The last one imports hypothesis at the end of each run, for half a second.
FEWER_PLUGINS = (*WITHOUT_THEM, "-p", "no:cacheprovider", "-p", "no:hypothesispytest")


def run_pytest(
    folder: Path,
    *arguments: str,
    columns: int = 80,
    env: Mapping[str, str] | None = None,
    interrupt_when: Callable[[Terminal], bool] = lambda _: False,
    typed: Iterable[tuple[str, str]] = (),
) -> Terminal:
    """Run pytest in a folder on a terminal; Ctrl-C is pressed once when `interrupt_when` says so.

    `typed` has what is typed, each after a text has been shown since the one before. `modes` of what is given are the
    terminal's at the beginning and at the end.
    """
    screen, keyboard = pty.openpty()
    modes = [termios.tcgetattr(keyboard)]
    fcntl.ioctl(keyboard, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *FEWER_PLUGINS, *arguments],
        cwd=folder,
        env={**_without_size(), "TERM": "xterm", "PY_COLORS": "", **(env or {})},
        stdin=keyboard,
        stdout=keyboard,
        stderr=keyboard,
        start_new_session=True,
    )
    os.close(keyboard)
    terminal = Terminal(modes=modes)
    waiting, seen = deque(typed), 0
    deadline = time.monotonic() + PATIENCE
    while piece := _read(screen, deadline - time.monotonic()):
        terminal.pieces.append((time.monotonic(), piece))
        if terminal.interrupted_at is None and interrupt_when(terminal):
            terminal.interrupted_at = time.monotonic()
            os.killpg(process.pid, signal.SIGINT)
        if waiting and waiting[0][0] in terminal.text[seen:]:
            seen = len(terminal.text)
            os.write(screen, waiting.popleft()[1].encode())
    if time.monotonic() >= deadline:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(screen)
        pytest.fail(f"pytest had not ended after {PATIENCE} s. It showed:\n{terminal.text}")
    modes.append(termios.tcgetattr(screen))
    os.close(screen)
    terminal.exit_code = process.wait()
    terminal.ended_at = time.monotonic()
    return terminal


def _without_size() -> dict[str, str]:
    """Return the environment without what pytest-xdist tells its workers of its own terminal."""
    return {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}


def _read(screen: int, patience: float) -> str:
    if not select.select([screen], [], [], max(patience, 0))[0]:
        return ""
    try:
        return os.read(screen, 1 << 16).decode("utf-8", "replace")
    except OSError:
        # The last program on the terminal has ended.
        return ""
