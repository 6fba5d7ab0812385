"""Shows what is being done while tests wait for the engine or a build."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from pytest_dagger_rust.report.activity import Activity

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pytest_dagger_rust.engine.otlp import Batch

# Seconds between two looks, and before the first one at what the CLI sends: reading it costs something.
TICK = 0.1
FIRST_LOOK = 0.3

# What may wait to be looked at, in bodies and bytes; what does not fit is not shown.
_WAITING, _WAITING_BYTES = 1000, 16 * 1024 * 1024


class ProgressDisplay(Protocol):
    """A place that progress can be shown at."""

    def show(self, what: str, detail: str, seconds: float) -> None:
        """Show what is being done, for how long by now, and the detail as far as there is room."""
        ...

    def clear(self) -> None:
        """Leave the place as if nothing had been shown."""
        ...


def clipped(text: str, width: int) -> str:
    """Return as much of a text as fits; dots stand for the rest."""
    return text if len(text) <= width else f"{text[: max(width - 3, 0)]}..."[:width]


class Progress:
    """Waits that are going on, and the thread that shows them."""

    def __init__(self, choose: Callable[[], ProgressDisplay | None]) -> None:
        self._choose = choose
        self._heard: deque[Batch] = deque()
        self._bytes = 0
        self._activity = Activity()
        self._waits: dict[str, str] = {}
        self._since = 0.0
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def hear(self, batch: Batch) -> None:
        """Take what the CLI sends of the session's work; it is shown while somebody waits."""
        with self._lock:
            if not self._waits or self._display is None:
                return
            if len(self._heard) < _WAITING and self._bytes + len(batch.body) <= _WAITING_BYTES:
                self._heard.append(batch)
                self._bytes += len(batch.body)

    @contextlib.contextmanager
    def waiting(self, what: str) -> Generator[None]:
        """Show that the caller waits, as long as the context lasts; `what` is said until the CLI says more."""
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
                # What ends while nobody waits is not heard.
                self._heard.clear()
                self._bytes = 0
                self._activity = Activity()

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
    def _display(self) -> ProgressDisplay | None:
        # Chosen when the first wait begins: pytest's reporter is not there before all plugins are configured.
        return self._choose()

    def _run(self) -> None:
        while not self._ended.wait(TICK):
            activity = self._activity
            if time.monotonic() - self._since >= FIRST_LOOK:
                for batch in self._take_heard():
                    activity.feed(batch)
            with self._lock:
                if self._waits:
                    self._show(activity)

    def _take_heard(self) -> list[Batch]:
        with self._lock:
            batches = list(self._heard)
            self._heard.clear()
            self._bytes = 0
        return batches

    def _show(self, activity: Activity) -> None:
        assert self._display is not None  # noqa: S101 - the thread is started for a display only
        what, detail = next(reversed(self._waits.values())), ""
        if activity.is_busy:
            what, detail = activity.words()
        self._display.show(what, detail, time.monotonic() - self._since)
