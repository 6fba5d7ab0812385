"""The small program that runs the programs under test in their container, compiled by the builder's own rustc."""

from __future__ import annotations

import contextlib
from importlib import resources
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    import dagger

FOLDER = "/pytest-dagger-rust-agent"
PROGRAM = f"{FOLDER}/agent"

# Where it puts what a run leaves.
RESULT = f"{FOLDER}/result"

# Where it comes to the host, while a program runs that the host talks with.
SOCKET = "/pytest-dagger-rust-socket"

_SOURCES = "/tmp/pytest-dagger-rust-agent"  # noqa: S108 - in a container of its own
_BINARY = f"{_SOURCES}/agent"
_MODULES = ("host", "main", "process", "pty", "run", "serve", "shell", "tunnel")
_FLAGS = "--edition=2021 -C panic=abort -C strip=symbols"

# Linked statically it runs beside any libc and beside none; where there is no static libc, as the programs do.
_COMPILE = f"""
for libc in -Ctarget-feature=+crt-static -Ctarget-feature=-crt-static; do
    ${{RUSTC:-rustc}} {_FLAGS} $libc -o {_BINARY} {_SOURCES}/main.rs && exit
done
exit 1
"""


def folder(client: dagger.Client, builder: dagger.Container) -> dagger.Directory:
    """Return the folder to mount at FOLDER: the program, and a place for results that any user may write to."""
    sources = client.directory()
    sources_of = resources.files(__package__).joinpath("rust")
    for name in _MODULES:
        sources = sources.with_new_file(f"{name}.rs", sources_of.joinpath(f"{name}.rs").read_text("utf-8"))
    compiled = builder.with_directory(_SOURCES, sources).with_exec(["sh", "-c", _COMPILE])
    place = client.directory().with_file("agent", compiled.file(_BINARY))
    return place.with_new_directory("result", permissions=0o777)


async def connected(client: dagger.Client, container: dagger.Container, socket: str) -> dagger.Container:
    """Return the container with a socket of the host's at SOCKET, for whichever user its programs run as."""
    owner = await container.user()
    return container.with_unix_socket(SOCKET, client.host().unix_socket(socket), owner=owner)


async def kill(running: dagger.Service | None) -> None:
    """End a container at once, if there is one; the engine may be gone, and the container with it."""
    if running is not None:
        with contextlib.suppress(Exception), anyio.move_on_after(10):
            await running.stop(kill=True)
