"""Results of Rust tests: run in batches when the first is requested, shared by all pytest-xdist workers."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_dagger_rust.rust_tests.jobs import MOST_JOBS, Limits, read_result

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
    from pathlib import Path

    from pytest_dagger_rust.run.running import RunResult
    from pytest_dagger_rust.rust_tests.cases import RustTestCase
    from pytest_dagger_rust.rust_tests.jobs import Job

# Seconds after which a batch starts no more tests, so that their results do not all come at the end.
BUDGET = 5


@dataclass(frozen=True)
class RustTestResults:
    """The results of this session, kept in `folder`: a file for each test, named by the digest of its node id.

    `run` runs jobs and returns the results of those that it came to. A result is taken once: a test that is run
    again, by a plugin for flaky ones, is really run again.
    """

    folder: Path
    timeout: float
    run: Callable[[Sequence[Job], Limits], Mapping[int, bytes]]

    def take(
        self,
        node_id: str,
        case: RustTestCase,
        ahead: Callable[[], Iterable[tuple[str, RustTestCase]]],
        failures: int,
    ) -> RunResult:
        """Return the result of a test; run the test if there is none.

        `ahead` returns the tests of this session by node id in the order in which they will be asked for: those
        without a result are run together with it. After `failures` of them no more are started, 0 meaning that none
        is held back.
        """
        # A stored result is returned without waiting for another worker's batch.
        result = self._stored(node_id)
        if result is None:
            with self._locked():
                result = self._stored(node_id)
                if result is None:
                    self._run_batch(node_id, case, ahead(), failures)
                    result = self._stored(node_id) or b""
        self._store(node_id, b"")
        return read_result(case.job, result)

    def _run_batch(
        self, node_id: str, case: RustTestCase, ahead: Iterable[tuple[str, RustTestCase]], failures: int
    ) -> None:
        # All doctests of a library are one job.
        names: dict[Job, list[str]] = {case.job: [node_id]}
        for name, other in ahead:
            if name == node_id or self._path(name).exists():
                continue
            if len(names) == MOST_JOBS and other.job not in names:
                break
            names.setdefault(other.job, []).append(name)
        jobs = list(names)
        for number, result in self.run(jobs, Limits(self.timeout, BUDGET, failures)).items():
            for name in names[jobs[number]]:
                self._store(name, result)

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

    def _path(self, node_id: str) -> Path:
        return self.folder / hashlib.sha256(node_id.encode("utf-8", "surrogateescape")).hexdigest()

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        # The lock ends with the worker that holds it.
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
