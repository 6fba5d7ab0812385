"""Tests of how results are taken out of a container that has no engine: late, broken, or not at all."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import anyio
import dagger
import graphql
import pytest

from pytest_dagger_rust.errors import DaggerRustError
from pytest_dagger_rust.run import fetching, results

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_dagger_rust.run.results import AgentReport

pytestmark = pytest.mark.asyncio


class Executed:
    """A container whose file of results is what a test makes of it."""

    def __init__(self, make: Callable[[Path], object], seconds: float = 0) -> None:
        self._make = make
        self._seconds = seconds
        self.path = Path()

    def file(self, path: str) -> Executed:
        """Return itself for the one path that is asked for."""
        assert path == "/pytest-dagger-rust-result/result"
        return self

    async def export(self, path: str) -> None:
        """Make the file, a little later."""
        self.path = Path(path)
        await anyio.sleep(self._seconds)
        self._make(self.path)


async def fetch(executed: Executed, limit: float | None = None) -> AgentReport:
    """Take the results out."""
    container = cast("dagger.Container", executed)
    return await fetching.fetch(container, "app x", lambda path: results.read_file(path, 0), limit)


MAKERS: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(b"exited 0\nseconds 1\n"),
    "link": lambda path: path.symlink_to("/proc/self/environ"),
    "folder": lambda path: path.mkdir(),
    "nothing": lambda _: None,
}


@pytest.mark.parametrize("name", MAKERS)
async def test_what_is_no_result_is_one_error(name: str) -> None:
    """Of this package, with the command; nothing is left on the disk."""
    executed = Executed(MAKERS[name])
    with pytest.raises(
        DaggerRustError, match=r"^app x: the result of the run cannot be read: it .*\n  Run it again"
    ):
        await fetch(executed)
    assert not executed.path.parent.exists()


async def test_a_container_that_ended_early_is_told_with_its_last_words() -> None:
    """The exit code says what ended it."""
    said = {"cmd": ["agent"], "exitCode": 94, "stdout": "", "stderr": "a\nb\npytest-dagger-rust: no room\n"}
    answer = graphql.GraphQLError("exit code: 94", extensions={"_type": "EXEC_ERROR", **said})
    error = dagger.QueryError([cast("Any", answer)], cast("Any", SimpleNamespace(document=None)))
    assert isinstance(error, dagger.ExecError)

    def fail(_: Path) -> Any:
        raise error

    with pytest.raises(DaggerRustError) as told:
        await fetch(Executed(fail))
    first, _, *rest = str(told.value).splitlines()
    assert first == "app x: its container ended before the run was over: exit code 94."
    assert rest == ["  a", "  b", "  pytest-dagger-rust: no room"]


async def test_a_container_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the run has a time limit: the agent that keeps it may have been stopped."""
    monkeypatch.setattr(fetching, "ALLOWANCE", 0.1)
    with (
        anyio.fail_after(5),
        pytest.raises(DaggerRustError, match=r"^app x: its container did not end within 0\.1 s"),
    ):
        await fetch(Executed(lambda _: None, seconds=60), limit=0.1)
