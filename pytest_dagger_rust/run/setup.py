"""Prepares the container for one run or one service."""

from __future__ import annotations

import contextlib
import posixpath
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypedDict, cast

from pytest_dagger_rust.container import agent
from pytest_dagger_rust.container.variables import check_variables
from pytest_dagger_rust.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import dagger

    from pytest_dagger_rust.run.inputs import FileContent, HostInputs


_CONTENT = "A str is the content itself, a Path is a file of this machine."
_LONGEST_PATH = 4096

# More processes than any program under test has at once.
MOST_PROCESSES = 4096


class Bound(Protocol):
    """What other containers reach by a name: a service of this package."""

    @property
    def binding(self) -> dagger.Service:
        """The service as Dagger knows it."""
        ...


class SetupOptions(TypedDict, total=False):
    """What both a run and a service may be given.

    `env` is added to the image's variables. `files` maps absolute paths in the container to their content: a str is the
    text itself, bytes are the content, and a `Path` is a file or folder of this machine. `services` maps names to the
    services that the program reaches by them. `cwd` is the folder to start in. Without `network`, the kernel refuses
    the program, and all it starts, sockets for a network. `memory` is how many bytes of data each of its processes may
    have, and `processes` how many there may be at once; None is no limit.
    """

    env: Mapping[str, str]
    files: Mapping[str, FileContent]
    services: Mapping[str, Bound | dagger.Service]
    cwd: str | None
    network: bool
    memory: int | None
    processes: int | None


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A program with its arguments, and the surroundings it asks for."""

    command: tuple[str, ...]
    env: Mapping[str, str] | None = field(default=None, repr=False)
    files: Mapping[str, FileContent] | None = None
    services: Mapping[str, Bound | dagger.Service] | None = None
    cwd: str | None = None
    network: bool = True
    memory: int | None = None
    processes: int | None = MOST_PROCESSES

    def limits(self, left: str) -> dict[str, str | int | None]:
        """Return the agent's options for what the program may use; `left` is what is left without a network."""
        network = None if self.network else left
        return {"network": network, "memory": self.memory, "processes": self.processes}


@dataclass(frozen=True)
class Runtime:
    """Where programs run: the container with the binaries and the agent, and what carries files there."""

    container: dagger.Container
    inputs: HostInputs

    def prepared(self, setup: Setup) -> dagger.Container:
        """Return the container with everything that the program asks for.

        Raises ConfigurationError for arguments that cannot be.
        """
        check_setup(setup)
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


def check_setup(setup: Setup, *, relative: bool = False) -> None:
    """Raise ConfigurationError for arguments that cannot be; `relative` paths of files may be allowed."""
    name = setup.command[0]
    for argument in setup.command:
        if not isinstance(argument, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"{name}: arguments must be str: got {argument!r}. {_instead(argument)}")
    check_variables(f"{name}: env", setup.env or {})
    for what, value in (("memory", setup.memory), ("processes", setup.processes)):
        if value is not None and (type(value) is not int or value < 1):
            raise ConfigurationError(f"{name}: {what} must be a number of 1 or more: got {value!r}.")
    _check_files(f"{name}: files", setup.files or {}, relative=relative)


def _instead(argument: object) -> str:
    if isinstance(argument, Path) and argument.exists():
        inside = f"/{argument.name}"
        return (
            "The container does not have the files of this machine: "
            f"pass {inside!r} and files={{{inside!r}: {argument!r}}}."
        )
    return f"Pass {str(argument)!r}."


def _check_files(what: str, files: object, *, relative: bool) -> None:
    if not isinstance(files, Mapping):
        raise ConfigurationError(f"{what} must map paths in the container to their content: got {files!r}.")
    for path, content in cast("Mapping[object, object]", files).items():
        if not isinstance(path, str):
            raise ConfigurationError(f"{what}: paths in the container must be str: got {path!r}.")
        if not relative or path.startswith("/"):
            check_paths(what, [path], hint=f" {_CONTENT}")
        if not isinstance(content, (str, bytes, Path)):
            raise ConfigurationError(f"{what}: {path} is {content!r}. {_CONTENT}")


def mistaken_for_paths(files: Mapping[str, FileContent]) -> str:
    """Return a hint about texts that are paths of files of this machine, empty if there are none."""
    for path, content in files.items():
        if isinstance(content, str) and 0 < len(content) < _LONGEST_PATH and "\n" not in content:
            with contextlib.suppress(OSError, ValueError):
                if Path(content).exists():
                    return f"{path} holds the text {content!r}; for the file, write Path({content!r}): "
    return ""


def check_paths(what: str, paths: Iterable[str], hint: str = "") -> None:
    """Raise ConfigurationError for a path in the container that is not absolute, or in a folder of the agent's."""
    for path in paths:
        if not path.startswith("/"):
            raise ConfigurationError(f"{what}: paths in the container must be absolute: got {path!r}.{hint}")
        if f"{posixpath.normpath(path)}/".startswith(tuple(f"{folder}/" for folder in agent.FOLDERS)):
            msg = f"{what}: {path!r} is reserved for pytest-dagger-rust; choose another path."
            raise ConfigurationError(msg)


def check_seconds(what: str, value: float | None) -> None:
    """Raise ConfigurationError unless the time is a number of seconds above 0, or None for no limit."""
    if value is not None and not 0 < value < float("inf"):
        raise ConfigurationError(f"{what} must be a number of seconds above 0: got {value!r}.")
