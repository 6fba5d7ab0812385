"""What a failed build says."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import dagger
import gql
import pytest
from dagger._exceptions import QueryErrorValue

from pytest_dagger_rust import DaggerRustError
from pytest_dagger_rust.builds.failures import (
    TIMED_OUT,
    build_errors,
    cargo_failure,
    is_about_others,
    no_image,
    with_withheld,
)
from pytest_dagger_rust.builds.outcome import failure_text
from pytest_dagger_rust.container import agent
from pytest_dagger_rust.diagnostics import Diagnostic

_SCRIPT = """\
   Compiling needs v0.1.0 (/files)
warning: needs@0.1.0: looked for it in two places
error: failed to run custom build command for `needs v0.1.0 (/files)`

Caused by:
  process didn't exit successfully: `/target/build-script-build` (exit status: 1)
  --- stderr
  the program frobnicate is not installed
"""


def _kept(stderr: str) -> str:
    return json.dumps({"messages": [], "stderr": stderr, "signal": None})


def test_the_error_comes_before_the_warnings_of_a_build_script() -> None:
    """The first line is cargo's error, and the script's warning comes after all that belongs to it."""
    lines = str(cargo_failure(_kept(_SCRIPT))).splitlines()
    assert lines[0] == "error: failed to run custom build command for `needs v0.1.0 (/files)`"
    assert lines[-1] == "warning: needs@0.1.0: looked for it in two places"


_FETCH = """\
    Updating git repository `https://git.example/tool`
error: failed to get `tool` as a dependency of package `app v0.1.0 (/files)`

Caused by:
  Unable to update https://git.example/tool

Caused by:
  Permission denied (os error 13)
"""


def test_no_cause_is_taken_for_what_cargo_is_doing() -> None:
    """Some begin with a capital, as a line of progress does."""
    said = str(cargo_failure(_kept(_FETCH)))
    assert "Updating" not in said
    assert said.splitlines()[1:] == [
        "Caused by:",
        "  Unable to update https://git.example/tool",
        "Caused by:",
        "  Permission denied (os error 13)",
    ]


def test_a_compile_error_does_not_hide_the_failure_of_a_build_script() -> None:
    """Of what the compiler has explained there is only the line that names the package."""
    compiled = (
        "error: could not compile `app` (lib) due to 1 previous error\nwarning: build failed, waiting\n"
    )
    rendered = Diagnostic("error", "mismatched types", "E0308", "error[E0308]: mismatched types\n", "app", ())
    said = failure_text((rendered,), compiled + _SCRIPT)
    lines = said.splitlines()
    assert lines[:3] == [
        "could not compile `app` (lib) due to 1 previous error",
        "",
        "error[E0308]: mismatched types",
    ]
    assert lines[4] == "error: failed to run custom build command for `needs v0.1.0 (/files)`"
    assert lines[-1] == "  the program frobnicate is not installed"


def test_a_builder_without_python() -> None:
    """PyO3's build script looks for it also where only the program beside its crate is wanted: what to do is said."""
    said = str(
        cargo_failure(
            _kept(
                _SCRIPT.replace(
                    "the program frobnicate is not installed", "error: no Python 3.x interpreter found"
                )
            )
        )
    )
    assert "\n\nThe builder image has no Python" in said
    assert "dagger_rust_test_excludes" in said
    assert "Python" not in str(cargo_failure(_kept(_SCRIPT)))


def test_a_failure_of_a_dependency_is_final() -> None:
    """A dependency that does not compile is an error at once; a stub that does not compile is none."""
    failure = cargo_failure(_kept(_SCRIPT))
    assert is_about_others(failure, {"app"})
    assert not is_about_others(failure, {"app", "needs"})
    assert not is_about_others(cargo_failure(_kept("error: no matching package")), {"app"})


def test_a_failure_names_what_was_not_sent() -> None:
    """The build may have missed it: sqlx reads `.env`, and says nothing of it."""
    failure = cargo_failure(_kept(_SCRIPT))
    assert with_withheld(failure, ()) is failure
    noted = with_withheld(failure, {"b/.ssh", ".env"})
    assert str(noted).startswith(str(failure))
    assert "because they may hold secrets: .env, b/.ssh.\n  If the build needs one, add" in str(noted)
    assert noted.diagnostics == failure.diagnostics


@pytest.mark.parametrize(
    ("said", "reason", "hint"),
    [
        (
            "err: exit status 1, out: ``",
            "a credential helper failed: exit status 1.",
            "docker-credential-NAME",
        ),
        (
            "err: exit status 1, out: `locked`",
            "a credential helper failed: locked.",
            "docker-credential-NAME",
        ),
        ("err: exit status 1, out: `a: b`", "a credential helper failed: a: b.", "docker-credential-NAME"),
    ],
)
def test_a_credential_helper_that_fails_is_named(said: str, reason: str, hint: str) -> None:
    """Of an image that cannot be pulled, whatever the helper has printed."""
    whole = f'failed to resolve image "a/b:1": failed to resolve source metadata: rpc error: error getting credentials - {said}'
    message = no_image(whole)
    assert message is not None
    assert message.startswith(f"The image a/b:1 cannot be used: {reason}\n")
    assert hint in message


def test_other_images_and_other_errors() -> None:
    """A login that is missing has a hint of its own; what is no image's fault is somebody else's."""
    assert "docker login" in str(no_image('failed to resolve image "a/b:1": x: 401 Unauthorized'))
    assert "Check its name" in str(no_image('failed to resolve image "a/b:1": x: not found'))
    assert no_image("error getting credentials - err: exit status 1, out: ``") is None


@pytest.mark.parametrize("subcommand", ["fetch", "build"])
def test_a_killed_build_container_is_said_so(subcommand: str) -> None:
    """An exit code alone says nothing to most people."""
    expected = "The build container was killed by SIGKILL. It may have been short of memory."
    assert _failed(subcommand, 137, "Fresh part v1.0.0").splitlines()[0] == expected


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        (
            "   Compiling a v1\npytest-dagger-rust: cargo was stopped after 5 s\n",
            "cargo was stopped after 5 s.",
        ),
        ("  Building [=> ] 0/2: a\x1b[K\rpytest-dagger-rust: cargo was stopped\n", "cargo was stopped."),
        ("", "cargo was stopped."),
    ],
)
def test_a_build_that_took_too_long(stderr: str, expected: str) -> None:
    """The agent's words are found behind progress that cargo has not ended; without them, the error still says it."""
    assert _failed("build", TIMED_OUT, stderr).splitlines()[0] == expected


def _failed(subcommand: str, exit_code: int, stderr: str) -> str:
    """Return the error of an exec of the agent's that has failed."""
    details = {"_type": "EXEC_ERROR", "cmd": [agent.PROGRAM, subcommand, "--build-id", "1"]}
    value = QueryErrorValue(
        f"exit code: {exit_code}",
        extensions={**details, "exitCode": exit_code, "stdout": "", "stderr": stderr},
    )
    # The SDK's own signature has no types.
    make: Any = dagger.ExecError
    error = make([value], gql.gql("{ version }"))

    async def read_nothing(_: str) -> str:
        pytest.fail("nothing has been kept")

    async def fail() -> None:
        async with build_errors(read_nothing, Path("/")):
            raise error

    with pytest.raises(DaggerRustError) as caught:
        asyncio.run(fail())
    return str(caught.value)
