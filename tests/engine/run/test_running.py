"""Tests of what a test can do with a binary: run it in many ways, compose on it, take it out."""

from __future__ import annotations

import os
import re
import resource
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust import ConfigurationError, OutputMissingError, RunFailedError, RunTimeoutError
from pytest_dagger_rust.run.running import OUTPUT_LIMIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import dagger

    from pytest_dagger_rust import BlockingRustBuild, RustBuild
    from pytest_dagger_rust.run.inputs import FileContent


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


def test_an_exit_code_above_128_is_no_signal(app: BlockingRustBuild) -> None:
    """A program may exit with the code a shell would give a death by signal."""
    result = app.run("app", "exit", "134")
    assert (result.exit_code, result.signal) == (134, None)


def test_five_megabytes_come_whole(app: BlockingRustBuild) -> None:
    """Output is not cut where the engine's own log would be."""
    result = app.run("app", "flood", str(5 * 1024))
    assert result.stdout_bytes == b"x" * 5 * 1024 * 1024


def test_bytes_that_are_no_text_come_as_they_are(app: BlockingRustBuild) -> None:
    """Bytes are kept, and the text has replacement characters."""
    result = app.run("app", "invalid")
    assert result.stdout_bytes == b"a\xff\xfe\0b"
    assert result.stdout == "a\ufffd\ufffd\0b"


def test_a_gigabyte_is_cut_and_said_so(app: BlockingRustBuild) -> None:
    """Memory stays bounded: what is beyond the limit is counted and dropped, and the result tells."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = app.run("app", "flood", str(1024 * 1024))
    assert len(result.stdout_bytes) == OUTPUT_LIMIT
    assert result.dropped == (1024**3 - OUTPUT_LIMIT, 0)
    assert result.truncated
    assert repr(result).endswith(f"stdout: ... {1024**3 - OUTPUT_LIMIT} more bytes were dropped")
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 2 * OUTPUT_LIMIT / 1024


@pytest.mark.parametrize(
    "stdin", ["", "text\n", "ümläut", b"\0\xff", "x" * 200_000, b"\xfe" * 20_000_000], ids=len
)
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


def test_a_folder_is_put_in_as_it_is_now(app: BlockingRustBuild, tmp_path: Path) -> None:
    """A file of it that is rewritten with the same size and time arrives as rewritten; all kinds of names arrive."""
    folder = tmp_path / "folder"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "link").symlink_to("../file")
    for text in ("AAAA", "BBBB", "AAAA"):
        (folder / "file").write_text(text)
        os.utime(folder / "file", (1, 1))
        assert app.run("app", "read", "/in/.git/link", files={"/in": folder}).stdout == text


def test_files_that_are_not_there_are_named(app: BlockingRustBuild, tmp_path: Path) -> None:
    """Before anything runs, in one sentence."""
    with pytest.raises(ConfigurationError, match=r"^files: there is no file or folder /.*/nowhere\.$"):
        app.run("app", files={"/in": tmp_path / "nowhere"})
    with pytest.raises(
        ConfigurationError,
        match=r"^app: files: paths in the container must be absolute: got 'in'\. A str is the content",
    ):
        app.run("app", files={"in": "text"})


def test_files_and_folders_are_read_back(app: BlockingRustBuild) -> None:
    """A file by its path, a folder as all files in it; what is not asked for stays behind."""
    written = ("/out/a", "/out/deep/er/b", "/else/c", "/else/d")
    result = app.run("app", "write", "text", *written, outputs=["/out/", "/else/c"])
    assert result.files == dict.fromkeys(written[:3], b"text")
    assert repr(result.files) == "</out/a: 4 bytes, /out/deep/er/b: 4 bytes, /else/c: 4 bytes>"


def test_an_output_never_written_is_told_when_it_is_asked_for(app: BlockingRustBuild) -> None:
    """The error shows what the program did instead; with check=True it comes at once."""
    result = app.run("app", "exit", "3", outputs=["/out/report"])
    assert "/out/report" not in result.files
    with pytest.raises(OutputMissingError) as missing:
        _ = result.files["/out/report"]
    first, *rest = str(missing.value).splitlines()
    assert first == "There is no output /out/report. Files read back: none."
    assert rest[0].startswith("app exit 3: exit code 3, ")
    assert rest[1:] == ["stdout: last words", "stderr: complaint"]
    with pytest.raises(RunFailedError, match=r"^/out/report was not written: app args: exit code 0"):
        app.run("app", "args", outputs=["/out/report"], check=True)


def test_a_timeout_ends_the_program_and_all_it_started(app: BlockingRustBuild) -> None:
    """The error has what was said until then."""
    with pytest.raises(
        RunTimeoutError, match=r"^stopped after its timeout of 0.5 s: app sleep 60: died of SIGTERM"
    ):
        app.run("app", "sleep", "60", timeout=0.5)


def test_a_process_left_behind_holds_nothing_up(app: BlockingRustBuild) -> None:
    """The run ends with its program, though a child of it still has its output open."""
    assert app.run("app", "leave", "60", timeout=30).stdout == "parent\n"


def test_a_program_that_cannot_start_is_said_so(app: BlockingRustBuild) -> None:
    """A working folder that is not there is no exit code of the program's."""
    with pytest.raises(
        ConfigurationError, match="app could not be started in the runtime container: No such file"
    ):
        app.run("app", cwd="/nowhere")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"timeout": 0}, "run: timeout must be a number of seconds above 0: got 0."),
        ({"outputs": "/out"}, "run: outputs must be a list of paths: ['/out']."),
        ({"outputs": ["out"]}, "run: outputs: paths in the container must be absolute: got 'out'."),
        ({"env": {"A": 1}}, "app: env: variable A must be str, not int: pass str(...) of it."),
    ],
)
def test_options_that_cannot_be_are_refused(app: BlockingRustBuild, options: Any, complaint: str) -> None:
    """In one sentence that says what would be right."""
    with pytest.raises(ConfigurationError, match=f"^{re.escape(complaint)}$"):
        app.run("app", **options)


def test_any_user_runs_programs(
    build_on: Callable[[dagger.Container], RustBuild], rust_runtime_container: dagger.Container
) -> None:
    """Neither standard input nor results need root."""
    app = build_on(rust_runtime_container.with_user("1000:1000")).blocking
    assert app.run("app", "cat", stdin=b"\xff").stdout_bytes == b"\xff"
    path = "/tmp/written"  # noqa: S108 - in the container
    assert app.run("app", "write", "x", path, outputs=[path]).files == {path: b"x"}


def test_an_image_without_a_shell_will_do(
    build_on: Callable[[dagger.Container], RustBuild],
    rust_runtime_container: dagger.Container,
    dagger_client: dagger.Client,
) -> None:
    """A distroless image has the libraries and nothing to run."""
    libraries = rust_runtime_container.directory("/usr")
    runtime = dagger_client.container().with_directory("/usr", libraries, exclude=["bin", "sbin"])
    for folder in ("lib", "lib64"):
        runtime = runtime.with_symlink(f"usr/{folder}", f"/{folder}")
    app = build_on(runtime).blocking
    assert app.run("app", "exit", "3", timeout=5).exit_code == 3


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


def test_an_export_that_cannot_be_is_one_sentence(app: BlockingRustBuild, tmp_path: Path) -> None:
    """Onto a folder, below a file, and without permission; what was there is left as it was."""
    (tmp_path / "app").mkdir()
    with pytest.raises(
        ConfigurationError, match=rf"^export: {tmp_path}/app cannot be written: a folder has that name"
    ):
        app.export("app", tmp_path)
    (tmp_path / "file").write_text("a file")
    with pytest.raises(
        ConfigurationError,
        match=rf"^export: {tmp_path}/file/app cannot be written: {tmp_path}/file is not a folder\.$",
    ):
        app.export("app", tmp_path / "file" / "app")
    with pytest.raises(
        ConfigurationError, match=r"^There is no binary 'ap' in this build. Did you mean 'app'?"
    ):
        app.export("ap", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app", "file"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for a hundred kilobytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", disk], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting needs root")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_and_a_read_only_disk_are_said(app: BlockingRustBuild, small_disk: Path) -> None:
    """The file that was there stays whole, and nothing unfinished stays beside it."""
    (small_disk / "app").write_text("older")
    with pytest.raises(
        ConfigurationError, match=rf"^export: {small_disk}/app cannot be written: no space left on device\.$"
    ):
        app.export("app", small_disk)
    assert [path.name for path in small_disk.iterdir()] == ["app"]
    assert (small_disk / "app").read_text() == "older"
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(ConfigurationError, match=r"cannot be written: Read-only file system\.$"):
        app.export("app", small_disk)
