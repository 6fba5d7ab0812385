"""The part of the plugin that shows and sums up what is built: hooks that keep pytest's own output whole."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust.fixtures import SHARED_SESSION, WATCH_KEY
from pytest_dagger_rust.progress import Progress, display_for
from pytest_dagger_rust.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Generator


class Display:
    """The hooks of one pytest process."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.progress = Progress(lambda: display_for(config))
        self.watch = Watch(self.progress)
        config.stash[WATCH_KEY] = self.watch
        workerinput: dict[str, Any] = getattr(config, "workerinput", {})
        if SHARED_SESSION in workerinput:
            from pytest_dagger_rust.sharing import WorkersProgress  # noqa: PLC0415 - only in workers

            address, key = workerinput[SHARED_SESSION]
            self.watch.progress = WorkersProgress(address, bytes.fromhex(key), workerinput["workerid"])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logstart(
        self, nodeid: str, location: tuple[str, int | None, str]
    ) -> Generator[None, None, None]:
        """Let pytest write where it left off."""
        with self.progress.paused():
            if self._reporter is not None:
                resume = self._reporter.pytest_runtest_logstart
                self.progress.resume_with(lambda: resume(nodeid, location))
            return (yield)

    @functools.cached_property
    def _reporter(self) -> pytest.TerminalReporter | None:
        # With workers, lines of pytest's do not wait for the end of a test.
        plugins = self._config.pluginmanager
        return None if plugins.has_plugin("dsession") else plugins.get_plugin("terminalreporter")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(self) -> Generator[None, None, None]:
        """Let pytest write where it left off."""
        with self.progress.paused():
            return (yield)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Wait no longer for what a worker waited for, should it have died meanwhile."""
        self.progress.forget(node.gateway.id)

    @pytest.hookimpl(wrapper=True)
    def pytest_sessionfinish(self) -> Generator[None, None, None]:
        """Show nothing any more."""
        self.progress.stop()
        return (yield)

    def pytest_unconfigure(self) -> None:
        """End the thread also where the session did not begin."""
        self.progress.stop()
