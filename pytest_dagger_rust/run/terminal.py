"""The user's terminal, connected to a program in a container."""

from __future__ import annotations

import contextlib
import os
import sys
import termios
import tty
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

_CHUNK = 1 << 14


def is_there() -> bool:
    """Whether standard input and standard output are a terminal."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


class UserTerminal:
    """Standard input and standard output, if they are a terminal."""

    def __init__(self) -> None:
        self.keyboard = sys.stdin.fileno()
        self._screen = sys.stdout.fileno()

    @contextlib.contextmanager
    def raw(self) -> Generator[None]:
        """Pass on every key, even Ctrl-C; restore the terminal at the end."""
        sys.stdout.flush()
        modes = termios.tcgetattr(self.keyboard)
        # Keep what was typed ahead.
        tty.setraw(self.keyboard, termios.TCSADRAIN)
        try:
            yield
        finally:
            termios.tcsetattr(self.keyboard, termios.TCSADRAIN, modes)

    def size(self) -> tuple[int, int]:
        """Return rows and columns."""
        columns, rows = os.get_terminal_size(self._screen)
        return rows, columns

    def read(self) -> bytes:
        """Return what was typed, or nothing after the terminal is closed."""
        try:
            return os.read(self.keyboard, _CHUNK)
        except OSError:
            return b""

    def show(self, data: bytes) -> None:
        """Write on the screen."""
        while data:
            data = data[os.write(self._screen, data) :]
