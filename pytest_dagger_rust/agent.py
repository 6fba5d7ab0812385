"""The small program that runs the programs under test in their container, compiled by the builder's own rustc."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

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
Option: TypeAlias = "str | int | float | None | list[str] | list[int]"

# Where it comes to the host, while a program runs that the host talks with.
SOCKET = "/pytest-dagger-rust-socket"

# What is nothing for programs under test.
FOLDERS = (FOLDER, RESULT, SOCKET)

# Variables of the engine's that the agent does not hand on; process.rs has the same list.
_NOT_HANDED_ON = (
    "OTEL_EXPORTER_OTLP_",
    "TRACEPARENT",
)

_SOURCES = "/tmp/pytest-dagger-rust-agent"  # noqa: S108 - in a container of its own
_BINARY = f"{_SOURCES}/agent"
_RUST = Path(__file__).parent / "container" / "rust"
_FLAGS = "--edition=2021 -C panic=abort -C strip=symbols"

# Linked statically it runs beside any libc and beside none; where there is no static libc, as the programs do. What
# looks at every byte of something large is compiled optimised, the rest as fast as can be.
_COMPILE = f"""
set -e
cd {_SOURCES}
rustc=${{RUSTC:-rustc}}
$rustc {_FLAGS} -O --crate-type=rlib --crate-name=agent_core core/lib.rs
for libc in -Ctarget-feature=+crt-static -Ctarget-feature=-crt-static; do
    $rustc {_FLAGS} $libc --extern agent_core=libagent_core.rlib -o {_BINARY} main.rs && exit
done
exit 1
"""


def folder(client: dagger.Client, builder: dagger.Container) -> dagger.Directory:
    """Return the folder to mount at FOLDER, which has the program."""
    sources = client.directory()
    for module in sorted(_RUST.rglob("*.rs")):
        sources = sources.with_new_file(module.relative_to(_RUST).as_posix(), module.read_text("utf-8"))
    compiled = builder.with_directory(_SOURCES, sources).with_exec(["sh", "-c", _COMPILE])
    return client.directory().with_file("agent", compiled.file(_BINARY))


def installed(
    client: dagger.Client, container: dagger.Container, folder: dagger.Directory
) -> dagger.Container:
    """Return the container with the program, and with a place for its results that any user may write to."""
    place = client.directory().with_new_directory("result", permissions=0o777).directory("result")
    return container.with_mounted_directory(FOLDER, folder).with_mounted_directory(RESULT, place)


def command(
    subcommand: str, program: Sequence[str], env: Mapping[str, str] | None = None, **options: Option
) -> list[str]:
    """Return the agent's command line for a program.

    An option's value may be a list, for one that is given more than once; one that is None or empty is not given.
    `env` are the variables that the test has chosen: the agent hands them on, whatever they are.
    """
    chosen = [f"{name}={value}" for name, value in (env or {}).items() if name.startswith(_NOT_HANDED_ON)]
    words = [
        f"--{name}={value}"
        for name, values in {**options, "env": chosen}.items()
        for value in (values if isinstance(values, list) else [values])
        if value not in {None, ""}
    ]
    return [PROGRAM, subcommand, *words, "--", *program]


async def connected(client: dagger.Client, container: dagger.Container, socket: str) -> dagger.Container:
    """Give the container with a socket of the host's at SOCKET, for whichever user its programs run as."""
    owner = await container.user()
    return container.with_unix_socket(SOCKET, client.host().unix_socket(socket), owner=owner)


async def kill(running: dagger.Service | None) -> None:
    """End a container at once, if there is one; the engine may be gone, and the container with it."""
    if running is not None:
        with contextlib.suppress(Exception), anyio.move_on_after(10):
            await running.stop(kill=True)
