"""Tests of a service's host end against an agent that dies, lies, or says nothing."""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest
import pytest_asyncio

from pytest_dagger_rust import ConfigurationError, ServiceError
from pytest_dagger_rust.run.service import ServiceRequest
from pytest_dagger_rust.run.service_runner import ServiceRunner
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
    for served in Served.all:
        await served.runner.stop(quiet=True)
    Served.all.clear()


class Served:
    """A service whose agent is the test."""

    # Some tests leave theirs running.
    all: ClassVar[list[Served]] = []

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, slow: float = 0.0, **options: Any) -> None:
        self.container = Container()
        self.container.slow = slow
        self._sockets = without_engine(monkeypatch)
        request = ServiceRequest(command=("app",), ports=[8080], **options)
        self.runner = ServiceRunner(cast("Any", None), cast("Any", self.container), request)
        self.all.append(self)
        self._starting = asyncio.ensure_future(self.runner.start())

    async def agent(self) -> ScriptedAgent:
        """Connect as the agent."""
        await until(lambda: self._sockets)
        return await ScriptedAgent.control(self._sockets.pop())

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


async def healthy(served: Served) -> tuple[ScriptedAgent, Service]:
    """Return the agent of a service that is healthy, and the service."""
    agent = await served.agent()
    await agent.say(b"r")
    return agent, await served.started()


async def test_the_timeout_counts_from_the_start_of_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pull of an image is not the program's time."""
    served = Served(monkeypatch, slow=0.4, timeout=0.2)
    _, service = await healthy(served)
    assert service.ended is None
    served.container.slow = 0.0


async def test_the_log_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is there already counts, and what comes later."""
    agent, service = await healthy(Served(monkeypatch))
    await agent.say(b"o", b"listening on 80")
    assert (await service.wait_for_log(r"on (\d)"))[1] == "8"
    waiting = asyncio.ensure_future(service.wait_for_log(re.compile("on (8080)$", re.MULTILINE)))
    await agent.say(b"o", b"80\n")
    assert (await waiting)[1] == "8080"


async def test_a_log_that_never_matches_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the timeout, and at once when the service ends; with what it wrote."""
    agent, service = await healthy(Served(monkeypatch))
    await agent.say(b"o", b"hello\n")
    await until(lambda: service.log)
    with pytest.raises(ServiceError, match=r"^app did not write 'ready' within 0\.1 s\. It wrote:\n  hello"):
        await service.wait_for_log("ready", timeout=0.1)
    waiting = asyncio.ensure_future(service.wait_for_log("ready", timeout=60))
    await agent.say(b"x", b"exited 0")
    with pytest.raises(ServiceError, match=r"^app ended with exit code 0 before it wrote 'ready'"):
        await asyncio.wait_for(waiting, 5)
    with pytest.raises(ConfigurationError, match=r"wait_for_log: '\(' is not a regular expression"):
        await service.wait_for_log("(")


async def test_a_service_can_be_stopped_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked to end, its ports are closed, and the end of its context finds nothing to complain of."""
    served = Served(monkeypatch)
    agent, service = await healthy(served)
    stopping = asyncio.ensure_future(service.stop())
    assert await agent.reader.readexactly(1) == b"s"
    await agent.say(b"X", b"signal 15")
    await stopping
    assert (service.signal, served.container.stopped) == ("SIGTERM", 1)
    with pytest.raises(ConnectionError):
        await asyncio.open_connection(service.host, service.port)
    with pytest.raises(ConfigurationError, match="app does not run: it died of SIGTERM"):
        await service.send_signal("HUP")
    await served.runner.stop()


async def test_a_service_that_is_started_again_keeps_its_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after it died; its log goes on, and is waited for from its start."""
    served = Served(monkeypatch)
    agent, service = await healthy(served)
    port = service.port
    await agent.say(b"o", b"first\n")
    await agent.say(b"x", b"signal 9")
    await until(lambda: service.ended)
    restarting = asyncio.ensure_future(service.restart())
    agent = await served.agent()
    await agent.say(b"r")
    await restarting
    assert (service.port, service.ended, service.exit_code) == (port, None, None)
    with pytest.raises(ServiceError):
        await service.wait_for_log("first", timeout=0.1)
    await agent.say(b"o", b"second\n")
    await service.wait_for_log("second")
    assert service.log == "first\n[app died of SIGKILL]\nsecond\n"
    await agent.say(b"x", b"exited 0")
    await until(lambda: service.ended)
    await served.runner.stop()


@pytest.mark.parametrize(
    ("name", "number", "end", "is_wanted"),
    [
        ("SIGTERM", 15, b"exited 3", True),
        ("kill", 9, b"signal 9", True),
        (1, 1, b"signal 1", True),
        ("USR1", 10, b"exited 1", False),
    ],
)
async def test_the_end_that_a_signal_asks_for_is_no_error(
    monkeypatch: pytest.MonkeyPatch, name: str | int, number: int, end: bytes, *, is_wanted: bool
) -> None:
    """A service that ends by the signal it was sent is what the test wanted; any other end is not."""
    served = Served(monkeypatch)
    agent, service = await healthy(served)
    await service.send_signal(name)
    assert await agent.reader.readexactly(2) == bytes([ord("k"), number])
    await agent.say(b"x", end)
    await until(lambda: service.ended)
    if is_wanted:
        await served.runner.stop()
    else:
        with pytest.raises(ServiceError):
            await served.runner.stop()


@pytest.mark.parametrize(("name", "hint"), [("SIGTREM", "Did you mean SIGTERM?"), (99, "no signal 99.")])
async def test_an_unknown_signal_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str | int, hint: str
) -> None:
    """With the nearest one there is."""
    served = Served(monkeypatch)
    _, service = await healthy(served)
    with pytest.raises(ConfigurationError) as error:
        await service.send_signal(name)
    assert hint in str(error.value)
