"""Tests of what a user is told when something is wrong: one clear message, and nothing left running."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.pytest import program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.pytest.conftest import Project

TWO_TESTS = """
def test_one(cached_rust_build):
    pass

async def test_two(cached_rust_build):
    pass
"""


def errors_of(project: Project, *arguments: str, source: str = TWO_TESTS) -> str:
    """Run pytest, which has to end in errors, and give all it printed; no Python traceback is in it."""
    result = project.pytest(*arguments, any=source)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = result.stdout.str() + result.stderr.str()
    for sign in ("Traceback", "site-packages", "raise ", r"\.py:\d"):
        assert not re.search(sign, text), f"{sign!r} in:\n{text}"
    # pytest's own summary repeats the first lines.
    return text.partition("short test summary info")[0]


def assert_told_once(text: str, words: Sequence[str]) -> None:
    """The message is shown for the first test, and the second one is counted there."""
    for word in words:
        assert text.count(word) == 1, f"{word!r} is there {text.count(word)} times in:\n{text}"
    assert len(re.findall(r"and 1 more test (?:needs this build|with the same error)", text)) == 1


def processes_with(word: str) -> list[str]:
    """Return the command lines of running processes that have a word in them."""
    found: list[str] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            found += [command] if word in command else []
    return found


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("unix:///nowhere/engine.sock", "No such file or directory"),
        ("tcp://127.0.0.1:1", "Connection refused"),
        ("tcp://no-such-host.invalid:1", "no-such-host.invalid"),
    ],
)
def test_an_address_without_an_engine(
    project: Project, monkeypatch: pytest.MonkeyPatch, address: str, reason: str
) -> None:
    """Within ten seconds: what was tried, why it failed, and what helps."""
    monkeypatch.setenv("_EXPERIMENTAL_DAGGER_RUNNER_HOST", address)
    started = time.monotonic()
    text = errors_of(project)
    assert time.monotonic() - started < 10
    assert_told_once(text, [f"No Dagger engine answers at {address}", "start Docker"])
    assert reason in text


def fake_cli(folder: Path, script: str) -> str:
    """Write a program that stands in for the dagger CLI."""
    path = folder / "fake-dagger-cli"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("sleep 1000", ["did not open a session within 1 s"]),
        ("echo 'no space left' >&2; exit 3", ["stopped before it opened a session", "dagger: no space left"]),
        ("echo nonsense; sleep 1000", ["stopped before it opened a session"]),
        ("exec /nowhere/dagger", ["stopped before it opened a session"]),
    ],
    ids=["hangs", "fails", "talks nonsense", "is broken"],
)
def test_a_cli_that_does_not_work(
    project: Project, monkeypatch: pytest.MonkeyPatch, script: str, words: list[str]
) -> None:
    """A CLI that hangs, stops or answers nonsense is ended, and its last words are shown."""
    monkeypatch.setenv("_EXPERIMENTAL_DAGGER_CLI_BIN", fake_cli(project.folder, script))
    assert_told_once(errors_of(project, "--dagger-rust-connect-timeout=1"), words)
    assert processes_with(str(project.folder / "fake-dagger-cli")) == []


def test_a_cli_that_is_not_there(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The path that was tried is named."""
    monkeypatch.setenv("_EXPERIMENTAL_DAGGER_CLI_BIN", "/nowhere/dagger")
    assert_told_once(errors_of(project), ["/nowhere/dagger: No such file or directory"])


def test_a_session_that_is_gone(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session named by the environment that nobody serves any more is said to be that."""
    monkeypatch.setenv("DAGGER_SESSION_PORT", "1")
    monkeypatch.setenv("DAGGER_SESSION_TOKEN", "token")
    assert_told_once(errors_of(project), ["The Dagger session on port 1 does not answer"])


def test_a_missing_engine_can_skip_the_tests(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """With dagger_rust_on_missing_engine = skip the tests are skipped, with the reason."""
    monkeypatch.setenv("_EXPERIMENTAL_DAGGER_RUNNER_HOST", "unix:///nowhere/engine.sock")
    result = project.pytest("-rs", "--dagger-rust-on-missing-engine=skip", any=TWO_TESTS)
    result.assert_outcomes(skipped=2)
    result.stdout.fnmatch_lines(["*No Dagger engine answers at unix:///nowhere/engine.sock*"])


def test_an_image_that_is_not_there(project: Project) -> None:
    """The image's name is in the message."""
    image = "127.0.0.1:5000/no-such-image:1"
    assert_told_once(errors_of(project, f"--dagger-rust-builder-image={image}"), [f"{image} cannot be used"])


def test_a_folder_without_a_manifest(bare_project: Project) -> None:
    """A rootdir without Cargo.toml: the folder, and how to name another one."""
    text = errors_of(bare_project)
    assert_told_once(text, ["there is no Cargo.toml here"])
    assert str(bare_project.folder) in text
    assert "dagger_rust_workspace" in text


def test_a_manifest_that_is_not_toml(bare_project: Project) -> None:
    """File and line of the mistake."""
    bare_project.write({"Cargo.toml": '[package]\nname = "app"\nversion 1\n'})
    assert_told_once(errors_of(bare_project), [f"{bare_project.folder / 'Cargo.toml'}:3: "])


def test_a_member_that_does_not_exist(bare_project: Project) -> None:
    """The member, and the manifest that names it."""
    bare_project.write({"Cargo.toml": '[workspace]\nmembers = ["gone"]\n'})
    text = errors_of(bare_project)
    assert "gone" in text
    assert str(bare_project.folder / "Cargo.toml") in text


def test_a_compile_error_is_rendered_by_rustc_once(bare_project: Project) -> None:
    """The rendering of rustc, with place and code, once for two tests; the next run with the mistake mended passes."""
    bare_project.write({**program.FILES, "library.rs": "pub fn greeting() -> &'static str {\n    42\n}\n"})
    text = errors_of(bare_project)
    assert_told_once(
        text, ["error[E0308]", "mismatched types", "--> library.rs:2:5", "could not compile `app` (lib)"]
    )
    bare_project.write(program.FILES)
    bare_project.pytest(any=TWO_TESTS).assert_outcomes(passed=2)


def test_a_lock_file_that_is_out_of_date(bare_project: Project) -> None:
    """What cargo itself says of it, when it was told to keep to the lock file."""
    bare_project.write({**program.FILES, "Cargo.lock": program.LOCK.replace("1.2.3", "1.2.2")})
    assert "lock file" in errors_of(bare_project, "--dagger-rust-locked")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dagger-rust-profile=nosuch"], ["profile `nosuch` is not defined"]),
        (["--dagger-rust-bins=nosuch"], ["nosuch", "app, other"]),
        (["--dagger-rust-packages=nosuch"], ["nosuch"]),
        (["--dagger-rust-features=nosuch"], ["nosuch"]),
    ],
    ids=lambda value: value[0],
)
def test_options_the_workspace_has_no_answer_to(
    project: Project, arguments: list[str], words: list[str]
) -> None:
    """A profile, binary, package or feature that is not there is named."""
    text = errors_of(project, *arguments)
    for word in words:
        assert word in text


IN_THE_TEST = """
import pytest
from pytest_dagger_rust import ConfigurationError, RunFailedError, RunTimeoutError

async def test_no_such_binary(cached_rust_build):
    with pytest.raises(ConfigurationError, match="no binary 'ap' in this build. Did you mean 'app'. It has: app, other"):
        await cached_rust_build.run("ap")

async def test_check(cached_rust_build):
    with pytest.raises(RunFailedError, match="(?s)app exit 3: exit code 3.*stdout: last words.*stderr: complaint") as error:
        await cached_rust_build.run("app", "exit", "3", check=True)
    assert error.value.result.exit_code == 3

async def test_timeout(cached_rust_build):
    with pytest.raises(RunTimeoutError, match="timeout of 0.5 s"):
        await cached_rust_build.run("app", "sleep", "60", timeout=0.5)

@pytest.mark.parametrize("arguments", [{"env": {"A": 1}}, {"files": {"relative": ""}}, {"timeout": 0}], ids=str)
async def test_arguments(cached_rust_build, arguments):
    with pytest.raises(ConfigurationError, match="^(run|app): "):
        await cached_rust_build.run("app", **arguments)

async def test_missing_file(cached_rust_build, tmp_path):
    with pytest.raises(ConfigurationError, match="there is no file or folder .*gone"):
        await cached_rust_build.run("app", files={"/x": tmp_path / "gone"})

def test_number(cached_rust_build):
    with pytest.raises(ConfigurationError, match="Pass '1'"):
        cached_rust_build.blocking.run("app", 1)

async def test_unknown_option(cached_rust_build_factory):
    with pytest.raises(ConfigurationError, match="CargoOptions has no feature."):
        await cached_rust_build_factory(feature=["x"])

async def test_export_onto_a_file_as_folder(cached_rust_build, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="file is not a folder"):
        await cached_rust_build.export("app", tmp_path / "file" / "app")
"""


def test_mistakes_in_a_test_are_told_where_they_are_made(project: Project) -> None:
    """Calls that cannot work raise errors that say why and what would."""
    project.pytest(mistakes=IN_THE_TEST).assert_outcomes(passed=10)


KEPT = """
import asyncio, atexit

def test_keep(cached_rust_build):
    def later():
        try:
            asyncio.run(cached_rust_build.run("app"))
        except Exception as error:
            print("LATER", type(error).__name__, str(error).splitlines()[0])
    atexit.register(later)
"""


def test_a_build_kept_beyond_the_session_says_so(project: Project) -> None:
    """An object of the session used after its end gives a clear error, at once."""
    result = project.pytest("-s", kept=KEPT)
    result.stdout.fnmatch_lines(["LATER EngineUnavailable The Dagger session has ended*"])
