"""Tests of how Rust tests are run in batches and their results kept, with results that no engine has made."""

from __future__ import annotations

import fcntl
import functools
import threading
import time
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_dagger_rust.builds.file_lock import file_lock
from pytest_dagger_rust.container.frames import END, frame
from pytest_dagger_rust.errors import DaggerRustError
from pytest_dagger_rust.plugin.rust_order import Order
from pytest_dagger_rust.run import results as run_results
from pytest_dagger_rust.rust_tests.build import RustTestBinary
from pytest_dagger_rust.rust_tests.cases import RustTestCase
from pytest_dagger_rust.rust_tests.jobs import MOST_JOBS, Job, Limits
from pytest_dagger_rust.rust_tests.results import Call, RustTestResults, Turn

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

BINARY = RustTestBinary("package", "target", "lib", "src/lib.rs", True, "/t", "/", {})
LIBRARY = RustTestBinary("package", "target", "doc", "src/lib.rs", True, "/d", "/", {}, names=("a", "b"))


def result(status: str = "exited 0", stdout: bytes = b"") -> bytes:
    """Return a result as the agent writes it."""
    streams = [frame(kind, b"\0" * 16, data) for kind, data in ((b"o", stdout), (b"e", b""))]
    parts = [frame(b"s", status.encode()), frame(b"t", b"\0" * 8), *streams, frame(END)]
    return run_results.MAGIC + b"".join(parts)


class Session:
    """Tests in their order, and the batches in which they were run."""

    def __init__(
        self,
        folder: Path,
        cases: Mapping[str, RustTestCase],
        most: int = MOST_JOBS,
        *,
        alone: Collection[str] = (),
        slow: Collection[str] = (),
    ) -> None:
        self.cases = cases
        self.batches: list[list[Job]] = []
        self.limits: list[Limits] = []
        self._most = most
        self._slow = slow
        calls = {name: Call(name, case.job, name in alone) for name, case in cases.items()}
        self._calls = calls
        self._order = Order([(call, True) for call in calls.values()])
        self._results = RustTestResults(folder, 60.0, self.make, 3)

    def make(self, jobs: Sequence[Job], limits: Limits) -> Mapping[int, bytes]:
        """Return the results of a batch, as an engine would."""
        self.batches.append(list(jobs))
        self.limits.append(limits)
        return {
            number: b"" if self._is_put_back(job, limits) else result(stdout=str(job.arguments).encode())
            for number, job in enumerate(jobs[: self._most])
        }

    def _is_put_back(self, job: Job, limits: Limits) -> bool:
        return limits.puts_back and any(name in self._slow for name in job.arguments)

    def take(self, name: str, turn: Turn | None = None) -> str:
        """Return what a test has printed."""
        ahead = functools.partial(self._order.ahead_of, name)
        return self._results.take(self._calls[name], ahead, turn or Turn()).stdout


def cases(count: int) -> dict[str, RustTestCase]:
    """Return as many tests of one binary."""
    return {f"src/lib.rs::test_{number}": RustTestCase(BINARY, f"test_{number}") for number in range(count)}


def test_each_test_gets_its_own_result(tmp_path: Path) -> None:
    """Run in batches of no more than can be read back at once."""
    session = Session(tmp_path, cases(2 * MOST_JOBS + 10))
    for name, case in session.cases.items():
        assert session.take(name) == str(case.job.arguments)
    assert [len(batch) for batch in session.batches] == [MOST_JOBS, MOST_JOBS, 10]


def test_what_a_batch_did_not_come_to_is_in_the_next_one(tmp_path: Path) -> None:
    """Nothing is run twice."""
    session = Session(tmp_path, cases(10), most=4)
    for name in session.cases:
        session.take(name)
    assert [len(batch) for batch in session.batches] == [10, 6, 2]


def test_the_last_test_asks_for_those_before_it(tmp_path: Path) -> None:
    """A worker of pytest-xdist may begin anywhere."""
    session = Session(tmp_path, cases(5))
    session.take("src/lib.rs::test_3")
    arguments = [job.arguments[1] for job in session.batches[0]]
    assert arguments == ["test_3", "test_4", "test_0", "test_1", "test_2"]


def test_a_test_that_is_run_again_is_really_run_again(tmp_path: Path) -> None:
    """It alone."""
    session = Session(tmp_path, cases(3))
    for name in (*session.cases, "src/lib.rs::test_1"):
        session.take(name)
    assert [len(batch) for batch in session.batches] == [3, 1]


def test_doctests_of_a_library_are_one_job(tmp_path: Path) -> None:
    """Each of them has the same result."""
    session = Session(tmp_path, {name: RustTestCase(LIBRARY, name) for name in "ab"})
    assert [session.take(name) for name in "ab"] == ["()", "()"]
    assert len(session.batches) == 1


def test_a_stored_result_is_read_while_another_batch_runs(tmp_path: Path) -> None:
    """A worker does not wait for what it does not need."""
    session = Session(tmp_path, cases(3), most=2)
    session.take("src/lib.rs::test_0")
    with file_lock(tmp_path / "lock"):
        taken: list[str] = []
        thread = threading.Thread(
            target=lambda: taken.append(session.take("src/lib.rs::test_1")), daemon=True
        )
        thread.start()
        thread.join(5)
        assert taken == ["('--exact', 'test_1', '--nocapture')"]


def test_a_slow_test_is_run_by_itself_and_the_others_once(tmp_path: Path) -> None:
    """Where a batch must not wait for it, in its own turn and with nobody else waiting."""
    session = Session(tmp_path, cases(4), slow={"test_0", "test_2"})
    turn = Turn(puts_back=True)
    for name, case in session.cases.items():
        assert session.take(name, turn) == str(case.job.arguments)
    names = [[job.arguments[1] for job in batch] for batch in session.batches]
    assert names == [["test_0", "test_1", "test_2", "test_3"], ["test_0"], ["test_2"]]
    assert [limits.puts_back for limits in session.limits] == [True, False, False]


def test_a_slow_test_holds_no_lock(tmp_path: Path) -> None:
    """Another worker can run its batch meanwhile."""
    session = Session(tmp_path, cases(2), slow={"test_0"})
    results = cast("Any", session)._results
    run = session.make

    def check(jobs: Sequence[Job], limits: Limits) -> Mapping[int, bytes]:
        if not limits.puts_back:
            with (tmp_path / "lock").open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return run(jobs, limits)

    object.__setattr__(results, "run", check)
    session.take("src/lib.rs::test_0", Turn(puts_back=True))
    assert len(session.batches) == 2


def test_tests_that_are_alone_share_no_batch_with_others(tmp_path: Path) -> None:
    """And run one at a time."""
    names = {"src/lib.rs::test_1", "src/lib.rs::test_3"}
    session = Session(tmp_path, cases(4), alone=names)
    for name in session.cases:
        session.take(name)
    assert [[job.arguments[1] for job in batch] for batch in session.batches] == [
        ["test_0", "test_2"],
        ["test_1", "test_3"],
    ]
    assert [limits.parallel for limits in session.limits] == [3, 1]


def test_a_test_that_was_given_up_is_not_run_beside_later_ones(tmp_path: Path) -> None:
    """A timeout of pytest's ends the wait for it."""
    session = Session(tmp_path, cases(2))
    run, results = session.make, cast("Any", session)._results

    def gives_up(jobs: Sequence[Job], limits: Limits) -> Mapping[int, bytes]:
        if not session.batches:
            session.batches.append(list(jobs))
            raise TimeoutError
        return run(jobs, limits)

    object.__setattr__(results, "run", gives_up)
    with pytest.raises(TimeoutError):
        session.take("src/lib.rs::test_0")
    session.take("src/lib.rs::test_1")
    assert [len(batch) for batch in session.batches] == [2, 1]


def test_a_result_that_is_none_is_an_error(tmp_path: Path) -> None:
    """Of this package, in one sentence."""
    session = Session(tmp_path, cases(1), most=0)
    with pytest.raises(
        DaggerRustError, match=r"^The result of target cannot be read: it does not begin with "
    ):
        session.take("src/lib.rs::test_0")


@pytest.mark.timing
def test_four_times_the_tests_take_four_times_the_time(tmp_path: Path) -> None:
    """And not sixteen times; measured as a ratio, for machines differ."""

    def seconds(count: int) -> float:
        folder = tmp_path / f"{count}-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        session = Session(folder, cases(count))
        began = time.process_time()
        for name in session.cases:
            session.take(name)
        return time.process_time() - began

    seconds(100)
    small, large = (min(seconds(count) for _ in range(2)) for count in (500, 2000))
    assert large / small < 8, (small, large)
    assert large < 20
