"""Tests of what a failed query is raised as: the one place that all uses of the client go through."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import dagger
import graphql
import httpx
import pytest
from gql.transport import exceptions

from pytest_dagger_rust.engine import marker
from pytest_dagger_rust.engine.any_loop import AnyLoopSession
from pytest_dagger_rust.engine.plain import without_trace
from pytest_dagger_rust.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_dagger_rust import Engine

TRACE = " [traceparent:5a4e0df6ed10490c8983b8f0121bde2b-63393cefb244c604]"


class Failing:
    """An engine, and the SDK's session with it, in which every query fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def acall(self, function: Callable[..., Any], *args: object) -> Any:
        """Call the function here."""
        return await function(*args)

    async def execute(self, query: object) -> Any:
        """Fail."""
        raise self.error


def raised_for(error: Exception) -> Exception:
    """Return what a query raises in place of an error of the transport."""
    failing = Failing(error)
    session = AnyLoopSession(cast("Engine", failing), failing)
    with pytest.raises(Exception) as found:  # noqa: PT011 - whichever it is
        asyncio.run(session.execute("query"))
    return found.value


def failed(cause: Exception, text: str = "") -> exceptions.TransportConnectionFailed:
    """Return the transport's error for a request that got no answer."""
    error = exceptions.TransportConnectionFailed(text)
    error.__cause__ = cause
    return error


LOST = [
    (
        failed(httpx.ConnectError("All connection attempts failed"), "All connection attempts failed"),
        "All connection",
    ),
    (failed(httpx.ReadTimeout("")), "ReadTimeout"),
    (
        exceptions.TransportServerError("502, message='Bad Gateway'" + TRACE + "\nFor more: https://x", 502),
        "502, message='Bad Gateway'\n  Run",
    ),
    (exceptions.TransportProtocolError("no JSON"), "no JSON"),
    (exceptions.TransportClosed("Transport is not connected"), "Transport is not connected"),
]


@pytest.mark.parametrize(("error", "reason"), LOST, ids=[type(error).__name__ for error, _ in LOST])
def test_an_engine_that_is_lost(error: Exception, reason: str) -> None:
    """A query that gets no answer is an EngineUnavailable with the reason and what to do, and no traceback of the SDK's."""
    found = raised_for(error)
    assert isinstance(found, EngineUnavailable)
    assert type(found).__name__ == "EngineUnavailable"
    assert str(found).startswith(f"The connection to the Dagger engine was lost: {reason}")
    assert "Run the tests again once it is back" in str(found)
    assert "traceparent" not in str(found)
    assert found.__suppress_context__


def test_an_answer_that_is_an_error() -> None:
    """The SDK makes its own error of it, without the ids of spans."""
    errors: list[dict[str, object]] = [{"message": "not found" + TRACE}, {"message": None}]
    error = exceptions.TransportQueryError("failed", errors=cast("Any", errors))
    assert raised_for(error) is error
    assert errors[0]["message"] == "not found"


def test_other_errors_stay() -> None:
    """What is wrong with a query is no lost engine."""
    error = ValueError("no query")
    assert raised_for(error) is error


@pytest.mark.parametrize(
    ("text", "plain"),
    [("a" + TRACE, "a"), (f"a{TRACE}\nb{TRACE}", "a\nb"), ("[trace]", "[trace]"), ("", ""), (TRACE, "")],
)
def test_without_trace(text: str, plain: str) -> None:
    """Only the ids are left out, wherever they stand."""
    assert without_trace(text) == plain


class Replaced:
    """An engine that was started anew, and the SDK's session with it, which files are waited for in without end."""

    def __init__(self, *, hangs: bool) -> None:
        self.hangs = hangs
        self.asked: list[str] = []
        self.known = True

    async def acall(self, function: Callable[..., Any], *args: object) -> Any:
        """Call the function here."""
        return await function(*args)

    async def get_schema(self) -> graphql.GraphQLSchema:
        """Return the part of the schema that counts."""
        return graphql.build_schema(
            "type S { id: String plaintext: String } "
            "type Query { setSecret(name: String, plaintext: String): S loadSecretFromID(id: String): S }"
        )

    async def execute(self, query: Any) -> Any:
        """Answer what asks for the marker; other queries hang or fail."""
        text = str(query if isinstance(query, str) else graphql.print_ast(query.document))
        self.asked.append(text)
        if "setSecret" in text:
            self.value = text.split('plaintext: "')[1].split('"', maxsplit=1)[0]
            return {"setSecret": {"id": "1"}}
        if "loadSecretFromID" in text:
            return {"loadSecretFromID": {"plaintext": self.value if self.known else "***"}}
        if not self.known and self.hangs:
            await asyncio.sleep(60)
        if not self.known:
            raise exceptions.TransportQueryError(
                "f", errors=[{"message": "failed to get buildkit session: was nil"}]
            )
        return "answer"


@pytest.mark.parametrize("hangs", [False, True])
def test_an_engine_that_was_started_anew(hangs: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query that fails or hangs for it is an EngineUnavailable, and so is each one after it, at once."""
    monkeypatch.setattr(marker, "LOOK", 0.05)
    replaced = Replaced(hangs=hangs)

    async def use() -> None:
        session = AnyLoopSession(cast("Engine", replaced), replaced, marker.Marker(replaced))
        assert session.marker is not None
        await session.marker.leave()
        assert await session.execute("first") == "answer"
        replaced.known = False
        with pytest.raises(
            EngineUnavailable, match="lost: it was started anew, and knows nothing of this session"
        ):
            await asyncio.wait_for(session.execute("second"), 10)
        replaced.known, asked = True, len(replaced.asked)
        with pytest.raises(EngineUnavailable, match="started anew"):
            await session.execute("third")
        assert len(replaced.asked) == asked

    asyncio.run(use())


def test_a_slow_answer_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the engine knows the session."""
    monkeypatch.setattr(marker, "LOOK", 0.01)

    class Slow(Replaced):
        async def execute(self, query: Any) -> Any:
            if query == "slow":
                await asyncio.sleep(0.1)
            return await super().execute(query)

    async def use() -> None:
        slow = Slow(hangs=False)
        session = AnyLoopSession(cast("Engine", slow), slow, marker.Marker(slow))
        assert session.marker is not None
        await session.marker.leave()
        assert await session.execute("slow") == "answer"
        assert sum("loadSecretFromID" in text for text in slow.asked) > 2

    asyncio.run(use())


def test_a_lost_engine_among_arguments() -> None:
    """The SDK asks for the ids of arguments in a group of tasks, and takes only its own errors out of that."""
    assert isinstance(raised_for(exceptions.TransportClosed("closed")), dagger.DaggerError)


def test_a_failed_exec_is_no_reason_to_look() -> None:
    """Programs fail all the time, and each look is a query."""

    class Exec(Replaced):
        async def execute(self, query: Any) -> Any:
            if query == "exec":
                details: dict[str, Any] = {"message": "exit code: 1", "extensions": {"_type": "EXEC_ERROR"}}
                raise exceptions.TransportQueryError("failed", errors=[details])
            return await super().execute(query)

    async def use() -> None:
        replaced = Exec(hangs=False)
        session = AnyLoopSession(cast("Engine", replaced), replaced, marker.Marker(replaced))
        assert session.marker is not None
        await session.marker.leave()
        asked = len(replaced.asked)
        with pytest.raises(exceptions.TransportQueryError):
            await session.execute("exec")
        assert len(replaced.asked) == asked

    asyncio.run(use())
