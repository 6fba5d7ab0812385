"""Collects and runs Rust tests; loaded if they are requested, shared by all their nodes."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust.errors import DaggerRustError
from pytest_dagger_rust.plugin.collection_fixtures import session_fixture
from pytest_dagger_rust.plugin.rust_items import RustFile, RustTest
from pytest_dagger_rust.plugin.rust_order import Order, Rules
from pytest_dagger_rust.plugin.rust_sources import RustSources
from pytest_dagger_rust.plugin.xdist import Participant, from_controller, is_worker
from pytest_dagger_rust.rust_tests import doctests
from pytest_dagger_rust.rust_tests.cases import ListingError, name_parts
from pytest_dagger_rust.rust_tests.jobs import run_jobs
from pytest_dagger_rust.rust_tests.output import read_outcome, read_shared_outcome
from pytest_dagger_rust.rust_tests.results import BUDGET, Call, RustTestResults, Turn
from pytest_dagger_rust.rust_tests.selection import serial_packages
from pytest_dagger_rust.rust_tests.written_back import WrittenBack

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from pytest_dagger_rust.plugin.rust_items import Named
    from pytest_dagger_rust.plugin.settings import Settings
    from pytest_dagger_rust.run.running import RunResult
    from pytest_dagger_rust.rust_tests.build import RustTestBinary
    from pytest_dagger_rust.rust_tests.cases import ListedTests, Listing, RustTestCase
    from pytest_dagger_rust.rust_tests.jobs import Job, Limits
    from pytest_dagger_rust.rust_tests.output import Outcome
    from pytest_dagger_rust.workspace import RustWorkspace


class RustTests(Participant):
    """Collects and runs the workspace's Rust tests."""

    xdist_key = "dagger_rust_tests"

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._ignored: str = settings["ignored_tests"]
        self.timeout: float = settings["test_timeout"]
        self._settings = settings
        self._by_binary = settings["test_process"] == "binary"
        self._session: pytest.Session | None = None
        self._listed: ListedTests | None = None
        self._by_source: dict[Path, list[tuple[RustTestBinary, Listing]]] = {}
        self._reached = 0
        self._results: RustTestResults | None = None
        self._order = Order()
        self._of_workers: str | None = None
        self._serial: frozenset[str] = frozenset()
        self._sources: RustSources | None = None
        self._folder: Path | None = None
        self._back = WrittenBack(Path(), settings["test_outputs"])

    @property
    def runs_ignored(self) -> bool:
        """Whether ignored tests are run."""
        return self._ignored != "skip"

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Collect the whole workspace's tests if `testpaths` selects the Python tests."""
        config, self._session = session.config, session
        if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
            try:
                config.args += sorted(map(str, self._sources_of(session).files))
            except DaggerRustError as error:
                raise pytest.UsageError(f"pytest-dagger-rust: {error}") from None

    @pytest.hookimpl(wrapper=True)
    def pytest_ignore_collect(self, collection_path: Path) -> Generator[None, bool | None, bool | None]:
        """Look into folders with sources of the workspace, whatever they are called."""
        ignored = yield
        if self._session is None or (not ignored and self._sources is None):
            return ignored
        return self._sources_of(self._session).is_ignored(collection_path, ignored=ignored)

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Collect the source files of targets."""
        if file_path.suffix == ".rs" and self._sources_of(parent.session).find(file_path):
            return RustFile.of(parent, file_path, self)
        return None

    def _sources_of(self, session: pytest.Session) -> RustSources:
        if self._sources is None:
            workspace: RustWorkspace = session_fixture(session, "rust_workspace")
            self._sources = RustSources(workspace, self._config)
            self._back.root = workspace.root
            self._serial = serial_packages(workspace)
        return self._sources

    def cases_in(self, session: pytest.Session, path: Path) -> list[Named]:
        """Return the tests of a source file by their names in parts.

        Raises what the build raises, and ListingError for a binary that does not list its tests.
        """
        sources = self._sources_of(session)
        here = self._listed_in(session).get(sources.find(path) or path, [])
        labels = _labels([binary for binary, _ in here if binary.kind != "doc"])
        named: list[Named] = []
        for binary, found in here:
            if isinstance(found, ListingError):
                raise found
            if binary.kind == "doc":
                named += doctests.named(found)
                continue
            named += [((*labels[binary], *name_parts(case.name or binary.target)), case) for case in found]
        return named

    def _listed_in(self, session: pytest.Session) -> dict[Path, list[tuple[RustTestBinary, Listing]]]:
        if self._listed is None:
            listed: ListedTests = session_fixture(session, "_rust_tests")
            for binary, found in listed.listing.items():
                place = self._sources_of(session).place(binary.src_path)
                self._by_source.setdefault(place, []).append((binary, found))
            self._listed = listed
        return self._by_source

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Count what was collected, and leave out what is not ignored where only ignored tests are wanted."""
        self._reached = len({item.case for item in items if isinstance(item, RustTest)})
        yield
        self._leave_out(config, items)

    def _leave_out(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        if self._ignored != "only":
            return
        others = [item for item in items if isinstance(item, RustTest) and not item.case.is_ignored]
        if others:
            config.hook.pytest_deselected(items=others)
            items[:] = [item for item in items if item not in set(others)]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note in which order the tests will be asked for."""
        rules = Rules(by_binary=self._by_binary, alone=self._settings["tests_alone"], serial=self._serial)
        self._order = rules.order_of(session.items)

    def to_controller(self) -> tuple[str | None, list[str], dict[str, str]]:
        """Return the line about the Rust tests that were not collected, and what became of files that tests wrote."""
        line = self._not_reached() if self._session is not None else None
        return line, sorted(self._back.written), self._back.failed

    def from_worker(self, worker: str, value: tuple[str | None, list[str], dict[str, str]] | None) -> None:
        """Take a worker's line about its selection, which all workers have, and what it has written."""
        del worker
        if value is not None:
            line, written, failed = value
            self._of_workers = line or self._of_workers
            self._back.written.update(written)
            self._back.failed.update(failed)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which Rust tests were not collected, and what was written into the workspace."""
        for text in filter(None, [self._of_workers or self.to_controller()[0], *self._back.lines()]):
            terminalreporter.write_line(text)

    def _not_reached(self) -> str | None:
        if self._listed is None:
            root = f" {self._sources.root}" if self._sources else ""
            return f"Rust tests: none collected; this selection reaches no source file of the workspace{root}"
        total = sum(len(found) for found in self._listed.listing.values() if isinstance(found, list))
        if self._reached == total:
            return None
        return f"Rust tests: {self._reached} of {total} collected; this selection does not reach the others"

    def result_of(self, item: RustTest) -> RunResult:
        """Run a test, or return the result it has got when an earlier one was run."""
        if self._results is None:
            parallel = self._settings["test_threads"] or 0
            self._results = RustTestResults(self._results_folder(), self.timeout, self._run, parallel)
        call = self._order.call(item.nodeid) or Call(item.nodeid, item.case.job)
        ahead = functools.partial(self._order.ahead_of, item.nodeid)
        return self._results.take(call, ahead, self._turn(item))

    def _turn(self, item: RustTest) -> Turn:
        failures = max(0, (item.config.getoption("maxfail") or 0) - item.session.testsfailed)
        if limit := time_limit(item):
            return Turn(failures, min(BUDGET, limit / 2), puts_back=True)
        return Turn(failures, puts_back=is_worker(self._config))

    def outcome_of(self, case: RustTestCase, result: RunResult) -> Outcome:
        """Read how a test ended from the result of its job."""
        if case.is_doctest:
            return doctests.read_doctest(case, result, self.timeout)
        read = read_shared_outcome if self._by_binary and case.name is not None else read_outcome
        return read(case, result, self.timeout)

    def _run(self, jobs: Sequence[Job], limits: Limits) -> Mapping[int, bytes]:
        listed = self._listed
        if listed is None:
            return {}
        back = self._back if self._back.patterns else None
        return listed.engine.call(
            functools.partial(run_jobs, listed.build, jobs, limits, anew=True, back=back)
        )

    def _results_folder(self) -> Path:
        if shared := from_controller(self._config, self.xdist_key):
            return Path(shared)
        if self._folder is None:
            from pytest_dagger_rust import scratch  # noqa: PLC0415 - cannot be imported on Windows

            self._folder = scratch.new_folder()
        return self._folder

    def to_worker(self) -> str:
        """Return the folder with the results of all workers."""
        return str(self._results_folder())

    def pytest_unconfigure(self) -> None:
        """Remove the results."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Report how long a test itself took, and not the batch it was run in."""
        report = yield
        if call.when == "call" and isinstance(item, RustTest) and item.outcome is not None:
            report.duration = item.outcome.seconds
        return report

    def users_path(self, file: str) -> str:
        """Return a path of the compiler's as seen from rootdir."""
        # A path of the standard library is absolute, and stays what it is.
        path = (self._sources.root if self._sources else self._config.rootpath) / file
        return os.path.relpath(path, self._config.rootpath) if path.exists() else file


def time_limit(item: pytest.Item) -> float | None:
    """Return the seconds after which pytest-timeout ends the test, None where it does not."""
    marker = item.get_closest_marker("timeout")
    values: list[Any] = [*marker.args[:1], marker.kwargs.get("timeout")] if marker else []
    values += [item.config.getoption("timeout", None), os.environ.get("PYTEST_TIMEOUT")]
    with contextlib.suppress(ValueError):
        values.append(item.config.getini("timeout"))
    for value in values:
        with contextlib.suppress(TypeError, ValueError):
            return float(value) or None
    return None


def _labels(binaries: Sequence[RustTestBinary]) -> dict[RustTestBinary, tuple[str, ...]]:
    """Return what tells targets apart that share a source file: each has tests of the same names."""
    if len(binaries) < 2:
        return dict.fromkeys(binaries, ())
    spellings = [
        {binary: f"{binary.kind} {binary.target}" for binary in binaries},
        {binary: f"{binary.package} {binary.kind} {binary.target}" for binary in binaries},
        {binary: f"{binary.package} {binary.kind} {binary.target} {binary.triple}" for binary in binaries},
    ]
    found = next((s for s in spellings if len(set(s.values())) == len(binaries)), spellings[-1])
    return {binary: (label,) for binary, label in found.items()}
