"""Tests of how a test's outcome is read from what its process did."""

from __future__ import annotations

import pytest

from pytest_dagger_rust.run.running import RunResult
from pytest_dagger_rust.rust_tests.build import RustTestBinary
from pytest_dagger_rust.rust_tests.cases import RustTestCase, binary_job, name_parts
from pytest_dagger_rust.rust_tests.output import read_outcome, read_shared_outcome

BINARY = RustTestBinary("package", "target", "lib", "src/lib.rs", True, "/t", "/", {})
CASE = RustTestCase(BINARY, "deep::works")
HARNESS = "\nrunning 1 test\ntest deep::works ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored\n\n"


def ended(stdout: str, exit_code: int = 0, signal: str | None = None, stderr: str = "") -> RunResult:
    """Return what a process did."""
    return RunResult(("t",), exit_code, stdout.encode(), stderr.encode(), 1.0, signal)


@pytest.mark.parametrize(
    "stdout",
    [HARNESS, HARNESS + "allocation site\n" * 1000, "\nrunning 1 test\ntest deep::works ... ", ""],
    ids=["as usual", "printed at exit", "closed in the test", "closed at once"],
)
def test_the_exit_code_decides(stdout: str) -> None:
    """Whatever is or is not on standard output."""
    assert read_outcome(CASE, ended(stdout), 60).failure is None
    assert read_outcome(CASE, ended(stdout, 101), 60).failure is not None


def test_a_test_that_the_binary_does_not_know_has_not_passed() -> None:
    """The harness ends with exit code 0 where its filter matches none."""
    outcome = read_outcome(CASE, ended("\nrunning 0 tests\n\ntest result: ok. 0 passed; 0 failed\n"), 60)
    assert outcome.failure == "the test binary has no test deep::works any more"


SHARED = """
running 4 tests
test deep::works ... ok
test panics - should panic ... ok
test fails ... FAILED
test says_no ... FAILED

failures:

---- fails stdout ----
printed by fails

thread 'fails' (7) panicked at src/lib.rs:3:5:
not this one
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace

---- says_no stdout ----
Error: "no"

failures:
    fails
    says_no

test result: FAILED. 2 passed; 2 failed; 0 ignored
"""


def test_tests_of_one_process_are_told_apart() -> None:
    """Each has its own outcome, its own output, and its share of the time."""
    result = ended(SHARED, 101)

    def read(name: str) -> tuple[str | None, str]:
        outcome = read_shared_outcome(RustTestCase(BINARY, name), result, 60)
        assert outcome.seconds == 0.25
        return outcome.failure, outcome.stdout

    assert read("deep::works") == (None, "")
    assert read("panics") == (None, "")
    assert read("fails") == ("not this one", "printed by fails")
    assert read("says_no") == ('Error: "no"', 'Error: "no"')


def test_those_that_a_process_did_not_come_to_fail() -> None:
    """With what ended it; those that had passed by then have passed."""
    result = ended("\nrunning 2 tests\ntest deep::works ... ok\n", 134, "SIGABRT")
    assert read_shared_outcome(CASE, result, 60).failure is None
    assert read_shared_outcome(RustTestCase(BINARY, "other"), result, 60).failure == "died of SIGABRT"


def test_a_binary_is_called_with_the_names_of_its_selected_tests() -> None:
    """Ignored ones run where they were asked for."""
    assert binary_job([CASE]).arguments == ("--exact", "deep::works")
    ignored = RustTestCase(BINARY, "left_out", is_ignored=True)
    assert binary_job([CASE, ignored]).arguments == (
        "--exact",
        "deep::works",
        "left_out",
        "--include-ignored",
    )


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("plain", ("plain",)),
        ("a::b", ("a", "b")),
        ("a::Wrapper<[u8]>::b (line 3)", ("a", "Wrapper<[u8]>::b (line 3)")),
        ("r#match", ("r#match",)),
    ],
)
def test_a_name_is_taken_apart_as_pytest_does(name: str, parts: tuple[str, ...]) -> None:
    """Or its own id would not select a test."""
    assert name_parts(name) == parts
