"""What calls that people guess answer: the right name, or what to write instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_dagger_rust.errors import ConfigurationError
from pytest_dagger_rust.run import keywords
from pytest_dagger_rust.run.running import RunFailedError, RunRequest, RunResult
from pytest_dagger_rust.run.service import ServiceRequest
from pytest_dagger_rust.run.setup import Runtime, mistaken_for_paths


@pytest.mark.parametrize(
    ("kind", "name", "hint"),
    [
        (RunRequest, "input", "Did you mean stdin?"),
        (RunRequest, "stdn", "Did you mean stdin?"),
        (RunRequest, "workdir", "Did you mean cwd?"),
        (RunRequest, "capture_output", "Output is always captured: leave it out."),
        (
            RunRequest,
            "command",
            "There are: check, cwd, env, files, memory, network, outputs, processes, services, stdin, timeout.",
        ),
        (ServiceRequest, "port", "Did you mean ports?"),
    ],
)
def test_an_unknown_keyword_gets_the_one_that_was_meant(kind: Any, name: str, hint: str) -> None:
    """The message names the call and the keyword, not a class inside."""
    with pytest.raises(ConfigurationError) as error:
        keywords.request(kind, "run", ("app",), {name: 1})
    assert str(error.value).startswith(f"run takes no keyword argument '{name}'. ")
    assert hint in str(error.value)


def refusal(**setup: Any) -> str:
    """Return the message about a request that is refused before anything is asked of an engine."""
    runtime: Any = Runtime(None, None)  # type: ignore[arg-type]
    values: dict[str, Any] = {"command": ("app",), **setup}
    with pytest.raises(ConfigurationError) as error:
        runtime.prepared(RunRequest(**values))
    return str(error.value)


def test_a_path_of_this_machine_as_an_argument_says_files(tmp_path: Path) -> None:
    """A container does not have the file, so its path as text would not help."""
    file = tmp_path / "in.txt"
    said = f"app: arguments must be str: got {file!r}. "
    assert refusal(command=("app", file)) == f"{said}Pass {str(file)!r}."
    file.touch()
    assert refusal(command=("app", file)).endswith(f"pass '/in.txt' and files={{'/in.txt': {file!r}}}.")


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"in.txt": "/x"}, "must be absolute: got 'in.txt'. A str is the content itself, a Path is a file"),
        ({Path("/x"): "text"}, "must be str: got PosixPath('/x')"),
        ({"/x": 3}, "/x is 3. A str is the content itself, a Path is a file of this machine."),
        (["/x"], "must map paths in the container to their content: got ['/x']"),
    ],
)
def test_wrong_files_say_what_a_str_and_a_path_are(files: Any, words: str) -> None:
    """Whoever takes one for the other reads the difference in the error."""
    assert words in refusal(files=files)


def test_a_failed_run_says_that_a_text_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A str that names a file of this machine was probably meant as that file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.txt").touch()
    assert mistaken_for_paths({"/x": "in.txt"}) == (
        "/x holds the text 'in.txt'; for the file, write Path('in.txt'): "
    )
    assert mistaken_for_paths({"/x": "some text", "/y": b"in.txt", "/z": Path("in.txt"), "/0": ""}) == ""
    assert mistaken_for_paths({"/x": "x" * 5000, "/y": "a\0b"}) == ""


def result(stdout: bytes) -> RunResult:
    """Return what a program did that wrote this."""
    return RunResult(("app",), 3, stdout, b"", 0.1)


def test_a_result_has_the_names_of_subprocess_and_http_clients() -> None:
    """`returncode` is the exit code, `json()` the output."""
    assert result(b"").returncode == 3
    assert result(b'{"a": [1]}\n').json() == {"a": [1]}
    with pytest.raises(
        RunFailedError, match=r"^standard output is not JSON: Expecting value: .*app: exit code 3"
    ):
        result(b"hello").json()
