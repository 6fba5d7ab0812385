"""The tests of test binaries, as the binaries list them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.errors import DaggerRustError
from pytest_dagger_rust.rust_tests.build import listed_names
from pytest_dagger_rust.rust_tests.jobs import MOST_JOBS, Job, Limits, read_result, run_jobs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_dagger_rust.engine.engine import Engine
    from pytest_dagger_rust.run.running import RunResult
    from pytest_dagger_rust.rust_tests.build import RustTestBinary, RustTestBuild

# Bytes that the names of one binary's tests may take.
_LIST_LIMIT = 16 * 1024 * 1024

_LIST = ("--list", "--format", "terse")
_IGNORED = re.compile(r"test (?P<name>\S+)(?: - .*)? \.\.\. ignored(?:, (?P<reason>.*))?")


@dataclass(frozen=True)
class RustTestCase:
    """One `#[test]` or doctest, or a whole test binary that has a `main` of its own: then `name` is None.

    `reason` is what stands in `#[ignore = "..."]`, where something stands there.
    """

    binary: RustTestBinary
    name: str | None
    is_ignored: bool = False
    reason: str | None = None

    @property
    def is_doctest(self) -> bool:
        """Whether rustdoc runs it."""
        return self.binary.kind == "doc"

    @property
    def why_ignored(self) -> str:
        """The attribute that ignores the test, as in the source."""
        if self.is_doctest:
            return "```ignore"
        return f'#[ignore = "{self.reason}"]' if self.reason else "#[ignore]"

    @property
    def job(self) -> Job:
        """The call of the binary that runs this test and no other; of a library's doctests it runs all."""
        if self.name is None:
            return Job(self.binary)
        if self.is_doctest:
            return Job(self.binary, ("--test-args", "--ignored") if self.is_ignored else ())
        ignored = ("--ignored",) if self.is_ignored else ()
        return Job(self.binary, ("--exact", self.name, "--nocapture", *ignored))


def binary_job(cases: Sequence[RustTestCase]) -> Job:
    """Return the call of a binary that runs these tests of it in one process."""
    names = [case.name for case in cases if case.name is not None]
    ignored = ("--include-ignored",) if any(case.is_ignored for case in cases) else ()
    return Job(cases[0].binary, ("--exact", *names, *ignored))


def name_parts(name: str) -> tuple[str, ...]:
    """Return a name's parts as pytest takes a node id apart: what follows a bracket is one."""
    before, bracket, rest = name.partition("[")
    *modules, last = before.split("::")
    return (*modules, f"{last}{bracket}{rest}")


class ListingError(DaggerRustError):
    """A test binary does not list its tests."""

    def __init__(self, binary: RustTestBinary, result: RunResult) -> None:
        hint = "If it has a main function of its own, its target needs `harness = false` in Cargo.toml."
        super().__init__(f"{binary.src_path} does not list its tests.\n  {hint}\n\n{result.summary()}")


Listing: TypeAlias = "list[RustTestCase] | ListingError"


@dataclass(frozen=True)
class ListedTests:
    """All tests of a build, and the engine they can be run on."""

    engine: Engine
    build: RustTestBuild
    listing: Mapping[RustTestBinary, Listing]


async def list_tests(build: RustTestBuild, timeout: float) -> dict[RustTestBinary, Listing]:
    """List the tests of each binary, in its order; `timeout` is in seconds, for each.

    A binary that cannot answer has an error in place of its tests. The engine answers again what it has answered
    for the very same binaries before.
    """
    harnesses = [binary for binary in build.binaries if binary.harness and binary.kind != "doc"]
    jobs = [Job(binary, (*_LIST, *more)) for binary in harnesses for more in ((), ("--ignored",))]
    answers = await _ask(build, jobs, timeout)
    listed = dict(zip(harnesses, zip(answers[::2], answers[1::2], strict=True), strict=True))
    reasons = await _reasons(
        build, {binary: listed_names(ignored.stdout) for binary, (_, ignored) in listed.items()}, timeout
    )
    return {
        binary: _listing(binary, *listed[binary], reasons.get(binary, {}))
        if binary in listed
        else [RustTestCase(binary, name, name in binary.ignored) for name in binary.names or (None,)]
        for binary in build.binaries
    }


def _listing(
    binary: RustTestBinary, everything: RunResult, ignored: RunResult, reasons: dict[str, str | None]
) -> Listing:
    for result in (everything, ignored):
        if result.exit_code != 0:
            return ListingError(binary, result)
    left_out = set(listed_names(ignored.stdout))
    return [
        RustTestCase(binary, name, name in left_out, reasons.get(name))
        for name in listed_names(everything.stdout)
    ]


async def _reasons(
    build: RustTestBuild, ignored: dict[RustTestBinary, list[str]], timeout: float
) -> dict[RustTestBinary, dict[str, str | None]]:
    # A harness prints the reason only when it skips an ignored test, so run the ignored ones without --ignored.
    jobs = [Job(binary, ("--exact", *names)) for binary, names in ignored.items() if names]
    answers = await _ask(build, jobs, timeout)
    return {job.binary: _reasons_in(result) for job, result in zip(jobs, answers, strict=True)}


async def _ask(build: RustTestBuild, jobs: list[Job], timeout: float) -> list[RunResult]:
    answers: list[RunResult] = []
    for start in range(0, len(jobs), MOST_JOBS):
        some = jobs[start : start + MOST_JOBS]
        found = await run_jobs(build, some, Limits(timeout, output=_LIST_LIMIT), anew=False)
        answers += [read_result(job, found[number]) for number, job in enumerate(some)]
    return answers


def _reasons_in(result: RunResult) -> dict[str, str | None]:
    found = (_IGNORED.fullmatch(line) for line in lines_of(result.stdout))
    return {match["name"]: match["reason"] for match in found if match}
