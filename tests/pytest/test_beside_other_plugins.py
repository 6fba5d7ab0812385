"""Tests of the fixtures beside plugins and options that many projects use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.pytest.conftest import Project

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
