"""Runs of test binaries: many in one exec, each in a process of its own."""

from __future__ import annotations

import base64
import shlex
import signal
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_dagger_rust.builds.pipeline import VOLUME
from pytest_dagger_rust.container.scripts import script
from pytest_dagger_rust.run.running import RunResult
from pytest_dagger_rust.rust_tests.build import SOURCES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_dagger_rust.rust_tests.build import RustTestBinary, RustTestBuild

FOLDER = "/pytest-dagger-rust-tests"

# Bytes kept from the beginning, and from the end, of each output stream of a job; and the most jobs of an exec, so
# that all they can print fits one response of the engine.
OUTPUT_LIMIT = 64 * 1024
MOST_JOBS = 192


@dataclass(frozen=True)
class Job:
    """One call of a test binary."""

    binary: RustTestBinary
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """How long jobs may go on, in seconds, and with how many failures; 0 is without limit.

    `timeout` ends a single job. After `budget`, or `failures` failed jobs, no more are started.
    """

    timeout: float
    budget: int = 0
    failures: int = 0


async def run_jobs(
    build: RustTestBuild, jobs: Sequence[Job], limits: Limits, *, anew: bool
) -> dict[int, str]:
    """Run jobs at once; give by their place in `jobs` the results of those that ran, for `read_result`.

    With `anew` they really run, otherwise the engine may answer with the results of an equal call.
    """
    binaries = list(dict.fromkeys(id(job.binary) for job in jobs))
    functions = {id(job.binary): _function(binaries.index(id(job.binary)), job.binary) for job in jobs}
    lines = ("\t".join([str(binaries.index(id(job.binary))), *job.arguments]) for job in jobs)
    container = build.container
    if anew:
        container = container.with_env_variable("PYTEST_DAGGER_RUST_RUN", uuid.uuid4().hex)
    for name, text in (
        ("tests.sh", script("tests.sh")),
        ("binaries.sh", "".join(functions.values())),
        ("jobs", "".join(f"{line}\n" for line in lines)),
    ):
        container = container.with_new_file(f"{FOLDER}/{name}", text)
    numbers = (f"{limits.timeout:g}", str(OUTPUT_LIMIT), str(limits.budget), str(limits.failures))
    command = ["sh", f"{FOLDER}/tests.sh", "all", FOLDER, *numbers, VOLUME, SOURCES]
    text = await container.with_exec(command).file(f"{FOLDER}/results").contents()
    found = (line.partition(" ") for line in text.splitlines())
    return {int(number) - 1: result for number, _, result in found}


def _function(number: int, binary: RustTestBinary) -> str:
    environ = shlex.join(f"{name}={value}" for name, value in sorted(binary.env.items()))
    # timeout(1) is found by the new environment's PATH, as everything else is.
    run = f'exec env -i {environ} timeout -k 2 "$timeout" {shlex.join([binary.executable, *binary.arguments])} "$@"'
    return f"binary_{number}() {{\n cd {shlex.quote(binary.folder)} || exit 127\n {run}\n}}\n"


def read_result(job: Job, line: str) -> RunResult:
    """Read one of the results of `run_jobs`."""
    status, started, ended, stdout, stderr = line.split(" ")
    return RunResult(
        (job.binary.target, *job.arguments),
        int(status),
        base64.b64decode(stdout),
        base64.b64decode(stderr),
        float(ended) - float(started),
        _signal(int(status)),
    )


def _signal(status: int) -> str | None:
    # A shell tells a death by signal as an exit code of 128 and more.
    try:
        return signal.Signals(status - 128).name if status > 128 else None
    except ValueError:
        return None
