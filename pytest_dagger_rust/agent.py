"""The small program that runs the programs under test in their container, compiled by the builder's own rustc."""

from __future__ import annotations

import contextlib
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dagger

FOLDER = "/pytest-dagger-rust-agent"
PROGRAM = f"{FOLDER}/agent"

# Where it puts what a run leaves.
RESULT = f"{FOLDER}/result"

# Where it comes to the host, while a program runs that the host talks with.
SOCKET = "/pytest-dagger-rust-socket"

_SOURCES = "/pytest-dagger-rust-agent-sources"
_CORE = f"{_SOURCES}/libagent_core.rlib"
_BINARY = f"{_SOURCES}/agent"
_MODULE = re.compile(r"^(?P<visible>pub )?mod (?P<name>\w+);$", re.MULTILINE)
_FLAGS = ("--edition=2021", "-Cpanic=abort", "-Cstrip=symbols")

# Linked statically it runs beside any libc and beside none; where there is no static libc, as the programs do.
STATIC, DYNAMIC = "-Ctarget-feature=+crt-static", "-Ctarget-feature=-crt-static"


@functools.cache
def sources() -> tuple[str, str]:
    """Return the agent's two crates, each as one file: what is sent has a cost by the file."""
    root = Path(__file__).parent / "container/rust"
    return _bundled(root / "core/lib.rs"), _bundled(root / "main.rs")


def _bundled(main: Path) -> str:
    """Return a crate's source with its modules in it."""

    def module(found: re.Match[str]) -> str:
        text = (main.parent / f"{found['name']}.rs").read_text("utf-8")
        return f"{found['visible'] or ''}mod {found['name']} {{\n{text}}}\n"

    return _MODULE.sub(module, main.read_text("utf-8"))


def program(client: dagger.Client, builder: dagger.Container, libc: str = STATIC) -> dagger.File:
    """Return the agent, compiled by the builder's rustc: what looks at each byte of something large, optimised.

    `libc` is STATIC or DYNAMIC; see `lacks_libc`.
    """
    core, main = sources()
    folder = client.directory().with_new_file("core.rs", core).with_new_file("main.rs", main)
    first = ["--crate-type=rlib", "--crate-name=agent_core", "-Copt-level=3", "-o", _CORE, f"{_SOURCES}/core.rs"]
    second = [libc, f"--extern=agent_core={_CORE}", "-o", _BINARY, f"{_SOURCES}/main.rs"]
    compiled = (
        builder.with_directory(_SOURCES, folder)
        .with_exec(["rustc", *_FLAGS, *first])
        .with_exec(["rustc", *_FLAGS, *second])
    )
    return compiled.file(_BINARY)


def lacks_libc(error: dagger.ExecError) -> bool:
    """Return whether a builder could not link the agent statically."""
    return STATIC in error.command


def folder(client: dagger.Client, builder: dagger.Container, libc: str = STATIC) -> dagger.Directory:
    """Return the folder to mount at FOLDER: the program, and a place for results that any user may write to."""
    place = client.directory().with_file("agent", program(client, builder, libc))
    return place.with_new_directory("result", permissions=0o777)


def options(values: Mapping[str, object]) -> list[str]:
    """Return named options as words of a command line; what is None is left out."""
    return [word for name, value in values.items() if value is not None for word in (f"--{name}", str(value))]


async def connected(client: dagger.Client, container: dagger.Container, socket: str) -> dagger.Container:
    """Give the container with a socket of the host's at SOCKET, for whichever user its programs run as."""
    owner = await container.user()
    return container.with_unix_socket(SOCKET, client.host().unix_socket(socket), owner=owner)


async def kill(running: dagger.Service | None) -> None:
    """End a container at once, if there is one; the engine may be gone, and the container with it."""
    if running is not None:
        with contextlib.suppress(Exception), anyio.move_on_after(10):
            await running.stop(kill=True)
