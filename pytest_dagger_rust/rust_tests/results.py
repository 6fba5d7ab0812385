"""Results of Rust tests: run in batches when the first is requested, shared by all pytest-xdist workers."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_dagger_rust.builds.file_lock import file_lock
from pytest_dagger_rust.rust_tests.jobs import MOST_JOBS, Limits, read_result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_dagger_rust.run.running import RunResult
    from pytest_dagger_rust.rust_tests.jobs import Job

# Seconds after which a batch starts no more tests, so that their results do not all come at the end.
BUDGET = 5


@dataclass(frozen=True)
class Call:
    """How one test is run: its job, and whether no other may run beside it."""

    node_id: str
    job: Job
    is_alone: bool = False


@dataclass(frozen=True)
class Turn:
    """What limits the batch that is run when a test's turn has come.

    After `failures` failed tests no more are started, 0 meaning that none is held back. A batch lasts `budget`
    seconds; one that `puts_back` does not wait longer for slow tests, which are run by themselves in their turn.
    """

    failures: int = 0
    budget: float = BUDGET
    puts_back: bool = False


@dataclass(frozen=True)
class RustTestResults:
    """The results of this session, kept in `folder`: a file for each test, named by the digest of its node id.

    `run` runs jobs and returns the results of those that it came to, `parallel` at once. A result is taken once: a
    test that is run again, by a plugin for flaky ones, is really run again.
    """

    folder: Path
    timeout: float
    run: Callable[[Sequence[Job], Limits], Mapping[int, bytes]]
    parallel: int = 0
    # Tests that have been run, as far as is known here: a look at the disk costs more than all else.
    _known: set[str] = field(default_factory=set[str])

    def take(self, call: Call, ahead: Callable[[], Iterable[Call]], turn: Turn) -> RunResult:
        """Return the result of a test, and run it where it has none.

        `ahead` returns the tests of this session in the order in which they will be asked for: those without a
        result are run together with it.
        """
        try:
            result = self._batched(call, ahead, turn) or self._by_itself(call.job)
        finally:
            # Also where a timeout of pytest's ends the wait: no later batch runs it again.
            self._store(call.node_id, b"")
        return read_result(call.job, result)

    def _batched(self, call: Call, ahead: Callable[[], Iterable[Call]], turn: Turn) -> bytes | None:
        # A worker that has its result does not wait for the batch of another one.
        result = self._stored(call.node_id)
        if result is not None or self._slow(call.node_id).exists():
            return result
        with file_lock(self.folder / "lock"):
            result = self._stored(call.node_id)
            if result is None and not self._slow(call.node_id).exists():
                self._run_batch(call, ahead(), turn)
                result = self._stored(call.node_id)
        return result

    def _by_itself(self, job: Job) -> bytes:
        # Nobody waits for it but the one who has asked.
        return self.run([job], Limits(self.timeout, parallel=self.parallel)).get(0, b"")

    def _run_batch(self, call: Call, ahead: Iterable[Call], turn: Turn) -> None:
        names = self._batch(call, ahead)
        jobs = list(names)
        limits = Limits(
            self.timeout,
            turn.budget,
            turn.failures,
            parallel=1 if call.is_alone else self.parallel,
            puts_back=turn.puts_back and len(jobs) > 1,
        )
        for number, result in self.run(jobs, limits).items():
            for name in names[jobs[number]]:
                if result:
                    self._store(name, result)
                else:
                    self._slow(name).touch()

    def _batch(self, call: Call, ahead: Iterable[Call]) -> dict[Job, list[str]]:
        """Return the jobs of a batch with the tests that each has results for: all doctests of a library are one."""
        names: dict[Job, list[str]] = {call.job: [call.node_id]}
        for other in ahead:
            if other.node_id == call.node_id or other.is_alone != call.is_alone:
                continue
            if self._has_run(other.node_id):
                continue
            if len(names) == MOST_JOBS and other.job not in names:
                break
            names.setdefault(other.job, []).append(other.node_id)
        return names

    def _has_run(self, node_id: str) -> bool:
        if node_id not in self._known and (self._path(node_id).exists() or self._slow(node_id).exists()):
            self._known.add(node_id)
        return node_id in self._known

    def _stored(self, node_id: str) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            return self._path(node_id).read_bytes() or None
        return None

    def _store(self, node_id: str, result: bytes) -> None:
        # Readers see the whole file or none.
        path = self._path(node_id)
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(result)
        unfinished.replace(path)
        self._known.add(node_id)

    def _path(self, node_id: str) -> Path:
        return self.folder / hashlib.sha256(node_id.encode("utf-8", "surrogateescape")).hexdigest()

    def _slow(self, node_id: str) -> Path:
        """Return the file that is there for a test which a batch has not waited for."""
        return self._path(node_id).with_suffix(".slow")
