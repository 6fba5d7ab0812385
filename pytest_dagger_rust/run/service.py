"""A binary as a server: started, checked for health, reachable over loopback, stopped at the end of its scope."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import anyio

from pytest_dagger_rust.container import agent
from pytest_dagger_rust.container.frames import FrameError
from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.errors import ConfigurationError, DaggerRustError
from pytest_dagger_rust.run import transcript
from pytest_dagger_rust.run.results import Status
from pytest_dagger_rust.run.setup import Setup, SetupOptions, check_seconds
from pytest_dagger_rust.run.tunnel import LOOPBACK, Tunnel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import dagger

    from pytest_dagger_rust.run.setup import Runtime

_TAIL = 30
_DIGITS = 18


class ServiceOptions(SetupOptions, total=False):
    """The keyword arguments of a service.

    `ports` are the ports it listens on; as a mapping, each with the port of this machine's loopback interface to reach
    it by, where 0 is any that is free. It is healthy once all of them accept connections and, with `health`, once a GET
    of that path on the first one answers 2xx or 3xx; `timeout` is how many seconds that may take. At the end it gets
    SIGTERM, and SIGKILL where it has not ended `grace` seconds later.
    """

    ports: Sequence[int] | Mapping[int, int]
    health: str | None
    timeout: float
    grace: float


@dataclass(frozen=True, kw_only=True)
class ServiceRequest(Setup):
    """The request for one service."""

    ports: Sequence[int] | Mapping[int, int] = ()
    health: str | None = None
    timeout: float = 30.0
    grace: float = 10.0

    def wanted_ports(self) -> dict[int, int]:
        """Return the service's ports, each with the port to listen on.

        Raises ConfigurationError for an invalid port.
        """
        # Callers without a type checker pass one port, or text.
        given = cast("object", self.ports)
        if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
            raise ConfigurationError(f"ports must be a list, such as [8080]: got {given!r}.")
        ports = dict(self.ports) if isinstance(self.ports, Mapping) else dict.fromkeys(self.ports, 0)
        for port in (*ports, *(wanted for wanted in ports.values() if wanted)):
            if type(port) is not int or not 0 < port < 65536:
                raise ConfigurationError(f"ports must be numbers from 1 to 65535: got {port!r}.")
        return ports


class ServiceError(DaggerRustError):
    """A service ended by itself, or never became healthy; `log` is what it wrote."""

    def __init__(self, message: str, log: str) -> None:
        self.log = log
        lines = [f"  {line}" for line in lines_of(log)[-_TAIL:]] or ["  (it wrote nothing)"]
        super().__init__("\n".join([message, *lines]))


@dataclass(eq=False)
class Service:
    """A program that serves, as long as the context that started it lasts.

    `ports` maps each of its ports to the one on this machine's loopback interface that leads to it; `exit_code` and
    `signal` are None while it runs. `lost` says why contact with its container was lost, and is None otherwise.
    """

    command: tuple[str, ...]
    ports: Mapping[int, int] = field(default_factory=dict[int, int])
    exit_code: int | None = None
    signal: str | None = None
    lost: str | None = None
    host: str = LOOPBACK
    written: transcript.Log = field(repr=False, default_factory=transcript.Log)
    running: dagger.Service | None = field(repr=False, default=None)

    @property
    def port(self) -> int:
        """The loopback port that leads to the first of the service's ports."""
        try:
            return next(iter(self.ports.values()))
        except StopIteration:
            raise ConfigurationError(f"{self.command[0]} has no port: name some with `ports=`.") from None

    @property
    def url(self) -> str:
        """The address for an HTTP client: "http://127.0.0.1:49152"."""
        return f"http://{self.host}:{self.port}"

    @property
    def log(self) -> str:
        """What the service has written to standard output and standard error so far, the last MiB of it."""
        return self.written.text

    @property
    def binding(self) -> dagger.Service:
        """The service for other containers: `container.with_service_binding("api", service.binding)`."""
        if self.running is None:
            raise ConfigurationError(f"{self.command[0]} does not run.")
        return self.running

    @property
    def ended(self) -> str | None:
        """How the service ended, in words; None while it runs."""
        if self.exit_code is None:
            return None if self.lost is None else f"was lost ({self.lost})"
        return f"died of {self.signal}" if self.signal else f"ended with exit code {self.exit_code}"


class ServiceRunner:
    """Starts and stops one service; both on the loop of Dagger's client."""

    def __init__(self, client: dagger.Client, runtime: Runtime, request: ServiceRequest) -> None:
        self._client = client
        self._runtime = runtime
        self._request = request
        self._log = transcript.Log(shlex.join(request.command))
        self._service = Service(request.command, written=self._log)
        self._tunnel = Tunnel(self._heard, self._note_loss)
        self._changed = asyncio.Event()
        self._healthy = False
        self._failed = False
        self._unhealthy = "it has not started"

    async def start(self) -> Service:
        """Start the service and wait until it is healthy.

        Raises ServiceError, with what it wrote, when it ends or does not become healthy in time.
        """
        check_seconds("service: timeout", self._request.timeout)
        check_seconds("service: grace", self._request.grace)
        try:
            self._service.ports = MappingProxyType(await self._tunnel.open(self._request.wanted_ports()))
            transcript.follow(self._log)
            with anyio.move_on_after(self._request.timeout):
                await self._launch()
                await self._wait_until_healthy()
            self._require_health()
        except BaseException:
            await self._end()
            raise
        return self._service

    async def _launch(self) -> None:
        import dagger  # noqa: PLC0415 - importing dagger takes most of a second

        container = self._runtime.prepared(self._request)
        container = await agent.connected(self._client, container, self._tunnel.socket)
        for port in self._service.ports:
            container = container.with_exposed_port(port, experimental_skip_healthcheck=True)
        try:
            self._service.running = await container.as_service(args=self._command()).start()
        except dagger.QueryError as error:
            msg = f"{self._log.name} could not be started: {error}"
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
        self._failed = self._service.exit_code != 0 and not asked
        if self._healthy and not asked:
            self._log.append(f"[{self._log.name} {self._service.ended}]\n".encode())

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


def _count(payload: bytes) -> int:
    if not payload.isdigit() or len(payload) > _DIGITS:
        msg = f"its container sent {payload[:40]!r} as a number"
        raise FrameError(msg)
    return int(payload)
