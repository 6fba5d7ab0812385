"""Tests of the fixtures beside plugins and options that many projects use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.pytest.conftest import PYTEST_INI, Project, lay_out
from tests.pytest.rust_workspace import manifest

if TYPE_CHECKING:
    from pathlib import Path

BOTH_KINDS = """
import pytest

async def test_coroutine(cached_rust_build):
    assert (await cached_rust_build.run("app")).stdout == "hello 1.2.3\\n"

def test_function(cached_rust_build):
    assert cached_rust_build.blocking.run("other").stdout == "other\\n"

@pytest.mark.parametrize("number", [3, 4])
class TestClass:
    def test_method(self, cached_rust_build, number):
        assert cached_rust_build.blocking.run("app", "exit", str(number)).exit_code == number
"""


@pytest.mark.parametrize(
    ("arguments", "passed"),
    [
        ("-n4 --dist=loadscope", 4),
        ("-n4 --dist=each", 16),
        ("--timeout=120 --timeout-method=thread", 4),
        ("--import-mode=importlib --cov=. --cov-branch", 4),
        ("--cov=. -n2", 4),
    ],
)
def test_tests_of_both_kinds_pass(project: Project, arguments: str, passed: int) -> None:
    """What is given on the command line changes nothing for the fixtures, and brings no warning."""
    project.pytest(*arguments.split(), both=BOTH_KINDS).assert_outcomes(passed=passed)


ANYIO = """
import anyio
import pytest

@pytest.fixture(params=["asyncio"])
def anyio_backend(request):
    return request.param

@pytest.mark.anyio
async def test_marked(cached_rust_build):
    outputs = []

    async def run(word):
        outputs.append((await cached_rust_build.run(word)).stdout)

    async with anyio.create_task_group() as group:
        for name in ("app", "other"):
            group.start_soon(run, name)
    assert sorted(outputs) == ["hello 1.2.3\\n", "other\\n"]

async def test_not_marked(cached_rust_build):
    assert (await cached_rust_build.run("other")).stdout == "other\\n"
"""


def test_anyio_runs_the_tests_that_are_marked_for_it(project: Project) -> None:
    """A test with anyio's marker stays anyio's, one without is run by pytest-asyncio."""
    project.pytest(anyio=ANYIO).assert_outcomes(passed=2)


HANGS = """
import pytest

@pytest.mark.timeout(3, func_only=True)
def test_function(cached_rust_build):
    cached_rust_build.blocking.run("app", "sleep", "100")

@pytest.mark.timeout(3, func_only=True)
async def test_coroutine(cached_rust_build):
    await cached_rust_build.run("app", "sleep", "100")

def test_after(cached_rust_build):
    assert cached_rust_build.blocking.run("other").stdout == "other\\n"
"""


def test_a_run_that_takes_too_long_is_ended_by_pytest_timeout(project: Project) -> None:
    """The test fails when its time is over, also while it waits for a program, and the next one passes."""
    result = project.pytest(hangs=HANGS)
    result.assert_outcomes(failed=2, passed=1)
    assert result.duration < 60
    # Releases of pytest-timeout differ in the brackets.
    result.stdout.re_match_lines(
        [r"FAILED .*test_function - Failed: Timeout.*", r"FAILED .*test_coroutine - Failed: Timeout.*"]
    )


LIBRARY = """\
#[test]
fn fails() { panic!("at {:?}", std::time::SystemTime::now()) }
#[test]
fn passes() {}
#[test]
fn passes_too() {}
"""

RERUN = """
times = []

async def test_coroutine(cached_rust_build):
    times.append(await cached_rust_build.run("words", "a", str(len(times))))
    assert times[-1].stdout == "a-1\\n"

def test_function(rust_build):
    times.append(rust_build.run("words", "b", str(len(times))))
    assert times[-1].stdout == "b-3\\n"
"""

MIXED = """
import random

async def test_coroutine(cached_rust_build):
    assert (await cached_rust_build.run("words", "one", "two")).stdout == "one-two\\n"

def test_function(rust_build):
    assert rust_build.run("words", str(random.random())).stdout
"""

SNAPSHOT = """
async def test_coroutine(cached_rust_build, snapshot):
    assert (await cached_rust_build.run("words", "one", "two")).stdout == snapshot

def test_function(rust_build, snapshot):
    assert rust_build.run("words", "three").stdout == snapshot
"""

# A line of this form ends with two spaces where it is empty.
SNAPSHOTS = """\
# serializer version: 1
# name: test_coroutine
  '''
  one-two
{}
  '''
# ---
# name: test_function
  '''
  four
{}
  '''
# ---
""".format("  ", "  ")

SCENARIOS = """\
Feature: Words
  Scenario Outline: Words are joined
    Given the words <first> and <second>
    When they are given to the program
    Then it prints <joined>

    Examples:
      | first | second | joined  |
      | one   | two    | one-two |
      | a     | b      | a-c     |
"""

STEPS = """
from pytest_bdd import given, parsers, scenarios, then, when

scenarios("words.feature")

@given(parsers.parse("the words {first} and {second}"), target_fixture="arguments")
def arguments(first, second):
    return [first, second]

@when("they are given to the program", target_fixture="result")
def result(rust_build, arguments):
    return rust_build.run("words", *arguments)

@then(parsers.parse("it prints {joined}"))
def printed(result, joined):
    assert result.stdout == joined + "\\n"
"""

SUBTESTS = """
async def test_coroutine(cached_rust_build, subtests):
    for name in ("one", "two", "three"):
        with subtests.test(name=name):
            assert (await cached_rust_build.run("words", name)).stdout != "two\\n"
"""

RERUNS_SHOWN = """
def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.stats.get("rerun", ()):
        terminalreporter.write_line(report.longreprtext)
"""


@pytest.fixture(scope="session")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with tests for each plugin, built once: its program joins its arguments."""
    files = {
        "pytest.ini": PYTEST_INI,
        "Cargo.toml": manifest("words"),
        "Cargo.lock": 'version = 4\n\n[[package]]\nname = "words"\nversion = "0.1.0"\n',
        "src/lib.rs": LIBRARY,
        "src/main.rs": 'fn main() { println!("{}", std::env::args().skip(1).collect::<Vec<_>>().join("-")) }\n',
        "rerun/conftest.py": RERUNS_SHOWN,
        "rerun/test_rerun.py": RERUN,
        "mixed/test_mixed.py": MIXED,
        "shown/test_snapshot.py": SNAPSHOT,
        "shown/__snapshots__/test_snapshot.ambr": SNAPSHOTS,
        "shown/test_steps.py": STEPS,
        "shown/words.feature": SCENARIOS,
        # Of pytest 9.
        **({"shown/test_subtests.py": SUBTESTS} if hasattr(pytest, "Subtests") else {}),
    }
    return lay_out(tmp_path_factory.mktemp("words"), files)


@pytest.fixture
def beside(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, words: Path) -> Project:
    """The workspace's folder, as the rootdir of pytest runs."""
    monkeypatch.chdir(words)
    return Project(pytester)


RUST = ("--dagger-rust-collect-rust-tests", "src/lib.rs")


def test_pytest_rerunfailures_runs_tests_again(beside: Project) -> None:
    """Coroutines, functions and Rust tests, which do not get the result they had."""
    result = beside.pytest("-p", "rerunfailures", "--reruns=1", *RUST, "rerun")
    assert result.parseoutcomes() == {"passed": 4, "failed": 1, "rerun": 3}
    assert len(set(re.findall(r"tv_nsec: \d+ }", result.stdout.str()))) == 2


def test_pytest_randomly_and_pytest_repeat(beside: Project) -> None:
    """Tests of all kinds in another order, and Python tests more than once."""
    plugins = ("-p", "randomly", "-p", "repeat", "-p", "no:rerunfailures")
    result = beside.pytest(*plugins, "--randomly-seed=1", "--count=2", "-v", *RUST, "mixed")
    result.assert_outcomes(passed=6, failed=1)
    ran = re.findall(r"^(?:src|mixed)\S+::(\w+)\S* (?:PASSED|FAILED)", result.stdout.str(), re.MULTILINE)
    assert len(ran) == 7
    assert ran != ["fails", "passes", "passes_too", *["test_coroutine"] * 2, *["test_function"] * 2]


def test_syrupy_pytest_bdd_and_subtests(beside: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails of each says how, and shows what the program printed; steps request the build while a test runs."""
    # By it syrupy takes any run for one of a worker's, and has no summary.
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    result = beside.pytest("-p", "syrupy", "-p", "pytest-bdd", "-rA", "shown")
    failed = re.findall(r"^(?:SUB)?FAILED.*::(\S+)", result.stdout.str(), re.MULTILINE)
    passed = re.findall(r"^PASSED .*::(\S+)", result.stdout.str(), re.MULTILINE)
    # Of the subtest, and of the test that has it.
    subtests = ["test_coroutine"] * 2 if hasattr(pytest, "Subtests") else []
    assert failed == ["test_function", "test_words_are_joined[a-b-a-c]", *subtests]
    assert passed == ["test_coroutine", "test_words_are_joined[one-two-one-two]"]
    result.stdout.fnmatch_lines(
        [
            "E  *- four",
            "-* run of words three -*",
            "-* run of words a b -*",
            "1 snapshot failed. 1 snapshot passed.",
        ]
    )
    if subtests:
        result.stdout.fnmatch_lines(["*name='two'*", "-* run of words two -*", "*contains 1 failed subtest"])
