"""Tests of how doctests' results are read from rustdoc's output."""

from __future__ import annotations

import time

import pytest

from pytest_dagger_rust.run.running import RunResult
from pytest_dagger_rust.rust_tests.build import RustTestBinary
from pytest_dagger_rust.rust_tests.cases import RustTestCase
from pytest_dagger_rust.rust_tests.doctests import read_doctest

BINARY = RustTestBinary("package", "target", "doc", "src/lib.rs", True, "", "/", {})
NAME = "src/lib.rs - double (line 3)"


def text(said: str) -> str:
    """Return the output of two failed doctests, of which the first one wrote something."""
    ended = f"test {NAME} ... FAILED\ntest src/lib.rs - other (line 9) ... FAILED\n"
    other = "---- src/lib.rs - other (line 9) stdout ----\nerror: of another\n"
    return f"{ended}\nfailures:\n\n---- {NAME} stdout ----\n{said}\n\n{other}\n\nfailures:\n    {NAME}\n"


def read(said: str) -> str | None:
    """Return why the first doctest failed."""
    result = RunResult(("rustdoc",), 101, text(said).encode(), b"", 1.0, None)
    return read_doctest(RustTestCase(BINARY, NAME), result, 60).failure


def test_each_doctest_has_its_own_message() -> None:
    """It ends where the next one's begins."""
    assert read("error[E0425]: cannot find value") == "error[E0425]: cannot find value"
    assert read("nothing that looks like an error") == "the doctest failed"


@pytest.mark.parametrize("file", ["src/lib.rs", "/t/rustdoctestAbc/doctest_bundle_2024.rs", "src/other.rs"])
def test_the_place_of_a_failure_is_the_doctests(file: str) -> None:
    """Whichever file of the user, of the library or of rustdoc panicked; the text says where that was."""
    said = f"thread 'main' (7) panicked at {file}:12:5:\nassertion failed"
    result = RunResult(("rustdoc",), 101, text(said).encode(), b"", 1.0, None)
    outcome = read_doctest(RustTestCase(BINARY, NAME), result, 60)
    assert outcome.failure == "assertion failed"
    assert outcome.panic is not None
    assert (outcome.panic.file, outcome.panic.line) == ("src/lib.rs", 3)
    assert f"{file}:12:5" in outcome.panic.text


def seconds(lines: int) -> float:
    """Return how long it takes to read a message of so many blank lines."""
    took: list[float] = []
    for _ in range(3):
        began = time.process_time()
        read("\n" * lines)
        took.append(time.process_time() - began)
    return min(took)


def test_long_messages_are_read_in_linear_time() -> None:
    """Four times as many blank lines take no more than eight times as long."""
    assert seconds(80_000) < 8 * seconds(20_000)
