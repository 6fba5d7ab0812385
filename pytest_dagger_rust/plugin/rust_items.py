"""Rust tests in pytest's tree: a file for each target's source, collectors for modules, an item for each test."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from _pytest._code.code import ReprEntryNative, ReprFileLocation, ReprTraceback
from _pytest._code.code import ReprExceptionInfo as Repr

from pytest_dagger_rust.rust_tests.doctests import place_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pytest_dagger_rust.plugin.rust_collection import RustTests
    from pytest_dagger_rust.rust_tests.cases import RustTestCase
    from pytest_dagger_rust.rust_tests.output import Outcome

# A test's name in parts, as they are nested.
Named = tuple[tuple[str, ...], "RustTestCase"]


class RustTestFailed(Exception):  # noqa: N818 - never seen by a user
    """A Rust test has failed; its item knows how."""


class RustFile(pytest.File):
    """The source file of a target, and below it the tests that its test binary lists."""

    tests: RustTests

    @classmethod
    def of(cls, parent: pytest.Collector, path: Path, tests: RustTests) -> RustFile:
        """Make the collector for a source file."""
        file: RustFile = cls.from_parent(parent, path=path)
        file.tests = tests
        return file

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """Build the tests, the first time, and give those of this file."""
        return nodes(self, self.tests, self.tests.cases_in(self.session, self.path))


class RustModule(pytest.Collector):
    """A module with tests in it."""

    tests: RustTests
    named: Sequence[Named]

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """Return the tests of the module, and the modules in it."""
        return nodes(self, self.tests, self.named)


def nodes(
    parent: pytest.Collector, tests: RustTests, named: Iterable[Named]
) -> Iterator[pytest.Item | pytest.Collector]:
    """Make the nodes below one: items for names of one part, and modules for the others."""
    modules: dict[str, list[Named]] = {}
    for (first, *rest), case in named:
        if rest:
            modules.setdefault(first, []).append((tuple(rest), case))
        else:
            yield RustTest.of(parent, first, tests, case)
    for name, inner in modules.items():
        module: RustModule = RustModule.from_parent(parent, name=name)
        module.tests, module.named = tests, inner
        yield module


class RustTest(pytest.Item):
    """One Rust test."""

    tests: RustTests
    case: RustTestCase
    outcome: Outcome | None

    @classmethod
    def of(cls, parent: pytest.Collector, name: str, tests: RustTests, case: RustTestCase) -> RustTest:
        """Make the item for a test; one that is ignored is skipped, unless it was asked for."""
        item: RustTest = cls.from_parent(parent, name=name)
        item.tests, item.case, item.outcome = tests, case, None
        item.add_marker("rust_test")
        item.extra_keyword_matches.update({case.binary.package, case.binary.target})
        if case.is_ignored:
            item.add_marker("rust_ignored")
            if not tests.runs_ignored:
                item.add_marker(pytest.mark.skip(reason=case.why_ignored))
        return item

    @property
    def is_skipped(self) -> bool:
        """Whether it is not run at all."""
        return self.get_closest_marker("skip") is not None

    @property
    def may_run_ahead(self) -> bool:
        """Whether nothing but its turn decides that it runs."""
        return not any(self.get_closest_marker(name) for name in ("skip", "skipif", "xfail"))

    def runtest(self) -> None:
        """Run the test, together with those that will be asked for next."""
        self.outcome = None
        result = self.tests.result_of(self)
        self.outcome = outcome = self.tests.outcome_of(self.case, result)
        for name, text in (("stdout", outcome.stdout), ("stderr", outcome.stderr)):
            if text:
                self.add_report_section("call", name, text)
        if outcome.failure is not None:
            raise RustTestFailed(outcome.failure)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """Show what Rust said: no line of Python has anything to do with it."""
        if self.outcome is not None and isinstance(excinfo.value, RustTestFailed):
            return self._shown(self.outcome)
        if isinstance(excinfo.value, pytest.fail.Exception):
            # Of another plugin, as pytest-timeout: where it came upon the test is nothing to the user.
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def _shown(self, outcome: Outcome) -> Repr:
        message = outcome.failure or ""
        place, text = ReprFileLocation(self.nodeid.partition("::")[0], 0, message), message
        if outcome.panic is not None:
            file = self.tests.users_path(outcome.panic.file)
            place = ReprFileLocation(file, outcome.panic.line, message)
            text = outcome.panic.text.replace(f"{outcome.panic.file}:", f"{file}:", 1)
            if outcome.panic.message != message:
                text = f"{message}\n{text}"
        entry = ReprEntryNative([f"{text}\n"])
        return Repr(reprtraceback=ReprTraceback([entry], None, style="native"), reprcrash=place)

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """Return where the test is; only doctests have a known line."""
        name = self.nodeid.partition("::")[2]
        if not self.case.is_doctest:
            return self.path, 0, name
        place = place_of(self.case)
        return self.config.rootpath / self.tests.users_path(place.file), place.line - 1, name
