"""The order in which Rust tests are asked for, and how each of them is called."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pytest_dagger_rust.plugin.rust_items import RustTest
from pytest_dagger_rust.rust_tests.cases import binary_job
from pytest_dagger_rust.rust_tests.results import Call

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    import pytest

    from pytest_dagger_rust.rust_tests.build import RustTestBinary
    from pytest_dagger_rust.rust_tests.cases import RustTestCase
    from pytest_dagger_rust.rust_tests.jobs import Job


class Order:
    """The tests that may be run before their turn, in the order in which they will be asked for."""

    def __init__(self, calls: Sequence[tuple[Call, bool]] = ()) -> None:
        self._calls = calls
        self._places = {call.node_id: place for place, (call, _) in enumerate(calls)}

    def call(self, node_id: str) -> Call | None:
        """Return how a test is called; None where it is not one of these."""
        place = self._places.get(node_id)
        return None if place is None else self._calls[place][0]

    def ahead_of(self, node_id: str) -> Iterator[Call]:
        """Yield the tests behind one, and then those before it; the last one of a session asks for the others."""
        place = self._places.get(node_id)
        if place is None:
            return
        for part in (range(place, len(self._calls)), range(place)):
            for number in part:
                call, may_run_ahead = self._calls[number]
                if may_run_ahead:
                    yield call


class Rules:
    """What settings, markers and dependencies say of how tests are run."""

    def __init__(self, *, by_binary: bool, alone: Sequence[str], serial: Collection[str]) -> None:
        self._by_binary = by_binary
        self._patterns = alone
        # In a process that they share, such tests take care of themselves.
        self._serial: frozenset[str] = frozenset(() if by_binary else serial)

    def order_of(self, items: Iterable[pytest.Item]) -> Order:
        """Return the order of a session's items."""
        tests = [item for item in items if isinstance(item, RustTest)]
        jobs = self._jobs(test.case for test in tests if not test.is_skipped)
        calls = [
            (Call(test.nodeid, jobs.get(test.case.binary, test.case.job), self._is_alone(test)), test)
            for test in tests
        ]
        alone = {call.job for call, _ in calls if call.is_alone}
        return Order([
            (Call(call.node_id, call.job, call.job in alone), test.may_run_ahead) for call, test in calls
        ])  # fmt: skip

    def _jobs(self, cases: Iterable[RustTestCase]) -> Mapping[RustTestBinary, Job]:
        if not self._by_binary:
            return {}
        together: dict[RustTestBinary, list[RustTestCase]] = {}
        for case in cases:
            if case.name is not None and not case.is_doctest:
                together.setdefault(case.binary, []).append(case)
        return {binary: binary_job(some) for binary, some in together.items()}

    def _is_alone(self, test: RustTest) -> bool:
        return (
            test.case.binary.package in self._serial
            or test.get_closest_marker("rust_alone") is not None
            or any(fnmatchcase(test.nodeid, pattern) for pattern in self._patterns)
        )
