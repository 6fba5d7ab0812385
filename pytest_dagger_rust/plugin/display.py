"""The hooks that show and summarise builds, and keep pytest's own output whole."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust.plugin.xdist import Participant, controller_of, is_worker

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

    from pytest_dagger_rust.report.build_log import BuildLog
    from pytest_dagger_rust.report.facts import BuildFacts
    from pytest_dagger_rust.report.progress import Progress


class BuildReporting(Participant):
    """The hooks of one pytest process; what they need is loaded when there is something to show."""

    xdist_key = "dagger_rust_builds"

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._is_worker = is_worker(config)
        self._waited = 0.0
        # Made when there is something to show: loading what they need takes time.
        self._progress: Progress | None = None
        self._build_log: BuildLog | None = None
        self._workers_builds: list[BuildFacts] = []
        self._workers_waits: list[tuple[str, float]] = []
        self._workers_notes: list[str] = []
        self._current: tuple[str, tuple[str, int | None, str]] | None = None

    @property
    def progress(self) -> Progress:
        """The waits of this process, and of its workers if it is the controller."""
        if self._progress is None:
            self._progress = self._make_progress()
        return self._progress

    def _make_progress(self) -> Progress:
        from pytest_dagger_rust.plugin.terminal import display_for  # noqa: PLC0415
        from pytest_dagger_rust.report.progress import Progress  # noqa: PLC0415

        return Progress(lambda: display_for(self._config, self._resume))

    @property
    def build_log(self) -> BuildLog:
        """The builds of this process."""
        if self._build_log is None:
            self._build_log = self._make_build_log()
        return self._build_log

    def _make_build_log(self) -> BuildLog:
        from pytest_dagger_rust.report.build_log import BuildLog  # noqa: PLC0415

        return BuildLog(controller_of(self._config) or self.progress)

    def _paused(self) -> AbstractContextManager[None]:
        return self._progress.paused() if self._progress is not None else contextlib.nullcontext()

    def _resume(self) -> None:
        # With workers, no line of pytest's waits for the end of a test.
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None and self._current and not self._config.pluginmanager.has_plugin("dsession"):
            reporter.pytest_runtest_logstart(*self._current)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logstart(
        self, nodeid: str, location: tuple[str, int | None, str]
    ) -> Generator[None, None, None]:
        """Hide the progress line while pytest writes."""
        self._current = (nodeid, location)
        # Waits during collection are not part of this test's time.
        self._waited = self._seconds_waited()
        with self._paused():
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Subtract waits from the test's time; they are listed on their own."""
        report = yield
        waited = self._seconds_waited()
        report.duration = max(report.duration - (waited - self._waited), 0.0)
        self._waited = waited
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self) -> Generator[None, None, None]:
        """Hide the progress line while pytest writes."""
        with self._paused():
            return (yield)

    def from_worker(self, worker: str, value: dict[str, Any] | None) -> None:
        """Take what a worker built, and end its waits in case it died."""
        if self._progress is not None:
            self._progress.forget(worker)
        if value is not None:
            from pytest_dagger_rust.report.facts import BuildFacts  # noqa: PLC0415

            self._workers_builds += [BuildFacts.from_plain(values) for values in value["builds"]]
            self._workers_waits += value["waits"]
            self._workers_notes += value["notes"]

    def to_controller(self) -> dict[str, Any] | None:
        """Return what this worker built, and waited for."""
        if self._build_log is None:
            return None
        return {
            "builds": [build.plain() for build in self._builds()],
            "waits": self._build_log.waits,
            "notes": self._build_log.notes,
        }

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, None, None]:
        """Stop progress, and write files and tables of what was built, where this is no worker."""
        self._stop()
        if self._has_built and not self._is_worker:
            from pytest_dagger_rust.plugin import ending  # noqa: PLC0415 - only for runs that build

            ending.finish(session.config, self._builds(), self._waits())
        return (yield)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the table of builds."""
        if self._has_built:
            from pytest_dagger_rust.plugin import ending  # noqa: PLC0415 - only for runs that build

            ending.summarize(terminalreporter, self._builds(), self._notes())

    @property
    def _has_built(self) -> bool:
        return bool(self._workers_builds) or (self._build_log is not None and bool(self._build_log.builds))

    def _builds(self) -> list[BuildFacts]:
        from pytest_dagger_rust.report.facts import facts_of, merged  # noqa: PLC0415

        own = map(facts_of, self._build_log.builds) if self._build_log is not None else ()
        return merged([*own, *self._workers_builds])

    def _notes(self) -> list[str]:
        own = self._build_log.notes if self._build_log is not None else []
        return list(dict.fromkeys([*own, *self._workers_notes]))

    def _waits(self) -> list[tuple[str, float]]:
        longest: dict[str, float] = {}
        own = self._build_log.waits if self._build_log is not None else []
        for what, seconds in [*own, *self._workers_waits]:
            longest[what] = max(seconds, longest.get(what, 0.0))
        return list(longest.items())

    def pytest_unconfigure(self) -> None:
        """End the thread, also if the session did not start."""
        self._stop()

    def _seconds_waited(self) -> float:
        return self._build_log.waited if self._build_log is not None else 0.0

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.stop()
