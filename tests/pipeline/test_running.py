"""Tests of what a test can do with a binary: run it in many ways, compose on it, take it out."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import RustWorkspace, build
from tests.plugin import program

if TYPE_CHECKING:
    from pathlib import Path

    import dagger

    from pytest_dagger_rust import BlockingRustBuild, Engine, RustBuild
    from pytest_dagger_rust.running import FileContent


@pytest.fixture(scope="session")
def built(
    engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
    rust_builder_image: str,
    rust_runtime_container: dagger.Container,
) -> RustBuild:
    """The build of the program that does on request what programs do."""
    root = tmp_path_factory.mktemp("program")
    for name, text in program.FILES.items():
        (root / name).write_text(text)

    async def run() -> RustBuild:
        builder = engine.client.container().from_(rust_builder_image)
        return await build(
            engine.client,
            RustWorkspace.load(root),
            builder=builder,
            runtime=rust_runtime_container,
            engine=engine,
        )

    return engine.call(run)


@pytest.fixture(scope="session")
def app(built: RustBuild) -> BlockingRustBuild:
    """The same, for tests that are no coroutines."""
    return built.blocking


def test_the_result_has_exit_code_and_output_apart(app: BlockingRustBuild) -> None:
    """Exit code, standard output, standard error, and a plausible time."""
    result = app.run("app", "exit", "3")
    assert (result.exit_code, result.signal) == (3, None)
    assert (result.stdout, result.stderr) == ("last words\n", "complaint\n")
    assert 0 <= result.seconds < 5
    assert repr(result).startswith("<RunResult app exit 3: exit code 3, 0.")


def test_a_death_by_signal_has_its_name(app: BlockingRustBuild) -> None:
    """An aborting program is reported as a shell does, with the signal's name."""
    result = app.run("app", "abort")
    assert (result.exit_code, result.signal) == (134, "SIGABRT")


def test_five_megabytes_come_whole(app: BlockingRustBuild) -> None:
    """Output is not cut where the engine's own log would be."""
    result = app.run("app", "flood", str(5 * 1024))
    assert result.stdout_bytes == b"x" * 5 * 1024 * 1024


def test_bytes_that_are_no_text_come_as_they_are(app: BlockingRustBuild) -> None:
    """Bytes are kept, and the text has replacement characters."""
    result = app.run("app", "invalid")
    assert result.stdout_bytes == b"a\xff\xfe\0b"
    assert result.stdout == "a\ufffd\ufffd\0b"


@pytest.mark.parametrize("stdin", ["", "text\n", "ümläut", b"\0\xff", "x" * 200_000])
def test_standard_input_arrives(app: BlockingRustBuild, stdin: str | bytes) -> None:
    """Text and bytes of any size reach the program; without any, its input is empty."""
    expected = stdin.encode() if isinstance(stdin, str) else stdin
    assert app.run("app", "cat", stdin=stdin).stdout_bytes == expected


def test_arguments_arrive_as_they_are(app: BlockingRustBuild) -> None:
    """No shell takes arguments apart."""
    assert (
        app.run("app", "args", "a b", "$HOME", "*", "", "--x='y'").stdout
        == '["a b", "$HOME", "*", "", "--x=\'y\'"]\n'
    )


def test_environment_and_folder(app: BlockingRustBuild) -> None:
    """The program sees the variables it was given and none of ours, and starts where it was told to."""
    lines = app.run("app", "env", env={"COLOR": "never ever"}).stdout.splitlines()
    assert "COLOR=never ever" in lines
    assert not [line for line in lines if "DAGGER_RUST" in line]
    assert app.run("app", "pwd", cwd="/usr/lib").stdout == "/usr/lib\n"
    assert app.run("app", "pwd").stdout == "/\n"


def test_files_are_put_in(app: BlockingRustBuild, tmp_path: Path) -> None:
    """Text, bytes, a host's file and a host's folder can be read by the program."""
    (tmp_path / "folder/deep").mkdir(parents=True)
    (tmp_path / "folder/deep/file").write_text("from a folder")
    (tmp_path / "file").write_text("from a file")
    files: dict[str, FileContent] = {
        "/a/text": "text",
        "/a/bytes": b"bytes",
        "/b": tmp_path / "file",
        "/c": tmp_path / "folder",
    }
    for path, text in {
        "/a/text": "text",
        "/a/bytes": "bytes",
        "/b": "from a file",
        "/c/deep/file": "from a folder",
    }.items():
        assert app.run("app", "read", path, files=files).stdout == text


def test_a_rewritten_file_is_put_in_anew(app: BlockingRustBuild, tmp_path: Path) -> None:
    """Also where neither its size nor its time betray the edit."""
    path = tmp_path / "file"
    for text in ("AAAA", "BBBB", "AAAA"):
        path.write_text(text)
        os.utime(path, (1, 1))
        assert app.run("app", "read", "/file", files={"/file": path}).stdout == text


def test_a_run_runs_each_time(app: BlockingRustBuild) -> None:
    """The same call twice is two runs, not one answered from a cache."""
    assert app.run("app", "now").stdout != app.run("app", "now").stdout


@pytest.mark.asyncio
async def test_a_coroutine_can_do_the_same(built: RustBuild) -> None:
    """The methods are coroutines, awaited here from pytest-asyncio's loop."""
    assert (await built.run("app", "cat", stdin="x", check=True)).stdout == "x"


def test_the_container_is_slim_and_has_the_binaries_on_its_path(app: BlockingRustBuild) -> None:
    """Anything can be composed on it; no toolchain is in it."""
    script = (
        "command -v app; command -v other; command -v cargo || command -v rustc || command -v cc || echo none"
    )
    assert (
        app.wait(app.container.with_exec(["sh", "-c", script]).stdout)
        == "/usr/local/bin/app\n/usr/local/bin/other\nnone\n"
    )


def test_a_binary_is_exported_whole_and_executable(app: BlockingRustBuild, tmp_path: Path) -> None:
    """To a file in a folder that is made, over an older file, and into a folder under its own name."""
    path = app.export("app", tmp_path / "new/folder/renamed")
    assert path == tmp_path / "new/folder/renamed"
    assert app.export("app", path) == path
    assert app.export("other", tmp_path) == tmp_path / "other"
    assert (
        subprocess.run([tmp_path / "other"], capture_output=True, text=True, check=True).stdout == "other\n"
    )
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["folder", "new", "other", "renamed"]
