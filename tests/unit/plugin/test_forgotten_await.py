"""A forgotten `await` or `.blocking` fails its test, in one sentence that says what to write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.pytest.terminal import FEWER_PLUGINS

if TYPE_CHECKING:
    import pytest

# A build of no engine: its calls are coroutines like those of the real one.
CONFTEST = """
import pytest
from pytest_dagger_rust.run.unawaited import watched

class Build:
    @watched
    async def run(self, name):
        return name

    @watched
    async def __call__(self):
        return self

@pytest.fixture
def build():
    return Build()
"""

TESTS = """
import asyncio
import pytest

def test_passes_without(build):
    build.run("app")

def test_takes_it_for_a_result(build):
    assert build.run("app").stdout == ""

def test_calls_the_factory(build):
    build()

@pytest.mark.asyncio
async def test_coroutine(build):
    build.run("app")

def test_runs_a_loop(build):
    assert asyncio.run(build.run("app")) == "app"

@pytest.mark.asyncio
async def test_awaits(build):
    assert await build.run("app") == "app"

def test_fails_for_itself(build):
    build.run("app")
    assert 1 == 2
"""


def test_a_forgotten_await_is_an_error_that_says_what_to_write(pytester: pytest.Pytester) -> None:
    """The test would pass with a warning, or fail with words about coroutines."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_it=TESTS)
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    result = pytester.runpytest_subprocess(*FEWER_PLUGINS, "-q")
    result.assert_outcomes(failed=5, passed=2)
    sentence = "did nothing, because it was not awaited:"
    factory = "cached_rust_build_factory"
    plain = "in a plain test, write `rust_build.run(...)`, or `.blocking.run(...)` on any other build."
    result.stdout.fnmatch_lines(
        [
            "*_ test_passes_without _*",
            f"test_it.py:5: run(...) {sentence} {plain}",
            "*_ test_takes_it_for_a_result _*",
            f"test_it.py:8: run(...) {sentence} {plain}",
            "*_ test_calls_the_factory _*",
            f"test_it.py:11: {factory}(...) {sentence} in a plain test, write `{factory}.blocking(...)`.",
            "*_ test_coroutine _*",
            f"test_it.py:15: run(...) {sentence} write `await` in front of it.",
            "*_ test_fails_for_itself _*",
            "E       assert 1 == 2",
        ]
    )
    result.stdout.no_fnmatch_line("*another exception*")
    result.stdout.no_fnmatch_line("*was never awaited*")
    result.stdout.no_fnmatch_line("*unawaited.py*")
