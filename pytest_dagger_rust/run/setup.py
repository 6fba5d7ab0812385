"""Prepares the container for one run or one service."""

from __future__ import annotations

import posixpath
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypedDict

from pytest_dagger_rust.container import agent
from pytest_dagger_rust.container.variables import check_variables
from pytest_dagger_rust.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import dagger

    from pytest_dagger_rust.run.inputs import FileContent, HostInputs


class Bound(Protocol):
    """What other containers reach by a name: a service of this package."""

    @property
    def binding(self) -> dagger.Service:
        """The service as Dagger knows it."""
        ...


class SetupOptions(TypedDict, total=False):
    """What both a run and a service may be given.

    `env` is added to the image's variables. `files` maps absolute paths in the container to text, bytes, or the path
    of a file or folder of the host. `services` maps names to the services that the program reaches by them. `cwd` is
    the folder to start in.
    """

    env: Mapping[str, str]
    files: Mapping[str, FileContent]
    services: Mapping[str, Bound | dagger.Service]
    cwd: str | None


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A program with its arguments, and the surroundings it asks for."""

    command: tuple[str, ...]
    env: Mapping[str, str] | None = field(default=None, repr=False)
    files: Mapping[str, FileContent] | None = None
    services: Mapping[str, Bound | dagger.Service] | None = None
    cwd: str | None = None


@dataclass(frozen=True)
class Runtime:
    """Where programs run: the container with the binaries and the agent, and what carries files there."""

    container: dagger.Container
    inputs: HostInputs

    def prepared(self, setup: Setup) -> dagger.Container:
        """Return the container with everything that the program asks for.

        Raises ConfigurationError for arguments that cannot be.
        """
        _check(setup)
        container = self.container
        for path, content in (setup.files or {}).items():
            container = self.inputs.put(container, path, content)
        for name, service in (setup.services or {}).items():
            container = container.with_service_binding(name, _binding(service))
        for name, value in (setup.env or {}).items():
            container = container.with_env_variable(name, value)
        # The engine answers an exec it has seen before from its cache; a run has to run.
        return container.with_env_variable("PYTEST_DAGGER_RUST_RUN", uuid.uuid4().hex)


def _binding(service: Bound | dagger.Service) -> dagger.Service:
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    return service if isinstance(service, dagger.Service) else service.binding


def _check(setup: Setup) -> None:
    name = setup.command[0]
    for argument in setup.command:
        if not isinstance(argument, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(
                f"{name}: arguments must be str: got {argument!r}, pass {str(argument)!r}."
            )
    check_variables(f"{name}: env", setup.env or {})
    check_paths(f"{name}: files", setup.files or ())


def check_paths(what: str, paths: Iterable[str]) -> None:
    """Raise ConfigurationError for a path in the container that is not absolute, or in a folder of the agent's."""
    for path in paths:
        if not path.startswith("/"):
            raise ConfigurationError(f"{what}: paths in the container must be absolute: got {path!r}.")
        if f"{posixpath.normpath(path)}/".startswith(tuple(f"{folder}/" for folder in agent.FOLDERS)):
            msg = f"{what}: {path!r} is reserved for pytest-dagger-rust; choose another path."
            raise ConfigurationError(msg)


def check_seconds(what: str, value: float | None) -> None:
    """Raise ConfigurationError unless the time is a number of seconds above 0, or None for no limit."""
    if value is not None and not 0 < value < float("inf"):
        raise ConfigurationError(f"{what} must be a number of seconds above 0: got {value!r}.")
