"""A running service for plain functions: its methods wait for their results."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import re
    from collections.abc import Mapping

    import dagger

    from pytest_dagger_rust.engine.engine import Engine
    from pytest_dagger_rust.run.service import Service


@dataclass(frozen=True)
class BlockingService:
    """A Service whose methods wait for their results."""

    service: Service
    engine: Engine

    @property
    def command(self) -> tuple[str, ...]:
        """The program and its arguments."""
        return self.service.command

    @property
    def host(self) -> str:
        """The loopback interface of this machine."""
        return self.service.host

    @property
    def ports(self) -> Mapping[int, int]:
        """Maps each of the service's ports to the one on this machine's loopback interface that leads to it."""
        return self.service.ports

    @property
    def port(self) -> int:
        """The loopback port that leads to the first of the service's ports."""
        return self.service.port

    @property
    def url(self) -> str:
        """The address for an HTTP client: "http://127.0.0.1:49152"."""
        return self.service.url

    @property
    def log(self) -> str:
        """What the service has written so far, the last MiB of it."""
        return self.service.log

    @property
    def binding(self) -> dagger.Service:
        """The service for other containers."""
        return self.service.binding

    @property
    def exit_code(self) -> int | None:
        """The exit code; None while it runs."""
        return self.service.exit_code

    @property
    def signal(self) -> str | None:
        """The signal that ended the service; None while it runs, and if it exited."""
        return self.service.signal

    @property
    def ended(self) -> str | None:
        """How the service ended, in words; None while it runs."""
        return self.service.ended

    @property
    def lost(self) -> str | None:
        """Why contact with its container was lost; None otherwise."""
        return self.service.lost

    def wait_for_log(self, pattern: str | re.Pattern[str], *, timeout: float | None = None) -> re.Match[str]:
        """Wait as Service.wait_for_log does, and return the match."""
        return self.engine.call(partial(self.service.wait_for_log, pattern, timeout=timeout))

    def stop(self) -> None:
        """End the service now, as Service.stop does."""
        self.engine.call(self.service.stop)

    def restart(self) -> None:
        """End the service and start it again, as Service.restart does."""
        self.engine.call(self.service.restart)

    def send_signal(self, signal: str | int) -> None:
        """Send the program a signal, as Service.send_signal does."""
        self.engine.call(self.service.send_signal, signal)
