"""Tests of what a program under test can do to the run it is part of, in a real container: nothing to this machine."""

from __future__ import annotations

import http.client
import time
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import ConfigurationError, DaggerRustError, OutputMissingError, RunFailedError
from pytest_dagger_rust.run import results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import dagger

    from pytest_dagger_rust import BlockingRustBuild, RustBuild
    from pytest_dagger_rust.run.results import AgentReport

RESULT = "/pytest-dagger-rust-result/result"


@pytest.fixture(scope="module", params=["root", "1000:1000"])
def app(
    request: pytest.FixtureRequest,
    build_on: Callable[[dagger.Container], RustBuild],
    rust_runtime_container: dagger.Container,
) -> BlockingRustBuild:
    """The program, as root and as another user."""
    return build_on(rust_runtime_container.with_user(request.param)).blocking


@pytest.mark.parametrize(
    "attack",
    [
        f"ln -s /proc/self/environ {RESULT}",
        f"mkfifo {RESULT}",
        f"mkdir -p {RESULT}/a/b",
        f"mknod {RESULT} c 1 5",
        f"printf 'pytest-dagger-rust result 1\\n' >{RESULT}; chmod 4755 {RESULT}",
        "mv /pytest-dagger-rust-result /tmp/mine; rm -rf /pytest-dagger-rust-result; ln -s /etc /pytest-dagger-rust-result",
    ],
    ids=["link", "fifo", "folder", "device", "forged", "folder replaced"],
)
def test_nothing_in_place_of_a_result_reaches_this_machine(
    app: BlockingRustBuild, monkeypatch: pytest.MonkeyPatch, attack: str
) -> None:
    """What is read here is what the agent has written, and neither a file nor a variable of this machine."""
    monkeypatch.setenv("SECRET_OF_THIS_MACHINE", "s3cr3t")
    result = app.run("app", "sh", f"{{ {attack}; }} 2>/dev/null; echo said; exit 7", timeout=30)
    assert (result.exit_code, result.stdout_bytes, result.stderr_bytes) == (7, b"said\n", b"")


def test_nothing_else_leaves_the_container(app: BlockingRustBuild, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much is beside the result, and of whatever kind."""
    seen: list[tuple[str, int, int]] = []
    read_file = results.read_file

    def read(path: Path, outputs: int) -> AgentReport:
        files = [(file, file.lstat()) for file in path.parent.iterdir()]
        seen.extend((file.name, found.st_size, found.st_mode & 0o7000) for file, found in files)
        return read_file(path, outputs)

    monkeypatch.setattr(results, "read_file", read)
    attack = (
        "cd /pytest-dagger-rust-result; head -c 200000000 /dev/zero >extra; cp /bin/sh suid; chmod 4755 suid"
    )
    assert app.run("app", "sh", attack).exit_code == 0
    (name, size, special) = seen.pop()
    assert (name, special, seen) == ("result", 0, [])
    assert size < 1000


def test_a_killed_agent_is_an_error(app: BlockingRustBuild) -> None:
    """Whatever the program has written in its place."""
    attack = f"echo forged >{RESULT}; kill -9 $PPID; sleep 5"
    with pytest.raises(
        DaggerRustError, match=r"its container ended before the run was over: exit code 137\."
    ):
        app.run("app", "sh", attack)


@pytest.mark.parametrize("timeout", [None, 60])
def test_a_daemon_does_not_hold_a_run_up(app: BlockingRustBuild, timeout: float | None) -> None:
    """In a session of its own, with the output open."""
    began = time.monotonic()
    result = app.run("app", "sh", "(setsid sleep 120 &); echo said", timeout=timeout)
    assert result.stdout == "said\n"
    assert time.monotonic() - began < 30


def test_the_agent_is_closed_to_the_program(app: BlockingRustBuild) -> None:
    """Its variables have the engine's addresses; its descriptors lead to the results."""
    look = "cd /proc/$PPID; cat environ mem fd/0 fd/3; echo forged >fd/3; exit 0"
    result = app.run("app", "sh", look)
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 5
    assert result.stderr.count("denied") == 5


def test_outputs_that_are_no_files_are_said(app: BlockingRustBuild) -> None:
    """Nothing is waited for, whatever time there is; with check=True it is the reason of the failure."""
    make = "cd /tmp; mkfifo pipe; ln -s /etc/passwd link; mkdir folder; ln -s /etc folder/link; echo x >folder/file"
    outputs = ["/tmp/pipe", "/tmp/link", "/tmp/folder", "/dev/zero"]  # noqa: S108 - in the container
    result = app.run("app", "sh", make, outputs=outputs, timeout=30)
    assert result.files == {"/tmp/folder/file": b"x\n"}  # noqa: S108
    with pytest.raises(
        OutputMissingError, match=r"^There is no output /tmp/pipe: it is not a regular file\. Files"
    ):
        _ = result.files["/tmp/pipe"]  # noqa: S108
    with pytest.raises(
        OutputMissingError, match=r"^There is no output /tmp/folder/link: it is a symbolic link\."
    ):
        _ = result.files["/tmp/folder/link"]  # noqa: S108
    with pytest.raises(RunFailedError, match=r"^/tmp/link is a symbolic link: app sh"):
        app.run("app", "sh", make, outputs=["/tmp/link"], check=True)  # noqa: S108


@pytest.mark.parametrize("path", ["/pytest-dagger-rust-agent/agent", "/x/../pytest-dagger-rust-result"])
def test_the_agents_own_folders_are_refused(app: BlockingRustBuild, path: str) -> None:
    """Before anything runs."""
    with pytest.raises(
        ConfigurationError, match=r"^app: files: '.*' is reserved for pytest-dagger-rust; choose"
    ):
        app.run("app", files={path: "x"})
    with pytest.raises(
        ConfigurationError, match=r"^run: outputs: '.*' is reserved for pytest-dagger-rust; choose"
    ):
        app.run("app", outputs=[path])


def test_variables_of_the_engine_are_the_tests_to_set(app: BlockingRustBuild) -> None:
    """A program with tracing built in sends nothing to the engine, unless its test says where to."""
    assert "OTEL" not in app.run("app", "env").stdout
    assert "TRACEPARENT" not in app.run("app", "env").stdout
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "TRACEPARENT": "mine"}
    lines = app.run("app", "env", env=env).stdout.splitlines()
    assert {f"{name}={value}" for name, value in env.items()} <= set(lines)


def test_without_a_network_no_process_of_the_container_gives_one(app: BlockingRustBuild) -> None:
    """The program is refused sockets, and the memory of the container's first process, which has a network."""
    command = "(exec 3<>/proc/1/mem) 2>/dev/null && echo open"
    assert app.run("app", "sh", command).stdout == "open\n"
    assert app.run("app", "sh", command, network=False).stdout == ""
    assert "Network is unreachable" in app.run("app", "get", "127.0.0.1:1", network=False).stderr
    with app.service("app", "serve", "127.0.0.1:8080", ports=[8080], network=False) as service:
        client = http.client.HTTPConnection("127.0.0.1", service.port, timeout=10)
        client.request("GET", "/host")
        assert client.getresponse().status == 200


def test_too_many_processes_are_an_error(app: BlockingRustBuild) -> None:
    """It names the limit; the limit can be raised for one run."""
    command = "for i in $(seq 30); do sleep 3 & done; wait; echo done"
    with pytest.raises(RunFailedError, match="more than 20 processes"):
        app.run("app", "sh", command, processes=20)
    assert app.run("app", "sh", command, processes=200).stdout == "done\n"
