"""The client's side of a session, with the SDK that is installed and with the newest, against a scripted dagger CLI."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from dev import newest_sdk
from tests import scripted_cli

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pytest.conftest import Project


@dataclass(frozen=True)
class Cli:
    """The scripted CLI of one project."""

    folder: Path

    @property
    def journal(self) -> list[str]:
        """What happened in its sessions."""
        return (self.folder / "journal").read_text().splitlines()


@pytest.fixture(params=["installed", newest_sdk.NEWEST, newest_sdk.BETA])
def sdk_version(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put an SDK in front of all others, and give its version."""
    if request.param == "installed":
        return metadata.version("dagger-io")
    folder = newest_sdk.folder(request.param)
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
    (found,) = metadata.distributions(name="dagger-io", path=[str(folder)])
    return found.version


@pytest.fixture
def cli(sdk_version: str, project: Project, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Have the project's tests use the scripted CLI, and no session or engine that there is."""
    program = project.folder / "dagger"
    # Isolated: beside it is a folder called typing.
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I {scripted_cli.__file__} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("_EXPERIMENTAL_DAGGER_CLI_BIN", str(program))
    monkeypatch.setenv("SCRIPTED_CLI_JOURNAL", str(project.folder / "journal"))
    for name in ("_EXPERIMENTAL_DAGGER_RUNNER_HOST", "DAGGER_SESSION_PORT", "DAGGER_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return Cli(project.folder)


QUERIES = """
import asyncio, threading
from importlib import metadata

import dagger
import pytest


def test_the_sdk_is_the_one_meant():
    assert metadata.version("dagger-io") == VERSION


async def test_query(dagger_client):
    assert await dagger_client.version() == "v0"


@pytest.mark.parametrize("again", [1, 2])
async def test_every_test_has_its_own_loop(dagger_client, again):
    echo = dagger_client.container().from_("image").with_exec(["echo", str(again)])
    assert await echo.stdout() == f"{again}\\n"
    assert await asyncio.gather(echo.stdout(), echo.stdout()) == [f"{again}\\n"] * 2


async def test_an_object_that_is_loaded_by_its_id(dagger_client):
    echo = await dagger_client.container().from_("image").with_exec(["echo", "loaded"]).sync()
    assert await echo.stdout() == "loaded\\n"


async def test_a_failed_exec(dagger_client):
    with pytest.raises(dagger.ExecError) as error:
        await dagger_client.container().from_("image").with_exec(["exit", "3"]).sync()
    assert (error.value.exit_code, error.value.command) == (3, ["exit", "3"])
    assert (error.value.stdout, error.value.stderr) == ("out", "err")
"""


def test_queries_are_answered(cli: Cli, sdk_version: str, project: Project) -> None:
    """One session, opened with its token and closed at the end, answers tests on all their loops, also with errors."""
    result = project.pytest(any=QUERIES.replace("VERSION", repr(sdk_version)))
    result.assert_outcomes(passed=6)
    assert cli.journal[0] == "opened --silent session"
    assert cli.journal[-1] == "closed"
    assert sum(line.startswith("query") for line in cli.journal) == len(cli.journal) - 2
    assert "query { version }" in cli.journal


def test_a_token_that_is_refused(cli: Cli, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that does not let us in is an EngineUnavailable, told once and closed."""
    monkeypatch.setenv("SCRIPTED_CLI_TOKEN", "stolen")
    result = project.pytest(any="def test_one(dagger_client): ...\ndef test_two(dagger_client): ...\n")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["EngineUnavailable: The Dagger session on port * does not answer: *401*"])
    # pytest repeats it in its summary, in CI in full.
    told = result.stdout.str().partition("short test summary info")[0]
    assert told.count("start Docker") == 1
    assert cli.journal == ["opened --silent session", "closed"]


def test_an_engine_of_another_version(
    cli: Cli, sdk_version: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session does not open with it: one sentence has both versions, and one the command that helps."""
    monkeypatch.setenv("SCRIPTED_CLI_VERSION", "v0.18.14")
    result = project.pytest(any="def test_one(dagger_client): ...\ndef test_two(dagger_client): ...\n")
    result.assert_outcomes(errors=2)
    told = result.stdout.str().partition("short test summary info")[0]
    sentence = (
        f"engine is version 0.18.14 and the Python SDK is version {sdk_version}, which do not go together."
    )
    assert told.count(sentence) == told.count("pip install dagger-io==0.18.14") == 1
    assert cli.journal == ["opened --silent session", "closed"]


def test_an_engine_that_is_lost(cli: Cli, project: Project) -> None:
    """A query whose engine goes away fails at once, not after retries, and so do those after it."""
    source = """
import time
import pytest
from pytest_dagger_rust import EngineUnavailable

async def test_lost(dagger_client):
    begun = time.monotonic()
    with pytest.raises(EngineUnavailable, match="^The connection to the Dagger engine was lost: .+\\n  Run the tests"):
        await dagger_client.container().with_exec(["vanish"]).stdout()
    with pytest.raises(EngineUnavailable):
        await dagger_client.version()
    # The SDK's retries take 15.
    assert time.monotonic() - begun < 7
"""
    result = project.pytest(any=source)
    result.assert_outcomes(passed=1)
    assert cli.journal[-1] == "vanished"


def test_an_image_that_is_not_there(cli: Cli, project: Project) -> None:
    """What the engine refuses is told in words of a build."""
    result = project.pytest(
        "--dagger-rust-builder-image=nowhere/rust:1", any="def test_one(cached_rust_build): ...\n"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["DaggerRustError: The image nowhere/rust:1 cannot be used: *not found.*"])
    assert cli.journal[-1] == "closed"
