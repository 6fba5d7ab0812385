"""Starts, watches and stops one service, and does on request what its test asks for."""

from __future__ import annotations

import asyncio
import re
import shlex
import signal as signals
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import anyio

from pytest_dagger_rust.container import agent
from pytest_dagger_rust.container.frames import FrameError
from pytest_dagger_rust.engine.plain import without_trace
from pytest_dagger_rust.errors import ConfigurationError
from pytest_dagger_rust.run import transcript
from pytest_dagger_rust.run.results import Status
from pytest_dagger_rust.run.service import Service, ServiceError
from pytest_dagger_rust.run.setup import check_seconds
from pytest_dagger_rust.run.tunnel import Tunnel

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import dagger

    from pytest_dagger_rust.engine.engine import Engine
    from pytest_dagger_rust.run.service import ServiceRequest
    from pytest_dagger_rust.run.setup import Runtime

T = TypeVar("T")

_DIGITS = 18

# After one of these, the end of a program is what the test has asked for.
_ENDING = frozenset({signals.SIGTERM, signals.SIGINT, signals.SIGQUIT, signals.SIGKILL})


class ServiceRunner:
    """Starts and stops one service; both on the loop of Dagger's client.

    With `engine`, the service's own methods can be called on any loop.
    """

    def __init__(
        self,
        client: dagger.Client,
        runtime: Runtime,
        request: ServiceRequest,
        engine: Engine | None = None,
    ) -> None:
        self._client = client
        self._runtime = runtime
        self._request = request
        self._engine = engine
        self._log = transcript.Log(shlex.join(request.command))
        self._service = Service(request.command, written=self._log, control=self)
        self._tunnel = Tunnel(self._heard, self._note_loss)
        self._changed = asyncio.Event()
        self._healthy = False
        self._failed = False
        self._unhealthy = "it has not started"
        self._sent: set[signals.Signals] = set()
        self._began = 0

    async def start(self) -> Service:
        """Start the service and wait until it is healthy.

        Raises ServiceError, with what it wrote, when it ends or does not become healthy in time.
        """
        check_seconds("service: timeout", self._request.timeout)
        check_seconds("service: grace", self._request.grace)
        await self._start(self._request.wanted_ports())
        return self._service

    async def _start(self, ports: Mapping[int, int]) -> None:
        try:
            self._service.ports = MappingProxyType(await self._tunnel.open(ports))
            self._began = self._log.position
            transcript.follow(self._log)
            await self._launch()
            # An image may have to be pulled first: that is not the program's time.
            with anyio.move_on_after(self._request.timeout):
                await self._wait_until_healthy()
            self._require_health()
        except BaseException:
            await self._end()
            raise

    async def _launch(self) -> None:
        import dagger  # noqa: PLC0415 - importing dagger takes most of a second

        container = self._runtime.prepared(self._request)
        container = await agent.connected(self._client, container, self._tunnel.socket)
        for port in self._service.ports:
            container = container.with_exposed_port(port, experimental_skip_healthcheck=True)
        try:
            self._service.running = await container.as_service(args=self._command()).start()
        except dagger.QueryError as error:
            msg = f"{self._log.name} could not be started: {without_trace(str(error))}"
            raise ServiceError(msg, self._log.text) from None

    def _command(self) -> list[str]:
        request = self._request
        return agent.command(
            "serve",
            request.command,
            request.env,
            socket=agent.SOCKET,
            grace=f"{request.grace:g}",
            folder=request.cwd,
            health=request.health,
            port=list(self._service.ports),
            **request.limits("listening"),
        )

    def _heard(self, kind: bytes, payload: bytes) -> None:
        """Read a message from the agent.

        Raises FrameError for an invalid one.
        """
        match kind:
            case b"o":
                self._log.append(payload)
            case b"d":
                self._log.skip(_count(payload))
            case b"h":
                self._unhealthy = payload.decode("utf-8", "replace")
            case b"r":
                self._healthy = True
            case b"f":
                self._log.append(b"could not be started: " + payload + b"\n")
                self._note_end(Status(127), asked=False)
            case b"x" | b"X":
                self._note_end(Status.of(payload.decode("utf-8", "replace")), asked=kind == b"X")
            case _:
                pass
        self._changed.set()

    def _note_loss(self, reason: str) -> None:
        # Losing the container after the program's end is expected.
        if self._service.ended is None:
            self._service.lost = reason
            self._failed = True
            self._changed.set()

    def _note_end(self, status: Status, *, asked: bool) -> None:
        self._service.signal, self._service.exit_code = status.signal, status.exit_code
        self._failed = self._service.exit_code != 0 and not asked and not self._is_wanted(status)
        if self._healthy and not asked:
            self._log.append(f"[{self._log.name} {self._service.ended}]\n".encode())

    def _is_wanted(self, status: Status) -> bool:
        return bool(self._sent & _ENDING) or any(status.signal == sent.name for sent in self._sent)

    async def _wait_until_healthy(self) -> None:
        await self._wait(lambda: self._healthy or self._service.ended is not None)

    async def _wait(self, until: Callable[[], bool]) -> None:
        while not until():
            self._changed.clear()
            await self._changed.wait()

    def _require_health(self) -> None:
        name = self._log.name
        if self._service.ended is not None:
            msg = f"{name} {self._service.ended} before it was healthy. It wrote:"
            raise ServiceError(msg, self._log.text)
        if not self._healthy:
            msg = (
                f"{name} was not healthy within {self._request.timeout:g} s: {self._unhealthy}.\n"
                "  Does it listen on that port? Check `ports`, `health` and `timeout`. It wrote:"
            )
            raise ServiceError(msg, self._log.text)

    async def stop(self, *, quiet: bool = False) -> None:
        """End the service, and everything around it.

        Raises ServiceError, unless `quiet`, if the service failed before it was asked to end.
        """
        await self._end()
        if self._failed and not quiet:
            msg = f"{self._log.name} {self._service.ended} while it was in use. It wrote:"
            raise ServiceError(msg, self._log.text)

    async def on_loop(self, function: Callable[[], Awaitable[T]]) -> T:
        """Await a coroutine function on the loop of Dagger's client."""
        return await (self._engine.acall(function) if self._engine is not None else function())

    async def wait_for_log(self, pattern: str | re.Pattern[str], timeout: float | None) -> re.Match[str]:  # noqa: ASYNC109
        """Wait until the log since the last start matches.

        Raises ServiceError if the service ends first, or after the timeout.
        """
        timeout = self._request.timeout if timeout is None else timeout
        check_seconds("wait_for_log: timeout", timeout)
        try:
            expression = re.compile(pattern)
        except (re.error, TypeError) as error:
            msg = f"wait_for_log: {pattern!r} is not a regular expression: {error}."
            raise ConfigurationError(msg) from None
        return await self.on_loop(partial(self._matched, expression, timeout))

    async def _matched(self, expression: re.Pattern[str], seconds: float) -> re.Match[str]:
        found: list[re.Match[str]] = []

        def is_done() -> bool:
            found.extend(filter(None, [expression.search(self._log.since(self._began))]))
            return bool(found) or self._service.ended is not None or self._log.closed

        with anyio.move_on_after(seconds):
            await self._wait(is_done)
        if found:
            return found[0]
        why = f"did not write {expression.pattern!r} within {seconds:g} s"
        if self._service.ended or self._log.closed:
            why = f"{self._service.ended or 'was stopped'} before it wrote {expression.pattern!r}"
        msg = f"{self._log.name} {why}. It wrote:"
        raise ServiceError(msg, self._log.text)

    async def stop_now(self) -> None:
        """End the service before the end of its context."""
        await self.on_loop(self._end)

    async def restart(self) -> None:
        """End the service, and start it again with the same ports of this machine."""
        await self.on_loop(self._restarted)

    async def _restarted(self) -> None:
        await self._end()
        service = self._service
        service.exit_code = service.signal = service.lost = None
        self._healthy, self._failed, self._log.closed = False, False, False
        self._sent.clear()
        self._unhealthy = "it has not started"
        self._tunnel = Tunnel(self._heard, self._note_loss)
        await self._start(service.ports)

    async def send_signal(self, number: signals.Signals) -> None:
        """Send the program a signal.

        Raises ConfigurationError if it has ended.
        """
        await self.on_loop(partial(self._signalled, number))

    async def _signalled(self, number: signals.Signals) -> None:
        if self._service.ended is not None or self._log.closed:
            msg = f"send_signal: {self._log.name} does not run: it {self._service.ended or 'was stopped'}."
            raise ConfigurationError(msg)
        self._sent.add(number)
        self._tunnel.send_signal(number)

    async def _end(self) -> None:
        # Shielded, so that an interrupt leaves nothing running.
        with anyio.CancelScope(shield=True):
            if self._service.ended is None and self._tunnel.connected:
                self._tunnel.ask_to_stop()
                with anyio.move_on_after(self._request.grace + 2):
                    await self._wait(lambda: self._service.ended is not None)
            await self._tunnel.close()
            await agent.kill(self._service.running)
            self._service.running = None
            self._log.closed = True
            self._changed.set()


def _count(payload: bytes) -> int:
    if not payload.isdigit() or len(payload) > _DIGITS:
        msg = f"its container sent {payload[:40]!r} as a number"
        raise FrameError(msg)
    return int(payload)
