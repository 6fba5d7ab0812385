"""Says what a builder image lacks, when the agent cannot be compiled or a toolchain not be installed in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_dagger_rust.container import agent
from pytest_dagger_rust.errors import DaggerRustError

if TYPE_CHECKING:
    import dagger

_NO_LINKER = re.compile(r"linker `(?P<name>[^`]+)` not found")
_NO_LIBC = re.compile(r"unable to find library -lc|cannot find -lc|cannot find crt1\.o|crt1\.o: No such file")
_NO_RUSTC = re.compile(r'exec: "?rustc"?: .*not found')
_NO_DEFAULT = re.compile(r"no default is configured|no default toolchain")


def explained(error: dagger.ExecError) -> DaggerRustError | None:
    """Return what is wrong with the builder image in one sentence, None where something else failed."""
    program, subcommand = (*error.command, "", "")[:2]
    if program == "rustc":
        return DaggerRustError(_without_agent(error.stderr))
    if program == agent.PROGRAM and subcommand == "toolchain":
        return DaggerRustError(_without_toolchain(error))
    return None


def _without_agent(said: str) -> str:
    if _NO_RUSTC.search(said):
        return (
            "The builder image has no rustc on its PATH.\n  Choose an image with rustc, cargo and a linker."
        )
    if linker := _NO_LINKER.search(said):
        return (
            f"The builder image has no linker: rustc looks for `{linker['name']}`.\n"
            "  Install a C compiler in it (Debian: gcc and libc6-dev; Alpine: build-base)."
        )
    if _NO_LIBC.search(said):
        return (
            "The builder image has a linker, but no libc to link with.\n"
            "  Install its development files (Debian: libc6-dev; Alpine: musl-dev)."
        )
    if _NO_DEFAULT.search(said):
        return (
            "The builder image has rustup, but no default toolchain.\n"
            "  Install one in it: rustup default stable."
        )
    return f"The builder image's rustc cannot compile a program:\n{said.strip()}"


def _without_toolchain(error: dagger.ExecError) -> str:
    given = [word.partition("=")[2] for word in error.command if word.startswith("--channel=")]
    name = " ".join(["toolchain", *given])
    lines = [line.removeprefix("pytest-dagger-rust: ") for line in error.stderr.splitlines()]
    errors = [line for line in lines if line.startswith(("error", "rustup "))] or lines
    return (
        f"The {name} that rust-toolchain.toml names cannot be installed in the builder image:\n"
        + "\n".join(errors)
        + "\n  Check the name, or choose a builder image that has it."
    )
