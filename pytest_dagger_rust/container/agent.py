"""The agent, the small program that works in the containers, compiled by the builder's own rustc."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import anyio

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import dagger

FOLDER = "/pytest-dagger-rust-agent"
PROGRAM = f"{FOLDER}/agent"

# Where it puts the one file of results. A folder that is mounted by itself cannot be moved or replaced.
RESULT = "/pytest-dagger-rust-result"
RESULT_FILE = f"{RESULT}/result"

# The value of an option, or several.
Option: TypeAlias = "str | int | float | list[str] | list[int] | None"

# Where it comes to the host, while a program runs that the host talks with.
SOCKET = "/pytest-dagger-rust-socket"

# Where the runs of a sandbox have their folders.
SANDBOX = "/pytest-dagger-rust-sandbox"

# What is nothing for programs under test.
FOLDERS = (FOLDER, RESULT, SOCKET, SANDBOX)

# Variables of the engine's that the agent does not hand on; process.rs has the same list.
_NOT_HANDED_ON = (
    "OTEL_EXPORTER_OTLP_",
    "OTEL_TRACES_EXPORTER",
    "TRACEPARENT",
    "TRACESTATE",
    "BAGGAGE",
)

_SOURCES = "/pytest-dagger-rust-agent-sources"
_COMPILED = "/pytest-dagger-rust-agent-compiled"
_CORE = f"{_COMPILED}/libagent_core.rlib"
_BINARY = f"{_COMPILED}/agent"
_RUST = Path(__file__).parent / "rust"
_FLAGS = ("--edition=2021", "-Cpanic=abort", "-Cstrip=symbols")

# Linked statically it runs beside any libc and beside none; where there is no static libc, as the programs do.
STATIC, DYNAMIC = "-Ctarget-feature=+crt-static", "-Ctarget-feature=-crt-static"


# The agent is two programs, so that a first build need not wait for what only runs need.
BUILDER, RUNNER = "builder", "runner"


@functools.cache
def digest() -> str:
    """Return what names the agent by its sources."""
    paths = sorted(_RUST.rglob("*.rs"))
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()


def program(client: dagger.Client, builder: dagger.Container, name: str, libc: str = STATIC) -> dagger.File:
    """Return BUILDER or RUNNER, compiled by the builder's rustc: what looks at each byte of something large, optimised.

    `libc` is STATIC or DYNAMIC; see `lacks_libc`.
    """
    # From the disk, not as text: what is named after its recipe would have a name as long as the sources.
    sources = client.host().directory(str(_RUST), include=["*.rs", "core/*.rs"])
    core = [
        "--crate-type=rlib",
        "--crate-name=agent_core",
        "-Copt-level=3",
        "-o",
        _CORE,
        f"{_SOURCES}/core/lib.rs",
    ]
    whole = [libc, f"--extern=agent_core={_CORE}", "-o", _BINARY, f"{_SOURCES}/{name}.rs"]
    compiled = (
        builder.with_mounted_directory(_SOURCES, sources)
        # rustc runs as whichever user the image has.
        .with_mounted_directory(_COMPILED, empty_directory(client, permissions=0o777))
        .with_exec(["rustc", *_FLAGS, *core])
        .with_exec(["rustc", *_FLAGS, "--crate-name=agent", *whole])
    )
    return compiled.file(_BINARY)


def lacks_libc(error: dagger.ExecError) -> bool:
    """Return whether a builder could not link the agent statically."""
    return STATIC in error.command


def folder(client: dagger.Client, builder: dagger.Container, libc: str = STATIC) -> dagger.Directory:
    """Return the folder to mount at FOLDER, which has the program that runs others."""
    return client.directory().with_file("agent", program(client, builder, RUNNER, libc))


def empty_directory(client: dagger.Client, permissions: int = 0o755) -> dagger.Directory:
    """Return an empty directory to mount.

    Where `client.directory()` is mounted, an engine of 0.19 crashes when an exec fails before its program runs: a
    service does not start, or a session ends.
    """
    return client.directory().with_new_directory("empty", permissions=permissions).directory("empty")


class Agents(NamedTuple):
    """The agent's two programs: the one that builds, and the folder to mount at FOLDER of the one that runs."""

    builder: dagger.File
    runner: dagger.Directory


def installed(
    client: dagger.Client, container: dagger.Container, folder: dagger.Directory
) -> dagger.Container:
    """Return the container with the program, and with a place for its results that any user may write to."""
    place = empty_directory(client, permissions=0o777)
    return container.with_mounted_directory(FOLDER, folder).with_mounted_directory(RESULT, place)


def command(
    subcommand: str, program: Sequence[str], env: Mapping[str, str] | None = None, **options: Option
) -> list[str]:
    """Return the agent's command line for a program.

    `env` are the variables that the test has chosen: the agent hands them on, whatever they are.
    """
    chosen = [f"{name}={value}" for name, value in (env or {}).items() if name.startswith(_NOT_HANDED_ON)]
    return [*words(subcommand, **{**options, "env": chosen}), "--", *program]


def words(subcommand: str, **options: Option) -> list[str]:
    """Return the agent's command line without a program.

    An option's value may be a list, for one that is given more than once; one that is None or empty is not given.
    """
    given = [
        f"--{name}={value}"
        for name, values in options.items()
        for value in (values if isinstance(values, list) else [values])
        if value not in {None, ""}
    ]
    return [PROGRAM, subcommand, *given]


def options(values: Mapping[str, object]) -> list[str]:
    """Return named options as words of a command line; what is None is left out."""
    return [word for name, value in values.items() if value is not None for word in (f"--{name}", str(value))]


async def connected(client: dagger.Client, container: dagger.Container, socket: str) -> dagger.Container:
    """Return the container with a socket of the host's at SOCKET, for whichever user its programs run as."""
    owner = await container.user()
    return container.with_unix_socket(SOCKET, client.host().unix_socket(socket), owner=owner)


async def kill(running: dagger.Service | None) -> None:
    """End a container at once, if there is one; the engine may be gone, and the container with it."""
    if running is not None:
        with contextlib.suppress(Exception), anyio.move_on_after(10):
            await running.stop(kill=True)
