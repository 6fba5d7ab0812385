"""Results of Rust tests: run in batches when the first one is asked for, shared by all workers of pytest-xdist."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_dagger_rust.rust_tests.jobs import MOST_JOBS, Limits, read_result, run_jobs

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from pytest_dagger_rust.engine.engine import Engine
    from pytest_dagger_rust.run.running import RunResult
    from pytest_dagger_rust.rust_tests.build import RustTestBuild
    from pytest_dagger_rust.rust_tests.cases import RustTestCase
    from pytest_dagger_rust.rust_tests.jobs import Job

# Seconds after which a batch starts no more tests, so that their results do not all come at the end.
BUDGET = 5


@dataclass(frozen=True)
class RustTestResults:
    """What has been run in this session, kept in `folder`: a file for each test, by the digest of its node id.

    A result is taken once. A test that is run again, by a plugin for flaky ones, is really run again.
    """

    folder: Path
    engine: Engine
    build: RustTestBuild
    timeout: float

    def take(self, node_id: str, wanted: Mapping[str, RustTestCase], failures: int) -> RunResult:
        """Return the result of a test, and run it where it has none.

        `wanted` are all tests of this session by node id, this one included, in the order they will be asked for:
        those without a result are run together with it. After `failures` of them no more are started, 0 meaning
        that none is held back.
        """
        with self._locked():
            line = self._stored(node_id)
            if line is None:
                self._run({node_id: wanted[node_id], **self._not_run(wanted)}, failures)
                line = self._stored(node_id) or ""
            self._path(node_id).write_text("")
        return read_result(wanted[node_id].job, line)

    def _not_run(self, wanted: Mapping[str, RustTestCase]) -> dict[str, RustTestCase]:
        return {name: case for name, case in wanted.items() if not self._path(name).exists()}

    def _run(self, cases: Mapping[str, RustTestCase], failures: int) -> None:
        # All doctests of a library are one job.
        names: dict[Job, list[str]] = {}
        for name, case in cases.items():
            names.setdefault(case.job, []).append(name)
        jobs = list(names)[:MOST_JOBS]
        limits = Limits(self.timeout, BUDGET, failures)

        async def run() -> dict[int, str]:
            return await run_jobs(self.build, jobs, limits, anew=True)

        for number, line in self.engine.call(run).items():
            for name in names[jobs[number]]:
                self._path(name).write_text(line)

    def _stored(self, node_id: str) -> str | None:
        path = self._path(node_id)
        return (path.read_text() or None) if path.exists() else None

    def _path(self, node_id: str) -> Path:
        return self.folder / hashlib.sha256(node_id.encode()).hexdigest()

    @contextlib.contextmanager
    def _locked(self) -> Generator[None]:
        # Whatever happens to the worker that runs a batch, the lock goes with it.
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
