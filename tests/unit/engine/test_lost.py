"""Tests of what a failed query is raised as: the one place that all uses of the client go through."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
from gql.transport import exceptions

from pytest_dagger_rust.engine.engine import AnyLoopSession, Engine
from pytest_dagger_rust.engine.plain import without_trace
from pytest_dagger_rust.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

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
        exceptions.TransportServerError("502, message='Bad Gateway'" + TRACE, 502),
        "502, message='Bad Gateway'\n",
    ),
    (exceptions.TransportProtocolError("no JSON"), "no JSON"),
    (exceptions.TransportClosed("Transport is not connected"), "Transport is not connected"),
]


@pytest.mark.parametrize(("error", "reason"), LOST, ids=[type(error).__name__ for error, _ in LOST])
def test_an_engine_that_is_lost(error: Exception, reason: str) -> None:
    """A query that gets no answer is an EngineUnavailable with the reason and what to do, and no traceback of the SDK's."""
    found = raised_for(error)
    assert type(found) is EngineUnavailable
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
