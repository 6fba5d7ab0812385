"""Shows progress in pytest's terminal, without breaking a line of pytest's own."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING

from pytest_dagger_rust.plugin.xdist import is_worker
from pytest_dagger_rust.report.progress import clipped

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest
    from _pytest.capture import CaptureManager

    from pytest_dagger_rust.report.progress import ProgressDisplay

# Seconds: what is over sooner is not worth a line, and a log has no need of more lines than this.
FIRST_ON_TERMINAL, FIRST_IN_LOG = 0.4, 1.0
BETWEEN_IN_LOG = 10.0


class MovingLine:
    """One line below pytest's own on a terminal; it is gone when it is over."""

    def __init__(self, reporter: pytest.TerminalReporter, capture: CaptureManager) -> None:
        self._reporter = reporter
        self._capture = capture
        self._column: int | None = None

    def show(self, what: str, detail: str, seconds: float) -> None:
        """Draw the line anew."""
        if seconds < FIRST_ON_TERMINAL and self._column is None:
            return
        text = _text(what, detail, seconds)
        with self._capture.global_and_fixture_disabled():
            writer = self._reporter._tw  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            start = "\r"
            if self._column is None:
                self._column = writer.width_of_current_line % writer.fullwidth
                start = "\n" if self._column else "\r"
            _write(f"{start}{clipped(text, writer.fullwidth - 1)}\x1b[K")

    def clear(self) -> None:
        """Remove the line, and go back to where pytest was writing."""
        if self._column is None:
            return
        back = f"\x1b[A\x1b[{self._column}C" if self._column else ""
        self._column = None
        with self._capture.global_and_fixture_disabled():
            _write(f"\r\x1b[2K{back}")


class PlainLines:
    """Lines for a log: one when a wait begins or turns to something else, then one at intervals.

    `resume` writes the line of pytest's that was interrupted.
    """

    def __init__(
        self, reporter: pytest.TerminalReporter, capture: CaptureManager, resume: Callable[[], None]
    ) -> None:
        self._reporter = reporter
        self._capture = capture
        self._resume = resume
        self._said = ""
        self._last = 0.0

    def show(self, what: str, detail: str, seconds: float) -> None:
        """Write a line, if it is time for one."""
        stage = what.rstrip("0123456789/ ")
        now = time.monotonic()
        pause = FIRST_IN_LOG if stage != self._said else BETWEEN_IN_LOG
        if seconds < FIRST_IN_LOG or now - self._last < pause:
            return
        self._said, self._last = stage, now
        text = _text(what, detail, seconds)
        with self._capture.global_and_fixture_disabled():
            # pytest writes its own line again from the start.
            self._reporter.ensure_newline()
            if self._reporter._tw.width_of_current_line:  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
                self._reporter.line("")
            self._reporter.write_line(text)
            self._reporter.flush()

    def clear(self) -> None:
        """Keep what was written, and let pytest begin its own line anew."""
        if self._said:
            with self._capture.global_and_fixture_disabled():
                self._resume()
        self._said = ""


def _text(what: str, detail: str, seconds: float) -> str:
    # What may be cut off on a narrow terminal comes last.
    return f"dagger-rust: [{seconds:.0f} s] {what}" + (f": {detail}" if detail else "")


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def display_for(config: pytest.Config, resume: Callable[[], None]) -> ProgressDisplay | None:
    """Choose how to show progress: None with -q, without a terminal reporter, and in a worker of pytest-xdist."""
    reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    capture: CaptureManager | None = config.pluginmanager.get_plugin("capturemanager")
    if reporter is None or capture is None or config.get_verbosity() < 0 or is_worker(config):
        return None
    moves = reporter.isatty and os.environ.get("TERM") != "dumb"
    return MovingLine(reporter, capture) if moves else PlainLines(reporter, capture, resume)
