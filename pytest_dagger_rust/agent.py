"""The small program that runs the programs under test in their container, compiled by the builder's own rustc."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_dagger_rust.scripts import script

if TYPE_CHECKING:
    import dagger

FOLDER = "/pytest-dagger-rust-agent"
PROGRAM = f"{FOLDER}/agent"

# Where it puts what a run leaves.
RESULT = f"{FOLDER}/result"

_SOURCES = "/tmp/pytest-dagger-rust-agent"  # noqa: S108 - in a container of its own
_BINARY = f"{_SOURCES}/agent"
_MODULES = ("main", "process", "run", "serve", "tunnel")
_FLAGS = "--edition=2021 -C panic=abort -C strip=symbols"

# Linked statically it runs beside any libc and beside none; where there is no static libc, as the programs do.
_COMPILE = f"""
for libc in -Ctarget-feature=+crt-static -Ctarget-feature=-crt-static; do
    ${{RUSTC:-rustc}} {_FLAGS} $libc -o {_BINARY} {_SOURCES}/main.rs && exit
done
exit 1
"""


def folder(client: dagger.Client, builder: dagger.Container) -> dagger.Directory:
    """Give the folder to mount at FOLDER: the program, and a place for results that any user may write to."""
    sources = client.directory()
    for name in _MODULES:
        sources = sources.with_new_file(f"{name}.rs", script(f"agent/{name}.rs"))
    compiled = builder.with_directory(_SOURCES, sources).with_exec(["sh", "-c", _COMPILE])
    place = client.directory().with_file("agent", compiled.file(_BINARY))
    return place.with_new_directory("result", permissions=0o777)
