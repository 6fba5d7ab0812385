"""The part of the plugin that shows and sums up what is built: hooks that keep pytest's own output whole."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

    from pytest_dagger_rust.progress import Progress
    from pytest_dagger_rust.watch import Watch

# Where a worker of pytest-xdist finds the controller's session with the engine.
SHARED_SESSION = "dagger_rust_session"


class Display:
    """The hooks of one pytest process; what they need is loaded only when there is something to show."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._current: tuple[str, tuple[str, int | None, str]] | None = None

    @functools.cached_property
    def progress(self) -> Progress:
        """The waits of this process, or where it is the controller, of its workers."""
        from pytest_dagger_rust.progress import Progress, display_for  # noqa: PLC0415

        return Progress(lambda: display_for(self._config, self._resume))

    @functools.cached_property
    def watch(self) -> Watch:
        """The builds of this process."""
        from pytest_dagger_rust.watch import Watch  # noqa: PLC0415

        workerinput: dict[str, Any] = getattr(self._config, "workerinput", {})
        if SHARED_SESSION not in workerinput:
            return Watch(self.progress)
        from pytest_dagger_rust.sharing import WorkersProgress  # noqa: PLC0415

        address, key = workerinput[SHARED_SESSION]
        return Watch(WorkersProgress(address, bytes.fromhex(key), workerinput["workerid"]))

    def _paused(self) -> AbstractContextManager[None]:
        return self.progress.paused() if "progress" in vars(self) else contextlib.nullcontext()

    def _resume(self) -> None:
        # With workers, no line of pytest's waits for the end of a test.
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and self._current and not self._config.pluginmanager.has_plugin("dsession"):
            reporter.pytest_runtest_logstart(*self._current)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logstart(
        self, nodeid: str, location: tuple[str, int | None, str]
    ) -> Generator[None, None, None]:
        """Let pytest write where it left off."""
        self._current = (nodeid, location)
        with self._paused():
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(self) -> Generator[None, None, None]:
        """Let pytest write where it left off."""
        with self._paused():
            return (yield)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Wait no longer for what a worker waited for, should it have died meanwhile."""
        self.progress.forget(node.gateway.id)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self) -> Generator[None, None, None]:
        """Show nothing any more."""
        self._stop()
        return (yield)

    def pytest_unconfigure(self) -> None:
        """End the thread also where the session did not begin."""
        self._stop()

    def _stop(self) -> None:
        if "progress" in vars(self):
            self.progress.stop()
