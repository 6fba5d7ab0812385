"""Collects and runs Rust tests; loaded if they are requested, shared by all their nodes."""

from __future__ import annotations

import functools
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust.errors import DaggerRustError
from pytest_dagger_rust.plugin.collection_fixtures import session_fixture
from pytest_dagger_rust.plugin.error_reports import coloured
from pytest_dagger_rust.plugin.rust_items import RustFile, RustTest
from pytest_dagger_rust.rust_tests import doctests
from pytest_dagger_rust.rust_tests.cases import ListingError
from pytest_dagger_rust.rust_tests.jobs import run_jobs
from pytest_dagger_rust.rust_tests.results import RustTestResults

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

    from pytest_dagger_rust.plugin.rust_items import Named
    from pytest_dagger_rust.plugin.settings import Settings
    from pytest_dagger_rust.run.running import RunResult
    from pytest_dagger_rust.rust_tests.build import RustTestBinary
    from pytest_dagger_rust.rust_tests.cases import ListedTests, Listing, RustTestCase
    from pytest_dagger_rust.rust_tests.jobs import Job, Limits
    from pytest_dagger_rust.workspace import RustWorkspace

# Where a worker of pytest-xdist finds the results of all of them.
SHARED_FOLDER = "dagger_rust_tests"


class RustTests:
    """Collects and runs the workspace's Rust tests."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._first_shown: dict[str, str] = {}
        self._config = config
        self._ignored: str = settings["ignored_tests"]
        self.timeout: float = settings["test_timeout"]
        self._root = Path()
        self._listed: ListedTests | None = None
        self._by_source: dict[Path, list[tuple[RustTestBinary, Listing]]] = {}
        self._results: RustTestResults | None = None
        self._order = Order()
        self._sources: set[Path] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def runs_ignored(self) -> bool:
        """Whether ignored tests are run."""
        return self._ignored != "skip"

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Collect the whole workspace's tests if `testpaths` selects the Python tests."""
        config = session.config
        if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
            config.args += sorted(map(str, self._sources_of(session)))

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
        """Collect the source files of targets."""
        if file_path.suffix == ".rs" and file_path.resolve() in self._sources_of(parent.session):
            return RustFile.of(parent, file_path, self)
        return None

    def _sources_of(self, session: pytest.Session) -> set[Path]:
        if self._sources is None:
            try:
                workspace: RustWorkspace = session_fixture(session, "rust_workspace")
            except DaggerRustError as error:
                raise pytest.UsageError(f"pytest-dagger-rust: {error}") from None
            targets = (target for package in workspace.packages for target in package.targets)
            self._root = workspace.root
            self._sources = {
                workspace.root / target.src_path for target in targets if target.kind != "custom-build"
            }
        return self._sources

    def cases_in(self, session: pytest.Session, path: Path) -> list[Named]:
        """Return the tests of a source file by their names in parts.

        Raises what the build raises, and ListingError for a binary that does not list its tests.
        """
        here = self._listed_in(session).get(path.resolve(), [])
        targets = sum(binary.kind != "doc" for binary, _ in here)
        named: list[Named] = []
        for binary, found in here:
            if isinstance(found, ListingError):
                raise found
            if binary.kind == "doc":
                named += doctests.named(found)
                continue
            # Two targets with one source file have the same tests.
            target = (f"{binary.kind} {binary.target}",) if targets > 1 else ()
            named += [((*target, *(case.name or binary.target).split("::")), case) for case in found]
        return named

    def _listed_in(self, session: pytest.Session) -> dict[Path, list[tuple[RustTestBinary, Listing]]]:
        if self._listed is None:
            listed: ListedTests = session_fixture(session, "_rust_tests")
            for binary, found in listed.listing.items():
                self._by_source.setdefault(self._root / binary.src_path, []).append((binary, found))
            self._listed = listed
        return self._by_source

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave the tests out that are not ignored, where only ignored ones are wanted."""
        if self._ignored != "only":
            return
        others = [item for item in items if isinstance(item, RustTest) and not item.case.is_ignored]
        if others:
            config.hook.pytest_deselected(items=others)
            items[:] = [item for item in items if item not in set(others)]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note in which order the tests will be asked for."""
        self._order = Order.of(session.items)

    def result_of(self, item: RustTest) -> RunResult:
        """Run a test, or return the result it has got when an earlier one was run."""
        if self._results is None:
            self._results = RustTestResults(self._results_folder(), self.timeout, self._run)
        failures = max(0, (item.config.getoption("maxfail") or 0) - item.session.testsfailed)
        ahead = functools.partial(self._order.ahead_of, item.nodeid)
        return self._results.take(item.nodeid, item.case, ahead, failures)

    def _run(self, jobs: Sequence[Job], limits: Limits) -> Mapping[int, bytes]:
        listed = self._listed
        if listed is None:
            return {}
        return listed.engine.call(functools.partial(run_jobs, listed.build, jobs, limits, anew=True))

    def _results_folder(self) -> Path:
        shared: dict[str, Any] = getattr(self._config, "workerinput", {})
        if SHARED_FOLDER in shared:
            return Path(shared[SHARED_FOLDER])
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="pytest-dagger-rust-")
        return Path(self._folder.name)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Send a pytest-xdist worker the folder with the results of all workers."""
        node.workerinput[SHARED_FOLDER] = str(self._results_folder())

    def pytest_unconfigure(self) -> None:
        """Remove the results."""
        if self._folder is not None:
            self._folder.cleanup()

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
        path = self._root / file
        return os.path.relpath(path, self._config.rootpath) if path.exists() else file

    def failure_text(self, node: pytest.Item | pytest.Collector, error: BaseException) -> str | None:
        """Return the text for an error of this package: whole the first time, one line after that."""
        if not isinstance(error, DaggerRustError):
            return None
        kind = type(error).__name__
        first = self._first_shown.setdefault(str(error), node.nodeid)
        if first != node.nodeid:
            return f"{kind}: same error as {first} (shown there)"
        has_colours = self._config.get_terminal_writer().hasmarkup
        return f"{kind}: {coloured(error) if has_colours else error}"


class Order:
    """The tests that may be run before their turn, in the order in which they will be asked for."""

    def __init__(self, tests: Sequence[tuple[str, RustTestCase, bool]] = ()) -> None:
        self._tests = tests
        self._places = {node_id: place for place, (node_id, _, _) in enumerate(tests)}

    @classmethod
    def of(cls, items: Iterable[pytest.Item]) -> Order:
        """Return the order of a session's items."""
        tests = (item for item in items if isinstance(item, RustTest))
        return cls([(test.nodeid, test.case, test.may_run_ahead) for test in tests])

    def ahead_of(self, node_id: str) -> Iterator[tuple[str, RustTestCase]]:
        """Yield the tests behind one, and then those before it; the last one of a session asks for the others."""
        place = self._places.get(node_id)
        if place is None:
            return
        for part in (range(place, len(self._tests)), range(place)):
            for number in part:
                name, case, may_run_ahead = self._tests[number]
                if may_run_ahead:
                    yield name, case
