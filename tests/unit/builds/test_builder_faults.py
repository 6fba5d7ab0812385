"""What a builder image lacks is said in one sentence, with what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_dagger_rust.builds.builder_faults import explained
from pytest_dagger_rust.container import agent

if TYPE_CHECKING:
    import dagger


class Failed:
    """What is read of an `ExecError`."""

    def __init__(self, *command: str, stderr: str = "") -> None:
        self.command = list(command)
        self.stderr = stderr


def said(error: Failed) -> str | None:
    """Return what the user is told."""
    found = explained(cast("dagger.ExecError", cast("Any", error)))
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("stderr", "beginning"),
    [
        ("error: linker `clang` not found\n", "The builder image has no linker: rustc looks for `clang`."),
        (
            "/usr/bin/ld: cannot find -lc: No such file",
            "The builder image has a linker, but no libc to link with.",
        ),
        ('exec: "rustc": executable file not found in $PATH', "The builder image has no rustc on its PATH."),
        (
            "error: rustup could not choose a version of rustc to run: no default is configured.",
            "The builder image has rustup, but no default toolchain.",
        ),
        (
            "error: something else\n",
            "The builder image's rustc cannot compile a program:\nerror: something else",
        ),
    ],
)
def test_why_the_agent_was_not_compiled(stderr: str, beginning: str) -> None:
    """Each of them once, whatever else rustc has to say."""
    text = said(Failed("rustc", "--edition=2021", stderr=stderr)) or ""
    assert text.startswith(beginning)


def test_a_toolchain_that_is_not_installed_is_named() -> None:
    """With the errors of rustup's, and without its progress."""
    stderr = "info: syncing\nerror: no release found\npytest-dagger-rust: rustup toolchain install x failed\n"
    text = said(Failed(agent.PROGRAM, "toolchain", "--into=f", "--channel=x", stderr=stderr))
    assert text == (
        "The toolchain x that rust-toolchain.toml names cannot be installed in the builder image:\n"
        "error: no release found\nrustup toolchain install x failed\n"
        "  Check the name, or choose a builder image that has it."
    )


def test_other_failures_are_somebody_else_s() -> None:
    """A build's, or that of a command which an override has added."""
    assert said(Failed(agent.PROGRAM, "build")) is None
    assert said(Failed("apt-get", "update")) is None
