"""Shows, while tests wait for the engine or a build, that something moves and what it is."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol

from pytest_dagger_rust.report.activity import LogTail

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import pytest
    from _pytest.capture import CaptureManager

# Seconds: what is over sooner is not worth a line, and a log has no need of more lines than this.
TICK = 0.1
FIRST_ON_TERMINAL, FIRST_IN_LOG = 0.4, 1.0
BETWEEN_IN_LOG = 10.0


class Display(Protocol):
    """A place that progress can be shown at."""

    def show(self, what: str, detail: str, seconds: float) -> None:
        """Show what is being done, for how long by now, and the detail as far as there is room."""
        ...

    def clear(self) -> None:
        """Leave the place as if nothing had been shown."""
        ...


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
        """Take the line away, and go back to where pytest was writing."""
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
            # Whatever pytest has written of its own line, it begins that anew.
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


def clipped(text: str, width: int) -> str:
    """Return as much of a text as fits; dots stand for the rest."""
    return text if len(text) <= width else f"{text[: max(width - 3, 0)]}..."[:width]


def display_for(config: pytest.Config, resume: Callable[[], None]) -> Display | None:
    """Choose how to show progress: None with -q, without a terminal reporter, and in a worker of pytest-xdist."""
    reporter: pytest.TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    capture: CaptureManager | None = config.pluginmanager.get_plugin("capturemanager")
    if reporter is None or capture is None or config.get_verbosity() < 0 or hasattr(config, "workerinput"):
        return None
    moves = reporter.isatty and os.environ.get("TERM") != "dumb"
    return MovingLine(reporter, capture) if moves else PlainLines(reporter, capture, resume)


class Progress:
    """Waits that are going on, and the thread that shows them."""

    def __init__(self, choose: Callable[[], Display | None]) -> None:
        self._choose = choose
        self._log: Callable[[], Path | None] = lambda: None
        self._tail = LogTail()
        self._waits: dict[str, str] = {}
        self._since = 0.0
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, log: Callable[[], Path | None]) -> None:
        """Take more words from the file this gives, the log of the CLI that serves the session."""
        self._log = log

    @contextlib.contextmanager
    def waiting(self, what: str) -> Generator[None]:
        """Show that the caller waits, as long as the context lasts; `what` is said until the log says more."""
        name = f"{threading.get_ident()} {what}"
        self.begin(name, what)
        try:
            yield
        finally:
            self.end(name)

    def begin(self, name: str, what: str) -> None:
        """Begin a wait."""
        if self._display is None:
            return
        with self._lock:
            if not self._waits:
                self._since = time.monotonic()
            self._waits[name] = what
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="dagger-rust progress", daemon=True)
                self._thread.start()

    def end(self, name: str) -> None:
        """End a wait; ending one that has not begun does nothing."""
        with self._lock:
            if self._waits.pop(name, None) and not self._waits and self._display is not None:
                self._display.clear()

    def forget(self, prefix: str) -> None:
        """End all waits whose name has this for its first word."""
        with self._lock:
            names = [name for name in self._waits if name.partition(" ")[0] == prefix]
        for name in names:
            self.end(name)

    @contextlib.contextmanager
    def paused(self) -> Generator[None]:
        """Take the line away while pytest writes, and let nothing be drawn meanwhile."""
        with self._lock:
            if self._waits and self._display is not None:
                self._display.clear()
            yield

    def stop(self) -> None:
        """End the thread, and leave the terminal clean."""
        self._ended.set()
        with self._lock:
            for name in list(self._waits):
                self.end(name)
        if self._thread is not None:
            self._thread.join()

    @functools.cached_property
    def _display(self) -> Display | None:
        # Chosen when the first wait begins: pytest's reporter is not there before all plugins are configured.
        return self._choose()

    def _run(self) -> None:
        while not self._ended.wait(TICK):
            self._tail.read(self._log())
            with self._lock:
                if self._waits:
                    self._show()

    def _show(self) -> None:
        assert self._display is not None  # noqa: S101 - the thread is started for a display only
        what, detail = next(reversed(self._waits.values())), ""
        activity = self._tail.activity
        if activity.is_busy:
            what, detail = activity.words()
        self._display.show(what, detail, time.monotonic() - self._since)
