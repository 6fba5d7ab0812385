"""One run of a fresh binary in a container: how it is asked for, and what came of it."""

from __future__ import annotations

import dataclasses
import shlex
import signal
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dagger_rust.container import agent
from pytest_dagger_rust.errors import ConfigurationError, DaggerRustError
from pytest_dagger_rust.run import transcript
from pytest_dagger_rust.run.setup import Setup, SetupOptions, check_absolute, check_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_dagger_rust.run.setup import Runtime

# Bytes of each output stream a run keeps.
OUTPUT_LIMIT = 64 * 1024 * 1024

# Standard input up to this size travels in the query itself.
_SHORT = 64 * 1024
STDIN = "/pytest-dagger-rust-stdin"


class OutputMissingError(DaggerRustError, KeyError):
    """A file was asked for that the program did not write, or that was not named in `outputs`."""

    __str__ = Exception.__str__


class OutputFiles(Mapping[str, bytes]):
    """What a program wrote: the absolute path of each file in the container, and its bytes.

    Asking for a file that is not there raises OutputMissingError, which says what the program did.
    """

    def __init__(self, files: Mapping[str, bytes] | None = None, story: str = "") -> None:
        self._files = dict(files or {})
        self._story = story

    def __getitem__(self, path: str) -> bytes:
        if path in self._files:
            return self._files[path]
        there = ", ".join(self._files) or "none"
        msg = f"There is no output {path}. Files read back: {there}.\n{self._story}"
        raise OutputMissingError(msg)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __repr__(self) -> str:
        sizes = [f"{path}: {len(data)} bytes" for path, data in self._files.items()]
        return f"<{', '.join(sizes) or 'no files'}>"


@dataclass(frozen=True)
class RunResult:
    """What a program did: its exit code, its output, the files it wrote, and the seconds it took.

    `signal` is the name of the signal that ended the program, as "SIGSEGV", and None when it exited by itself; the
    exit code is then the one a shell gives, 128 plus the signal's number. `dropped` counts the bytes of standard
    output and of standard error that were beyond the limit and are lost.
    """

    command: tuple[str, ...]
    exit_code: int
    stdout_bytes: bytes
    stderr_bytes: bytes
    seconds: float
    signal: str | None = None
    dropped: tuple[int, int] = (0, 0)
    files: Mapping[str, bytes] = field(default_factory=OutputFiles)

    @property
    def stdout(self) -> str:
        """Standard output as text; bytes that are not UTF-8 become replacement characters."""
        return self.stdout_bytes.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """Standard error as text; bytes that are not UTF-8 become replacement characters."""
        return self.stderr_bytes.decode("utf-8", "replace")

    @property
    def truncated(self) -> bool:
        """Whether the program wrote more than a run keeps: 64 MiB of each stream."""
        return any(self.dropped)

    def __repr__(self) -> str:
        return f"<RunResult {self._headline()}>{self._tail()}"

    def told(self, lines: int = 5) -> str:
        """Return the command, how it ended, and the last lines of its output, as errors and reports show it."""
        return self._headline() + self._tail(lines)

    def _headline(self) -> str:
        ended = f"died of {self.signal}" if self.signal else f"exit code {self.exit_code}"
        return f"{shlex.join(self.command)}: {ended}, {self.seconds:.2f} s"

    def _tail(self, lines: int = 5) -> str:
        streams = zip(("stdout", "stderr"), (self.stdout_bytes, self.stderr_bytes), self.dropped, strict=True)
        return "".join(f"\n{line}" for stream in streams for line in _tail_of(lines, *stream))


def _tail_of(lines: int, name: str, data: bytes, dropped: int) -> Iterator[str]:
    # Only the end is looked at: there may be a great deal before it.
    for line in data[-4000:].decode("utf-8", "replace").splitlines()[-lines:]:
        yield f"{name}: {line}"
    if dropped:
        yield f"{name}: ... and {dropped} bytes more, which were dropped"


class RunFailedError(DaggerRustError):
    """A program run with `check=True` did not exit with 0, or left an output out; `result` is what it did."""

    def __init__(self, result: RunResult, reason: str = "") -> None:
        self.result = result
        super().__init__(reason + result.told())


class RunTimeoutError(DaggerRustError):
    """A program ran for longer than its `timeout`; `result` is what it did until then."""

    def __init__(self, result: RunResult, timeout: float) -> None:
        self.result = result
        super().__init__(f"stopped after its timeout of {timeout:g} s: {result.told()}")


class RunOptions(SetupOptions, total=False):
    """What a run may be given beside the program's arguments.

    `stdin` is text or bytes. `outputs` are absolute paths of files and folders to read back into `result.files`.
    `timeout` is in seconds. `check` raises RunFailedError unless the program exits with 0 and wrote all outputs.
    """

    stdin: str | bytes
    outputs: Sequence[str]
    timeout: float | None
    check: bool


@dataclass(frozen=True, kw_only=True)
class RunRequest(Setup):
    """One run as it was asked for."""

    stdin: str | bytes = b""
    outputs: Sequence[str] = ()
    timeout: float | None = None
    check: bool = False


async def run(runtime: Runtime, request: RunRequest) -> RunResult:
    """Run a command in the container, anew each time.

    Raises RunTimeoutError, RunFailedError where the request asks for it, and ConfigurationError for arguments that
    cannot be.
    """
    _check(request)
    container = runtime.prepared(request)
    text, stdin = _short_text(request.stdin), ""
    if text is None:
        stdin = STDIN
        container = container.with_mounted_file(stdin, runtime.inputs.file(request.stdin))
    executed = container.with_exec(_command(request, stdin), stdin=text or "")
    with tempfile.TemporaryDirectory(prefix="pytest-dagger-rust-") as folder:
        await executed.directory(agent.RESULT).export(folder)
        result, timed_out = _read(request, Path(folder))
    transcript.add_run(shlex.join(request.command), result.told(lines=20))
    if timed_out:
        raise RunTimeoutError(result, request.timeout or 0)
    if request.check:
        _require_success(request, result)
    return result


def _check(request: RunRequest) -> None:
    check_seconds("run: timeout", request.timeout)
    if isinstance(request.outputs, str):
        raise ConfigurationError(f"run: outputs is a text; write [{request.outputs!r}].")
    check_absolute("run: outputs", request.outputs)


def _short_text(stdin: str | bytes) -> str | None:
    """Return standard input as the text a query can carry, None where it has to be a file."""
    if len(stdin) > _SHORT:
        return None
    try:
        return stdin if isinstance(stdin, str) else stdin.decode()
    except UnicodeDecodeError:
        return None


def _command(request: RunRequest, stdin: str) -> list[str]:
    timeout = f"{request.timeout or 0:g}"
    settings = [agent.RESULT, str(OUTPUT_LIMIT), timeout, request.cwd or "", stdin]
    outputs = [str(len(request.outputs)), *request.outputs]
    return [agent.PROGRAM, "run", *settings, *outputs, *request.command]


def _read(request: RunRequest, folder: Path) -> tuple[RunResult, bool]:
    """Read what the agent left, and whether the program was stopped for its timeout."""
    status, *rest = (folder / "result").read_text().splitlines()
    kind, _, value = status.partition(" ")
    if kind == "failed":
        raise ConfigurationError(_not_started(request, value))
    words = [line.partition(" ")[2] for line in rest]
    seconds, timed_out, dropped = float(words[0]), words[1] == "true", (int(words[2]), int(words[3]))
    outputs = _read_outputs(request.outputs, folder)
    exit_code = int(value) + (128 if kind == "signal" else 0)
    result = RunResult(
        request.command,
        exit_code,
        (folder / "stdout").read_bytes(),
        (folder / "stderr").read_bytes(),
        seconds,
        signal_name(int(value)) if kind == "signal" else None,
        dropped,
    )
    files = OutputFiles(outputs, result.told())
    return dataclasses.replace(result, files=files), timed_out


def signal_name(number: int) -> str:
    """Return the name of a signal, as "SIGTERM"."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _not_started(request: RunRequest, reason: str) -> str:
    name = request.command[0]
    hint = "Is its folder (cwd) there, and has the runtime image the libraries it is linked with?"
    return f"{name} could not be started in the runtime container: {reason}.\n  {hint}"


def _read_outputs(outputs: Sequence[str], folder: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for number, path in enumerate(outputs):
        copy = folder / f"output-{number}"
        if copy.is_dir():
            inner = sorted(file for file in copy.rglob("*") if file.is_file())
            files |= {f"{path.rstrip('/')}/{file.relative_to(copy)}": file.read_bytes() for file in inner}
        elif copy.exists():
            files[path] = copy.read_bytes()
    return files


def _require_success(request: RunRequest, result: RunResult) -> None:
    if result.exit_code != 0:
        raise RunFailedError(result)
    for path in request.outputs:
        folder = f"{path.rstrip('/')}/"
        if not any(file == path or file.startswith(folder) for file in result.files):
            raise RunFailedError(result, f"{path} was not written: ")
