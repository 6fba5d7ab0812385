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

_SOURCE = "/tmp/pytest-dagger-rust-agent.rs"  # noqa: S108 - a path in a container of its own
_BINARY = "/tmp/pytest-dagger-rust-agent"  # noqa: S108
_FLAGS = "--edition=2021 -C panic=abort -C strip=symbols"

# Linked statically it runs beside any libc and beside none; where there is no static libc, as the programs do.
_COMPILE = f"""
for libc in -Ctarget-feature=+crt-static -Ctarget-feature=-crt-static; do
    ${{RUSTC:-rustc}} {_FLAGS} $libc -o {_BINARY} {_SOURCE} && exit
done
exit 1
"""


def folder(client: dagger.Client, builder: dagger.Container) -> dagger.Directory:
    """Give the folder to mount at FOLDER: the program, and a place for results that any user may write to."""
    compiled = builder.with_new_file(_SOURCE, script("agent.rs")).with_exec(["sh", "-c", _COMPILE])
    place = client.directory().with_file("agent", compiled.file(_BINARY))
    return place.with_new_directory("result", permissions=0o777)
