"""Tests of a service's host end against an agent that dies, lies, or says nothing."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, cast

import pytest
import pytest_asyncio

from pytest_dagger_rust import ServiceError
from pytest_dagger_rust.run.service import ServiceRequest, ServiceRunner
from tests.unit.run.agents import Container, ScriptedAgent, is_reset, until, without_engine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pytest_dagger_rust import Service

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture(autouse=True)
async def agents() -> AsyncIterator[None]:
    """End what a test has connected."""
    yield
    await ScriptedAgent.vanish_all()


class Served:
    """A service whose agent is the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self.container = Container()
        self._sockets = without_engine(monkeypatch)
        request = ServiceRequest(command=("app",), ports=[8080], **options)
        self.runner = ServiceRunner(cast("Any", None), cast("Any", self.container), request)
        self._starting = asyncio.ensure_future(self.runner.start())

    async def agent(self) -> ScriptedAgent:
        """Connect as the agent."""
        await until(lambda: self._sockets)
        return await ScriptedAgent.control(self._sockets[0])

    async def started(self) -> Service:
        """Wait until it is healthy, or is not."""
        return await asyncio.wait_for(self._starting, 5)


async def test_a_service_that_vanishes_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end does not wait for it, its clients are sent away, and what it wrote is shown."""
    served = Served(monkeypatch)
    agent = await served.agent()
    await agent.say(b"o", b"working\n")
    await agent.say(b"r")
    service = await served.started()
    agent.vanish()
    assert await is_reset(service.port)
    began = time.monotonic()
    with pytest.raises(
        ServiceError, match=r"^app was lost \(the connection .* was lost\) while it was in use\."
    ) as told:
        await served.runner.stop()
    assert time.monotonic() - began < 2
    assert told.value.log == "working\n"
    assert service.ended == "was lost (the connection to its container was lost)"
    assert (service.exit_code, served.container.stopped) == (None, 1)


async def test_a_service_that_vanishes_before_it_is_healthy_does_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its timeout is far away."""
    served = Served(monkeypatch, timeout=60)
    agent = await served.agent()
    await agent.say(b"h", b"nothing listens on port 8080")
    agent.vanish()
    with pytest.raises(ServiceError, match=r"^app was lost \(.*\) before it was healthy"):
        await served.started()
    assert served.container.stopped == 1


@pytest.mark.parametrize(
    ("kind", "payload", "complaint"),
    [
        (b"x", b"", "'' is not how a program ends"),
        (b"x", b"exited many", "'exited many' is not how a program ends"),
        (b"X", b"\xff", "'\ufffd' is not how a program ends"),
        (b"d", b"some", "its container sent b'some' as a number"),
        (b"d", b"9" * 5000, "its container sent b'9"),
    ],
)
async def test_messages_that_cannot_be_are_a_loss(
    monkeypatch: pytest.MonkeyPatch, kind: bytes, payload: bytes, complaint: str
) -> None:
    """And no exception in the event loop, which nobody sees."""
    unseen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    served = Served(monkeypatch)
    agent = await served.agent()
    await agent.say(b"r")
    service = await served.started()
    await agent.say(kind, payload)
    await until(lambda: service.ended)
    assert (service.lost or "").startswith(complaint)
    with pytest.raises(ServiceError):
        await served.runner.stop()
    assert unseen == []


async def test_messages_of_unknown_kinds_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end that follows is the service's own."""
    served = Served(monkeypatch)
    agent = await served.agent()
    await agent.say(b"?", b"\xff\xff")
    await agent.say(b"h", b"\xff")
    await agent.say(b"r")
    service = await served.started()
    await agent.say(b"x", b"exited 0")
    await until(lambda: service.ended)
    agent.vanish()
    await served.runner.stop()
    assert (service.ended, service.lost) == ("ended with exit code 0", None)


async def test_a_program_that_cannot_be_started_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason, and at once."""
    served = Served(monkeypatch, timeout=60)
    agent = await served.agent()
    await agent.say(b"f", b"No such file or directory")
    with pytest.raises(ServiceError, match="ended with exit code 127 before it was healthy") as told:
        await served.started()
    assert told.value.log == "could not be started: No such file or directory\n"


async def test_an_agent_that_says_nothing_has_until_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the service is not healthy, and nothing is left."""
    served = Served(monkeypatch, timeout=0.2, grace=0.1)
    await served.agent()
    with pytest.raises(ServiceError, match=r"^app was not healthy within 0\.2 s"):
        await served.started()
    assert served.container.stopped == 1
