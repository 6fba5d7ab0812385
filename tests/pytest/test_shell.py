"""Tests of --dagger-rust-shell-on-failure: a shell where the program of a failed test ran, on the terminal of pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.pytest.terminal import run_pytest

if TYPE_CHECKING:
    from tests.pytest.conftest import Project

FAILING = """
import pytest

@pytest.fixture
def server(cached_rust_build):
    with cached_rust_build.blocking.service("app", "serve", "0.0.0.0:8080", ports=[8080]) as server:
        yield server

def test_fails(cached_rust_build, server):
    files, env = {"/data/note": "a note"}, {"COLOUR": "red"}
    options = {"files": files, "env": env, "cwd": "/data", "services": {"web": server}}
    assert cached_rust_build.blocking.run("app", "cat", stdin="hello", **options).exit_code == 1

def test_goes_on(cached_rust_build):
    assert cached_rust_build.blocking.run("app", "cat", stdin="after").stdout == "after"

def test_without_a_program():
    assert False
"""
# Nothing here is shown before it has run: a terminal shows what is typed, too.
TYPED = (
    ("/data# ", "echo $((6*7)) $COLOUR; pwd; stty size\r"),
    ("24 100", "app read note; echo; app cat < /pytest-dagger-rust-stdin; echo\r"),
    ("hello", "app get web:8080; echo\r"),
    # Said by what Ctrl-C is meant for: between two commands of its own, bash may miss it.
    ("HTTP/1.1 200 OK", "sh -c 'echo $((1+1))-slept; exec sleep 600'\r"),
    ("2-slept", "\x03"),
    ("^C", "echo awake-$((3*3))\r"),
    ("awake-9", "exit\r"),
)


def test_a_failed_test_opens_a_shell(project: Project) -> None:
    """With files, variables, folder, services and input of the run, and its own Ctrl-C; then pytest goes on."""
    project.write({"test_failing.py": FAILING})
    terminal = run_pytest(
        project.folder, "--dagger-rust-shell-on-failure", "--color=no", columns=100, typed=TYPED
    )
    text = terminal.text
    before, _, after = text.partition("a shell where `app cat < /pytest-dagger-rust-stdin` ran")
    assert "test_fails: call failed" in before
    assert "/data# " in after
    assert "/data# " not in before
    assert "42 red\r\n/data\r\n24 100\r\n" in text
    assert "a note\r\nhello" in text
    assert "no shell: the test started no program" in text
    assert "2 failed, 1 passed" in text
    assert terminal.exit_code == 1
    assert terminal.modes[0] == terminal.modes[1]


WITHOUT_SHELL = """
import pytest

@pytest.fixture(scope="session")
def rust_runtime_container(dagger_client):
    return dagger_client.container()
"""


def test_an_image_without_a_shell(project: Project) -> None:
    """It is said in one line, and the tests go on."""
    project.write({"conftest.py": WITHOUT_SHELL, "test_failing.py": FAILING})
    terminal = run_pytest(
        project.folder, "--dagger-rust-shell-on-failure", "-k", "fails or goes", env={"COLUMNS": "200"}
    )
    assert terminal.text.count("dagger-rust: no shell: sh could not be started: No such file") == 2, (
        terminal.text
    )
    assert terminal.exit_code == 1


def test_a_terminal_is_needed(project: Project) -> None:
    """Without one, and with workers, the setting is a usage error before any test is collected."""
    result = project.pytest("--dagger-rust-shell-on-failure", failing=FAILING)
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["ERROR: pytest-dagger-rust: --dagger-rust-shell-on-failure needs a terminal: *"]
    )
    terminal = run_pytest(project.folder, "--dagger-rust-shell-on-failure", "-n2")
    assert terminal.exit_code == 4
    assert (
        "--dagger-rust-shell-on-failure is not supported with pytest-xdist workers: leave it out"
        in terminal.text
    )
