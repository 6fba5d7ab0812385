"""Tests of sandboxes: what runs in one container share, what each has of its own, and how the container is lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import (
    ConfigurationError,
    DaggerRustError,
    OutputMissingError,
    RunFailedError,
    RunTimeoutError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import dagger

    from pytest_dagger_rust import BlockingRustBuild, BlockingSandbox, Engine, RunResult, RustBuild


@pytest.fixture(scope="module")
def sandbox(app: BlockingRustBuild) -> Iterator[BlockingSandbox]:
    """One container for the tests of this file."""
    with app.sandbox(env={"GIVEN": "once"}, files={"/shared/file": "shared\n"}) as sandbox:
        yield sandbox


def sh(sandbox: BlockingSandbox, script: str, **options: object) -> str:
    """Run a script in a sandbox, and return what it prints."""
    return sandbox.exec(["sh", "-ec", script], check=True, **options).stdout  # type: ignore[arg-type]


def test_a_run_is_as_elsewhere(sandbox: BlockingSandbox) -> None:
    """Exit code, both streams, the signal, and standard input; the result says where it ran."""
    result = sandbox.run("app", "exit", "3")
    assert (result.exit_code, result.stdout, result.stderr) == (3, "last words\n", "complaint\n")
    assert result.in_sandbox
    assert repr(result).splitlines()[0].endswith(" s in a sandbox>")
    assert sandbox.run("app", "abort").signal == "SIGABRT"
    assert sandbox.run("app", "cat", stdin=b"\xff\0").stdout_bytes == b"\xff\0"
    assert sandbox.run("app", "cat").stdout_bytes == b""


def test_a_run_has_folders_of_its_own(sandbox: BlockingSandbox) -> None:
    """Where it works, its HOME and its TMPDIR are new and empty, and gone afterwards."""
    script = 'pwd; echo "$HOME"; echo "$TMPDIR"; ls -A . "$HOME" "$TMPDIR" | grep -v : || true; touch left "$HOME/left"'
    first, second = (sh(sandbox, script).split() for _ in range(2))
    assert len({*first, *second}) == 6
    assert sh(sandbox, f"ls -d {first[0]} 2>&1 || true").strip().endswith("No such file or directory")


def test_what_is_given_counts(sandbox: BlockingSandbox) -> None:
    """The sandbox's variables and files, and those of a run; its folder, and a HOME that the test chooses."""
    assert (
        sh(sandbox, 'echo "$GIVEN $MORE $HOME"', env={"MORE": "a b", "HOME": "/root"}) == "once a b /root\n"
    )
    assert sh(sandbox, "cat /shared/file; echo $MORE; pwd", cwd="/shared") == "shared\n\n/shared\n"


def test_files_go_in_and_come_out(sandbox: BlockingSandbox, tmp_path: Path) -> None:
    """By relative and absolute paths; folders with their permissions and links."""
    (tmp_path / "folder/inner").mkdir(parents=True)
    (tmp_path / "folder/inner/program").write_text("#!/bin/sh\necho ran\n")
    (tmp_path / "folder/inner/program").chmod(0o755)
    (tmp_path / "folder/link").symlink_to("inner/program")
    result = sandbox.exec(
        [
            "sh",
            "-ec",
            "folder/link >out; cat text >>out; cat /absolute/bytes >/absolute/out; mkdir d; echo x >d/x",
        ],
        files={"folder": tmp_path / "folder", "text": "text\n", "/absolute/bytes": b"\xff"},
        outputs=["out", "d", "/absolute/out"],
        check=True,
    )
    assert dict(result.files) == {"out": b"ran\ntext\n", "d/x": b"x\n", "/absolute/out": b"\xff"}


def test_an_output_of_an_earlier_run_is_none(sandbox: BlockingSandbox) -> None:
    """What a run did not write itself is missing, although the file was there."""
    sandbox.exec(["sh", "-c", "echo old >/output"], outputs=["/output"], check=True)
    result = sandbox.exec(["true"], outputs=["/output"])
    with pytest.raises(OutputMissingError, match="no output /output"):
        result.files["/output"]
    # Words of the program's own are no options.
    assert sh(sandbox, "echo kept >/other; sh -c 'true' --output=/other; cat /other") == "kept\n"


def test_what_a_run_leaves_behind_is_ended(sandbox: BlockingSandbox) -> None:
    """A daemon in a session of its own, too, before the next run begins."""
    sh(sandbox, "setsid sleep 4321 >/dev/null 2>&1 & sleep 4321 & exit 0")
    find = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null; echo; done | grep -c '^sleep 4321' || true"
    assert sh(sandbox, find) == "0\n"


def test_several_run_at_once(sandbox: BlockingSandbox, engine: Engine) -> None:
    """Each waits for the others to be there; what they write does not mix."""

    async def all_at_once() -> list[RunResult]:
        script = (
            'touch "/meeting-$0"; while [ $(ls / | grep -c meeting) -lt 8 ]; do sleep 0.01; done; echo "$0"'
        )
        box = sandbox.sandbox
        runs = (box.exec(["sh", "-c", script, str(number)], timeout=60) for number in range(8))
        return await asyncio.gather(*runs)

    assert [result.stdout for result in engine.call(all_at_once)] == [f"{number}\n" for number in range(8)]


def test_a_run_that_takes_too_long_is_ended(sandbox: BlockingSandbox) -> None:
    """As elsewhere; the next one is not concerned."""
    with pytest.raises(RunTimeoutError, match=r"its timeout of 0\.3 s") as told:
        sandbox.exec(["sh", "-c", "echo begun; sleep 60"], timeout=0.3)
    assert told.value.result.stdout == "begun\n"
    assert sh(sandbox, "echo fine") == "fine\n"


def test_a_run_that_nobody_waits_for_is_ended(sandbox: BlockingSandbox, engine: Engine) -> None:
    """A test that is cancelled leaves nothing running."""

    async def cancelled() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sandbox.sandbox.exec(["sleep", "5432"]), 1)

    engine.call(cancelled)
    find = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null; echo; done | grep -c '^sleep 5432' || true"
    gone = f'for i in $(seq 200); do n=$({find}); [ "$n" = 0 ] && break; sleep 0.02; done; echo "$n"'
    assert sh(sandbox, gone) == "0\n"


def test_a_run_that_ends_the_container_is_an_error(app: BlockingRustBuild) -> None:
    """It says so; the next run has a new container."""
    with app.sandbox() as sandbox:
        sh(sandbox, "touch /mark")
        with pytest.raises(DaggerRustError, match=r"kill -9 -1.* its sandbox ended while it ran"):
            sandbox.exec(["sh", "-c", "kill -9 -1; sleep 60"])
        assert sh(sandbox, "ls /mark 2>/dev/null || echo new") == "new\n"


def test_a_run_whose_watcher_is_ended_is_an_error(sandbox: BlockingSandbox) -> None:
    """And no other run is concerned."""
    with pytest.raises(DaggerRustError, match="the process that watched the program ended early"):
        sandbox.exec(["sh", "-c", "kill -9 $PPID; sleep 60"])
    assert sh(sandbox, "echo fine") == "fine\n"


def test_arguments_that_cannot_be(sandbox: BlockingSandbox, app: BlockingRustBuild) -> None:
    """Each is an error that says what to do."""
    with pytest.raises(
        ConfigurationError, match=r"There is no binary 'apq' in this build\. Did you mean 'app'"
    ):
        sandbox.run("apq")
    with pytest.raises(ConfigurationError, match=r"pass them to sandbox\(services=...\)"):
        sandbox.run("app", services={"db": app.container.as_service()})
    with pytest.raises(ConfigurationError, match="is reserved for pytest-dagger-rust"):
        sandbox.run("app", files={"/pytest-dagger-rust-sandbox/0": "x"})
    with pytest.raises(ConfigurationError, match="/nowhere could not be started in the runtime container"):
        sandbox.exec(["/nowhere"])
    with pytest.raises(ConfigurationError, match="sandbox takes no keyword argument 'timeout'"):
        app.build.sandbox(timeout=3)  # type: ignore[call-arg]


def test_any_user_can_run(
    build_on: Callable[[dagger.Container], RustBuild], rust_runtime_container: dagger.Container
) -> None:
    """The image's user has the folders of a run, whoever it is."""
    build = build_on(rust_runtime_container.with_user("1234")).blocking
    with build.sandbox() as sandbox:
        assert sandbox.run("app", "exit", "0").stdout == "last words\n"
        assert sh(sandbox, 'id -u; touch here "$HOME/there"; ls') == "1234\nhere\n"


def test_a_run_may_use_no_more_than_its_sandbox(app: BlockingRustBuild, sandbox: BlockingSandbox) -> None:
    """The network, and how many processes: of one run, and of all in one sandbox."""
    assert "Network is unreachable" in sandbox.run("app", "get", "127.0.0.1:1", network=False).stderr
    script = "for i in $(seq 30); do sleep 3 & done; wait"
    with app.sandbox(network=False, processes=20) as limited:
        assert "Network is unreachable" in limited.run("app", "get", "127.0.0.1:1").stderr
        with pytest.raises(RunFailedError, match="more than 20 processes"):
            limited.exec(["sh", "-c", script])
