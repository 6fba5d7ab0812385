"""Runs test binaries: many in one container, each in a process of its own."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_dagger_rust.container import agent
from pytest_dagger_rust.container.frames import FrameError
from pytest_dagger_rust.errors import DaggerRustError
from pytest_dagger_rust.run.fetching import fetch
from pytest_dagger_rust.run.results import Status, open_exported
from pytest_dagger_rust.run.running import RunResult
from pytest_dagger_rust.rust_tests import job_files
from pytest_dagger_rust.rust_tests.job_files import Call, Program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_dagger_rust.run.results import AgentReport, Stream
    from pytest_dagger_rust.rust_tests.build import RustTestBinary, RustTestBuild
    from pytest_dagger_rust.rust_tests.written_back import WrittenBack

JOBS = "/pytest-dagger-rust-jobs"

# Bytes kept from the beginning, and from the end, of each output stream of a job; and the most jobs of an exec, so
# that all they can print fits into memory.
OUTPUT_LIMIT = 64 * 1024
MOST_JOBS = 192


@dataclass(frozen=True)
class Job:
    """One call of a test binary."""

    binary: RustTestBinary
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """How long jobs may take, in seconds, and how many may fail; 0 means no limit.

    `timeout` ends a single job. After `budget`, or `failures` failed jobs, no more are started; with `puts_back`, what
    is still running then is ended and has an empty result, once there is any other. Of each output stream of a job
    the first and the last `output` bytes are kept. `parallel` jobs run at once, 0 meaning as many as processors.
    """

    timeout: float
    budget: float = 0
    failures: int = 0
    output: int = OUTPUT_LIMIT
    parallel: int = 0
    puts_back: bool = False


async def run_jobs(
    build: RustTestBuild, jobs: Sequence[Job], limits: Limits, *, anew: bool, back: WrittenBack | None = None
) -> dict[int, bytes]:
    """Run jobs at once; return by their place in `jobs` the results of those that ran, for `read_result`.

    With `anew` they really run, otherwise the engine may answer with the results of an equal call. `back` takes the
    files that they write.

    Raises DaggerRustError where there are no results, or none that can be read.
    """
    container = build.container
    if anew:
        container = container.with_env_variable("PYTEST_DAGGER_RUST_RUN", uuid.uuid4().hex)
    container = container.with_mounted_file(JOBS, build.inputs.file(_job_file(jobs)))

    def read(path: Path) -> dict[int, bytes]:
        with open_exported(path) as file:
            return job_files.split(file, os.fstat(file.fileno()).st_size, len(jobs), back)

    command = _command(limits, build.root, back.patterns if back else ())
    return await fetch(container.with_exec(command), "the workspace's Rust tests", read)


def _job_file(jobs: Sequence[Job]) -> bytes:
    numbers: dict[int, int] = {}
    programs: list[Program] = []
    for job in jobs:
        if numbers.setdefault(id(job.binary), len(programs)) == len(programs):
            binary = job.binary
            programs.append(Program(binary.folder, binary.env, (binary.executable, *binary.arguments)))
    return job_files.write(programs, [Call(numbers[id(job.binary)], job.arguments) for job in jobs])


def _command(limits: Limits, root: str, outputs: Sequence[str]) -> list[str]:
    return agent.command(
        "tests",
        (),
        jobs=JOBS,
        result=agent.RESULT,
        limit=limits.output,
        timeout=f"{limits.timeout:g}",
        budget=f"{limits.budget:g}",
        failures=limits.failures,
        parallel=limits.parallel,
        slow="end" if limits.puts_back else None,
        root=root if outputs else None,
        output=list(outputs),
    )


def read_result(job: Job, result: bytes) -> RunResult:
    """Read one of the results of `run_jobs`.

    Raises DaggerRustError for one that the agent cannot have written.
    """
    try:
        return _read_result(job, job_files.read(result))
    except FrameError as error:
        msg = f"The result of {job.binary.target} cannot be read: {error}."
        raise DaggerRustError(msg) from None


def _read_result(job: Job, report: AgentReport) -> RunResult:
    status = report.status or Status(127)
    stderr = _joined(report.stderr)
    if report.not_started is not None:
        stderr = f"{job.binary.executable} could not be started: {report.not_started}\n".encode()
    if report.is_lost:
        stderr = b"pytest-dagger-rust: the process that watched this test was killed\n"
    return RunResult(
        (job.binary.target, *job.arguments),
        status.exit_code,
        _joined(report.stdout),
        stderr,
        report.seconds,
        status.signal,
        timed_out=report.timed_out,
    )


def _joined(stream: Stream) -> bytes:
    """Return what was kept of a stream, with a line where something is missing."""
    if not stream.dropped:
        return stream.data
    gap = f"\n... (pytest-dagger-rust: {stream.dropped} bytes were dropped here)\n".encode()
    return stream.data[: stream.cut] + gap + stream.data[stream.cut :]
