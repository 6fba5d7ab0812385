"""A binary as a server: started, checked for health, reachable over loopback, stopped at the end of its scope."""

from __future__ import annotations

import signal as signals
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.errors import ConfigurationError, DaggerRustError, nearest
from pytest_dagger_rust.run import transcript
from pytest_dagger_rust.run.setup import Setup, SetupOptions
from pytest_dagger_rust.run.tunnel import LOOPBACK
from pytest_dagger_rust.run.unawaited import watched

if TYPE_CHECKING:
    import re
    from collections.abc import Sequence

    import dagger

_TAIL = 30


class ServiceOptions(SetupOptions, total=False):
    """The keyword arguments of a service.

    `ports` are the ports it listens on; as a mapping, each with the port of this machine's loopback interface to reach
    it by, where 0 is any that is free. It is healthy once all of them accept connections and, with `health`, once a GET
    of that path on the first one answers 2xx or 3xx; `timeout` is how many seconds that may take from the
    container's start on. At the end it gets
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


class Control(Protocol):
    """What a service is controlled by, on any event loop."""

    async def wait_for_log(self, pattern: str | re.Pattern[str], timeout: float | None) -> re.Match[str]:
        """Wait until the log matches."""
        ...

    async def stop_now(self) -> None:
        """End the service."""
        ...

    async def restart(self) -> None:
        """End the service and start it again."""
        ...

    async def send_signal(self, number: signals.Signals) -> None:
        """Send the program a signal."""
        ...


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
    control: Control | None = field(repr=False, default=None)

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

    @watched
    async def wait_for_log(
        self, pattern: str | re.Pattern[str], *, timeout: float | None = None
    ) -> re.Match[str]:
        """Wait until what the service has written since its start matches a regular expression; return the match.

        `timeout` is in seconds, by default that of the service.

        Raises ServiceError if the service ends first, or after the timeout.
        """
        return await self._control().wait_for_log(pattern, timeout)

    @watched
    async def stop(self) -> None:
        """End the service now: SIGTERM, and SIGKILL after its `grace`. `exit_code` and `signal` say how it ended."""
        await self._control().stop_now()

    @watched
    async def restart(self) -> None:
        """End the service and start it again, in a new container, with the same ports of this machine.

        Raises ServiceError if it does not become healthy again.
        """
        await self._control().restart()

    @watched
    async def send_signal(self, signal: str | int) -> None:
        """Send the program a signal, by name or number: "SIGHUP". What the program has started does not get it.

        Raises ConfigurationError for an unknown signal, and for a service that has ended.
        """
        await self._control().send_signal(signal_of(signal))

    def _control(self) -> Control:
        if self.control is None:
            raise ConfigurationError(f"{self.command[0]} was not started by a build.")
        return self.control


def signal_of(signal: str | int) -> signals.Signals:
    """Return a signal by its name, with or without SIG, or by its number.

    Raises ConfigurationError for an unknown one.
    """
    try:
        if not isinstance(signal, str):
            return signals.Signals(signal)
        name = signal.upper()
        return signals.Signals[name if name.startswith("SIG") else f"SIG{name}"]
    except (KeyError, ValueError):
        names = [known.name for known in signals.Signals]
        hint = nearest(signal.upper(), names) if isinstance(signal, str) else ""
        raise ConfigurationError(f"send_signal: there is no signal {signal!r}. {hint}".rstrip()) from None
