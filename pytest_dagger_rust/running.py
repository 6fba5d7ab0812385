"""One run of a fresh binary in a container: how it is asked for, and what came of it."""

from __future__ import annotations

import base64
import hashlib
import shlex
import signal
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pytest_dagger_rust.errors import ConfigurationError, DaggerRustError
from pytest_dagger_rust.scripts import script

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dagger

FileContent: TypeAlias = "str | bytes | Path"

RESULT = "/pytest-dagger-rust-run/result"

# Bytes of each output stream a run keeps; a base64 answer of this size still fits one response of the engine.
OUTPUT_LIMIT = 64 * 1024 * 1024

# timeout(1) answers 124, or 137 where the program had to be killed.
_TIMED_OUT = (124, 137)


@dataclass(frozen=True)
class RunResult:
    """What a program did: its exit code, its output, and the seconds it took.

    A program ended by a signal has the exit code a shell gives it, 128 plus the signal's number, and `signal` is
    the signal's name.
    """

    command: tuple[str, ...]
    exit_code: int
    stdout_bytes: bytes
    stderr_bytes: bytes
    seconds: float

    @property
    def stdout(self) -> str:
        """Standard output as text; bytes that are not UTF-8 become replacement characters."""
        return self.stdout_bytes.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """Standard error as text; bytes that are not UTF-8 become replacement characters."""
        return self.stderr_bytes.decode("utf-8", "replace")

    @property
    def signal(self) -> str | None:
        """The name of the signal that ended the program, as "SIGSEGV"; None when it exited by itself."""
        try:
            return signal.Signals(self.exit_code - 128).name if self.exit_code > 128 else None
        except ValueError:
            return None

    def __repr__(self) -> str:
        ended = f"died of {self.signal}" if self.signal else f"exit code {self.exit_code}"
        lines = [f"<RunResult {shlex.join(self.command)}: {ended}, {self.seconds:.2f} s>"]
        for name, text in (("stdout", self.stdout), ("stderr", self.stderr)):
            lines += [f"{name}: {line}" for line in text.splitlines()[-5:]]
        return "\n".join(lines)


class RunFailedError(DaggerRustError):
    """A program run with `check=True` did not exit with 0; `result` is what it did."""

    def __init__(self, result: RunResult) -> None:
        self.result = result
        super().__init__(repr(result)[1:].replace(">", "", 1))


class RunTimeoutError(DaggerRustError):
    """A program ran for longer than its `timeout`; `result` is what it did until then."""

    def __init__(self, result: RunResult, timeout: float) -> None:
        self.result = result
        super().__init__(
            f"stopped after its timeout of {timeout:g} s: {repr(result)[1:].replace('>', '', 1)}"
        )


@dataclass(frozen=True)
class RunRequest:
    """One run as it was asked for."""

    command: tuple[str, ...]
    stdin: str | bytes = b""
    env: Mapping[str, str] | None = None
    files: Mapping[str, FileContent] | None = None
    cwd: str | None = None
    timeout: float | None = None


async def run(client: dagger.Client, container: dagger.Container, request: RunRequest) -> RunResult:
    """Run a command in the container, anew each time.

    Raises RunTimeoutError, or ConfigurationError for arguments that cannot be.
    """
    _check(request)
    with tempfile.TemporaryDirectory(prefix="pytest-dagger-rust-") as folder:
        if request.files:
            container = _with_files(client, container, request.files, Path(folder))
        for name, value in (request.env or {}).items():
            container = container.with_env_variable(name, value)
        # The engine answers an exec it has seen before from its cache; a run has to run.
        container = container.with_env_variable("PYTEST_DAGGER_RUST_RUN", uuid.uuid4().hex)
        executed = container.with_exec(_command(request), stdin=_encoded(request.stdin))
        answer = await executed.file(RESULT).contents()
    return _result(request, answer)


def _check(request: RunRequest) -> None:
    for argument in request.command:
        if not isinstance(argument, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"run: the argument {argument!r} is no text; write {str(argument)!r}.")
    for name, value in (request.env or {}).items():
        if not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"run: env {name} has {value!r}; write {str(value)!r}.")
    if request.timeout is not None and request.timeout <= 0:
        raise ConfigurationError(f"run: timeout is {request.timeout!r}; it takes seconds above 0.")


def _command(request: RunRequest) -> list[str]:
    timeout = "0" if request.timeout is None else f"{request.timeout:g}"
    return [
        "sh",
        "-c",
        script("run.sh"),
        "run.sh",
        timeout,
        str(OUTPUT_LIMIT),
        request.cwd or "",
        *request.command,
    ]


def _encoded(stdin: str | bytes) -> str:
    data = stdin.encode() if isinstance(stdin, str) else stdin
    return base64.b64encode(data).decode()


def _with_files(
    client: dagger.Client, container: dagger.Container, files: Mapping[str, FileContent], folder: Path
) -> dagger.Container:
    for path, content in files.items():
        if not path.startswith("/"):
            raise ConfigurationError(f"run: files has {path!r}; a path in the container is absolute.")
        if isinstance(content, Path) and content.is_dir():
            container = container.with_directory(path, client.host().directory(str(content.absolute())))
        else:
            container = container.with_file(path, _host_file(client, content, folder))
    return container


def _host_file(client: dagger.Client, content: FileContent, folder: Path) -> dagger.File:
    if isinstance(content, Path) and not content.is_file():
        raise ConfigurationError(f"run: files has {content}, which does not exist.")
    data = content.read_bytes() if isinstance(content, Path) else content
    data = data.encode() if isinstance(data, str) else data
    # Named by its content, because the engine's host sync can miss a rewritten file of the same size and time.
    copy = folder / hashlib.sha256(data).hexdigest()
    copy.write_bytes(data)
    if isinstance(content, Path):
        copy.chmod(content.stat().st_mode & 0o777)
    return client.host().file(str(copy))


def _result(request: RunRequest, answer: str) -> RunResult:
    code, times, stdout, stderr = answer.split("\n")[:4]
    started, ended = times.split()
    result = RunResult(
        request.command,
        int(code),
        base64.b64decode(stdout),
        base64.b64decode(stderr),
        float(ended) - float(started),
    )
    if request.timeout is not None and result.exit_code in _TIMED_OUT and result.seconds >= request.timeout:
        raise RunTimeoutError(result, request.timeout)
    return result
