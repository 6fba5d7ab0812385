"""Tests of errors inside a test: the message at the test's own line, without the frames behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.pytest.conftest import Project

CALLS = {
    "exit_code": 'run("app", "exit", "3", check=True)',
    "timeout": 'run("app", "sleep", "30", timeout=0.2)',
    "name": 'run("appp")',
}
TEST = """
def test_plain(cached_rust_build):
    cached_rust_build.blocking.{call}

async def test_async(cached_rust_build):
    await cached_rust_build.{call}
"""


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_failure_inside_a_test_is_one_message(project: Project, call: str) -> None:
    """A plain and an async test: the line of the test, the message, and nothing of this package or of anyio."""
    result = project.pytest("--show-capture=no", any=TEST.format(call=call))
    result.assert_outcomes(failed=2)
    text = result.stdout.str().partition("= FAILURES =")[2].partition("short test summary")[0]
    assert text.count(f"{call}\n") == 2
    for sign in ("pytest_dagger_rust/", "anyio", "asyncio/", "concurrent/"):
        assert sign not in text
    assert len(text.partition("= dagger-rust =")[0].splitlines()) < 40
    whole = project.pytest("--full-trace", "-k", "plain", "--show-capture=no", any=TEST.format(call=call))
    assert "pytest_dagger_rust/" in whole.stdout.str()
