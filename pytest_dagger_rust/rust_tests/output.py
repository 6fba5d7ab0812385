"""The result of one Rust test, split for a report: its own output, its panic, the harness's message."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_dagger_rust.run.running import RunResult
    from pytest_dagger_rust.rust_tests.cases import RustTestCase

_PANIC = re.compile(
    r"^(?:thread '.*?'(?: \(\d+\))? panicked at )(?:'(?P<old>.*)', )?(?P<file>[^\n']+?):(?P<line>\d+):\d+:?$",
    re.MULTILINE,
)
_ERROR = re.compile(r"^Error: .*", re.MULTILINE)
_NOTE = re.compile(r"\n?note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n")
_NONE = re.compile(r"\A\nrunning 0 tests\n")
_BEGIN = re.compile(r"\A\nrunning 1 test\n")
_END = re.compile(
    r"(?:test \S+(?: - should panic)? \.\.\. )?(?:ok|FAILED)\n(?=\n(?:failures:|test result: ))"
)
_ENDED = re.compile(r"^test \S+(?: - should panic)? \.\.\. (?:ok|FAILED)$", re.MULTILINE)
_MESSAGE = re.compile(r"---- \S+ stdout ----\n(?P<text>(?:.*\n)*?)\n*failures:\n")


@dataclass(frozen=True)
class Panic:
    """A panic's message, the whole text of it, and its place; `file` is the compiler's path."""

    message: str
    text: str
    file: str
    line: int


@dataclass(frozen=True)
class Outcome:
    """How a test ended: `failure` is one line, None if the test passed."""

    failure: str | None
    stdout: str
    stderr: str
    panic: Panic | None = None
    seconds: float = 0.0


def read_outcome(case: RustTestCase, result: RunResult, timeout: float) -> Outcome:
    """Split a result; `timeout` is the test's, in seconds."""
    failure = _failure(case, result, timeout)
    stdout, message = _without_harness(case, result.stdout)
    if failure is None:
        return Outcome(None, stdout, result.stderr, None, result.seconds)
    stderr, panic = panic_of(result.stderr)
    if result.exit_code == 101 and (message or panic):
        failure = message or (panic.message if panic else "")
    elif result.exit_code == 101 and (error := _ERROR.search(stderr)):
        failure, stderr = error[0], _ERROR.sub("", stderr)
    return Outcome(failure, stdout, stderr.strip("\n"), panic, result.seconds)


def _failure(case: RustTestCase, result: RunResult, timeout: float) -> str | None:
    if result.timed_out:
        return f"timed out after {timeout:g} s (dagger_rust_test_timeout)"
    if result.signal:
        return f"died of {result.signal}"
    if result.exit_code == 0:
        # The exit code decides, as with cargo: what is printed after the harness's last line, or nowhere at all
        # because standard output was closed, says nothing.
        is_missing = case.name is not None and _NONE.match(result.stdout)
        return f"the test binary has no test {case.name} any more" if is_missing else None
    return "failed" if result.exit_code == 101 else f"exited with {result.exit_code} before the test finished"


def _without_harness(case: RustTestCase, stdout: str) -> tuple[str, str]:
    """Return what the test itself printed, and the harness's message about its failure."""
    if case.name is None:
        return stdout, ""
    text = _BEGIN.sub("", stdout)
    text = text.removeprefix(f"test {case.name} ... ").removeprefix(f"test {case.name} - should panic ... ")
    ends = list(_END.finditer(text))
    if not ends:
        return text, ""
    message = _MESSAGE.search(text, ends[-1].end())
    return text[: ends[-1].start()], message["text"].strip() if message else ""


def read_shared_outcome(case: RustTestCase, result: RunResult, timeout: float) -> Outcome:
    """Find one test in the output of a process that has run several; each has an equal share of its time."""
    name, text = re.escape(case.name or ""), result.stdout
    ended = re.search(rf"^test {name}(?: - should panic)? \.\.\. (?:.*\n)??(ok|FAILED)$", text, re.MULTILINE)
    seconds = result.seconds / max(1, len(_ENDED.findall(text)))
    if ended is None:
        failure = _failure(case, result, timeout) or "its process ended before it was over"
        stderr, panic = panic_of(result.stderr)
        return Outcome(failure, text, stderr, panic, seconds)
    if ended[1] == "ok":
        return Outcome(None, "", "", None, seconds)
    told = re.search(
        rf"^---- {name} stdout ----\n((?:.*\n)*?)(?=---- .* stdout ----$|\n*failures:$)", text, re.MULTILINE
    )
    before, panic = panic_of(told[1] if told else "")
    error = _ERROR.search(before)
    last = before.strip().rpartition("\n")[2]
    failure = panic.message if panic else error[0] if error else last or "failed"
    return Outcome(failure, before.strip("\n"), "", panic, seconds)


def panic_of(stderr: str) -> tuple[str, Panic | None]:
    """Return the text before the last panic of a test's output, and the panic with all that follows."""
    panics = list(_PANIC.finditer(stderr))
    if not panics:
        return stderr, None
    found = panics[-1]
    text = _NOTE.sub("\n", stderr[found.start() :]).strip("\n")
    message = found["old"] or text.partition("\n")[2].partition("\n")[0]
    return stderr[: found.start()], Panic(message, text, found["file"], int(found["line"]))
