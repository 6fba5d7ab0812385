"""One run of a binary in a container: its request and its result."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_dagger_rust.container import agent
from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.errors import ConfigurationError, DaggerRustError
from pytest_dagger_rust.run import results, transcript
from pytest_dagger_rust.run.fetching import fetch
from pytest_dagger_rust.run.setup import Setup, SetupOptions, check_paths, check_seconds, mistaken_for_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_dagger_rust.run.results import AgentReport, Status
    from pytest_dagger_rust.run.setup import Runtime

# Bytes of each output stream a run keeps.
OUTPUT_LIMIT = 64 * 1024 * 1024

# Standard input up to this size travels in the query itself.
_SHORT = 64 * 1024
# Seconds of a run that is not given another limit.
LONGEST = 3600.0
STDIN = "/pytest-dagger-rust-stdin"


# The agent's word for an output that does not exist.
_UNWRITTEN = "was not written"


class OutputMissingError(DaggerRustError, KeyError):
    """A file was requested that the program did not write, or that `outputs` does not name."""

    __str__ = Exception.__str__


class OutputFiles(Mapping[str, bytes]):
    """The files a program wrote: maps the absolute path of each in the container to its bytes.

    A path that was not written raises OutputMissingError, which says why and what the program did. `missing` maps
    paths to reasons, also for entries of a folder that are no regular files.
    """

    def __init__(
        self,
        files: Mapping[str, bytes] | None = None,
        story: str = "",
        missing: Mapping[str, str] | None = None,
    ) -> None:
        self._files = dict(files or {})
        self._story = story
        self.missing = dict(missing or {})

    def __getitem__(self, path: str) -> bytes:
        if path in self._files:
            return self._files[path]
        there = ", ".join(self._files) or "none"
        reason = f": it {self.missing[path]}" if self.missing.get(path, _UNWRITTEN) != _UNWRITTEN else ""
        msg = f"There is no output {path}{reason}. Files read back: {there}.\n{self._story}"
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

    `signal` is the name of the signal that killed the program, as "SIGSEGV", and None if the program exited. After a
    signal, the exit code is 128 plus the signal's number, as in a shell. `dropped` counts the bytes of standard output
    and of standard error beyond the limit. `timed_out` is True if the program was killed for its timeout.
    `in_sandbox` says that it ran in a container that others ran in too.
    """

    command: tuple[str, ...]
    exit_code: int
    stdout_bytes: bytes
    stderr_bytes: bytes
    seconds: float
    signal: str | None = None
    dropped: tuple[int, int] = (0, 0)
    files: Mapping[str, bytes] = field(default_factory=OutputFiles)
    timed_out: bool = False
    in_sandbox: bool = False

    @property
    def returncode(self) -> int:
        """The exit code, by the name that `subprocess` has for it."""
        return self.exit_code

    @property
    def stdout(self) -> str:
        """Standard output as text; bytes that are not UTF-8 become replacement characters."""
        return self.stdout_bytes.decode("utf-8", "replace")

    @property
    def stderr(self) -> str:
        """Standard error as text; bytes that are not UTF-8 become replacement characters."""
        return self.stderr_bytes.decode("utf-8", "replace")

    def json(self) -> Any:
        """Return standard output read as JSON.

        Raises RunFailedError if it is not JSON.
        """
        try:
            return json.loads(self.stdout_bytes)
        except ValueError as error:
            raise RunFailedError(self, f"standard output is not JSON: {error}: ") from None

    @property
    def truncated(self) -> bool:
        """Whether the program wrote more than a run keeps: 64 MiB of each stream."""
        return any(self.dropped)

    def __repr__(self) -> str:
        return f"<RunResult {self._headline()}>{self._tail()}"

    def summary(self, lines: int = 5) -> str:
        """Return the command, how it ended, and the last lines of its output, as errors and reports show it."""
        return self._headline() + self._tail(lines)

    def _headline(self) -> str:
        ended = f"died of {self.signal}" if self.signal else f"exit code {self.exit_code}"
        where = " in a sandbox" if self.in_sandbox else ""
        return f"{shlex.join(self.command)}: {ended}, {self.seconds:.2f} s{where}"

    def _tail(self, lines: int = 5) -> str:
        streams = zip(("stdout", "stderr"), (self.stdout_bytes, self.stderr_bytes), self.dropped, strict=True)
        return "".join(f"\n{line}" for stream in streams for line in _tail_of(lines, *stream))


def _tail_of(lines: int, name: str, data: bytes, dropped: int) -> Iterator[str]:
    # Decode the end only: the output may be large.
    for line in lines_of(data[-4000:].decode("utf-8", "replace"))[-lines:]:
        yield f"{name}: {line}"
    if dropped:
        yield f"{name}: ... {dropped} more bytes were dropped"


class RunFailedError(DaggerRustError):
    """A program did not do what the test requires of it; `result` is what it did.

    With `check=True` it did not exit with 0, or did not write an output; for `json` its output is not JSON. In any case
    it did not have more than `processes` at once.
    """

    def __init__(self, result: RunResult, reason: str = "") -> None:
        self.result = result
        super().__init__(reason + result.summary())


class RunTimeoutError(DaggerRustError, TimeoutError):
    """A program ran for longer than its `timeout`; `result` is what it did until then."""

    def __init__(self, result: RunResult, timeout: float) -> None:
        self.result = result
        super().__init__(f"stopped after its timeout of {timeout:g} s: {result.summary()}")


class RunOptions(SetupOptions, total=False):
    """The keyword arguments of a run.

    `stdin` is text or bytes. `outputs` are absolute paths of files and folders to read back into `result.files`.
    `timeout` is in seconds, by default an hour; None is no limit. `check` raises RunFailedError unless the program
    exits with 0 and wrote all outputs.
    """

    stdin: str | bytes
    outputs: Sequence[str]
    timeout: float | None
    check: bool


@dataclass(frozen=True, kw_only=True)
class RunRequest(Setup):
    """The request for one run."""

    stdin: str | bytes = b""
    outputs: Sequence[str] = ()
    timeout: float | None = LONGEST
    check: bool = False


async def run(runtime: Runtime, request: RunRequest) -> RunResult:
    """Run a command in a new container.

    Raises RunTimeoutError, RunFailedError if the request asks for it, and ConfigurationError for invalid arguments.
    """
    check(request)
    check_paths("run: outputs", request.outputs)
    container = runtime.prepared(request)
    text, stdin = _short_text(request.stdin), ""
    if text is None:
        stdin = STDIN
        container = container.with_mounted_file(stdin, runtime.inputs.file(request.stdin))
    executed = container.with_exec(_command(request, stdin), stdin=text or "")
    read = partial(results.read_file, outputs=len(request.outputs))
    return finished(request, await fetch(executed, shlex.join(request.command), read, request.timeout))


def finished(request: RunRequest, report: AgentReport, *, in_sandbox: bool = False) -> RunResult:
    """Return the result of a run, from the agent's report.

    Raises RunTimeoutError, RunFailedError if the request asks for it, and ConfigurationError if it did not start.
    """
    if report.not_started is not None or report.status is None:
        raise ConfigurationError(_not_started(request, report.not_started or ""))
    result = dataclasses.replace(_result(request, report, report.status), in_sandbox=in_sandbox)
    transcript.add_run(shlex.join(request.command), result.summary(lines=20))
    if result.timed_out:
        raise RunTimeoutError(result, request.timeout or 0)
    if report.had_too_many:
        raise RunFailedError(result, f"stopped because it had more than {request.processes} processes: ")
    if request.check:
        _require_success(request, result)
    return result


def check(request: RunRequest) -> None:
    """Raise ConfigurationError for a timeout or outputs that cannot be."""
    check_seconds("run: timeout", request.timeout)
    if isinstance(request.outputs, str):
        raise ConfigurationError(f"run: outputs must be a list of paths: [{request.outputs!r}].")


def _short_text(stdin: str | bytes) -> str | None:
    """Return standard input as text that fits into a query, or None if it must be a file."""
    if len(stdin) > _SHORT:
        return None
    try:
        return stdin if isinstance(stdin, str) else stdin.decode()
    except UnicodeDecodeError:
        return None


def _command(request: RunRequest, stdin: str) -> list[str]:
    return agent.command(
        "run",
        request.command,
        request.env,
        result=agent.RESULT,
        limit=OUTPUT_LIMIT,
        timeout=request.timeout and f"{request.timeout:g}",
        folder=request.cwd,
        stdin=stdin,
        output=list(request.outputs),
        **request.limits("refused"),
    )


def _result(request: RunRequest, report: AgentReport, status: Status) -> RunResult:
    result = RunResult(
        request.command,
        status.exit_code,
        report.stdout.data,
        report.stderr.data,
        report.seconds,
        status.signal,
        (report.stdout.dropped, report.stderr.dropped),
        timed_out=report.timed_out,
    )
    files = {_path(request, *key): data for key, data in report.files.items()}
    missing = {_path(request, *key): reason for key, reason in report.missing.items()}
    return dataclasses.replace(result, files=OutputFiles(files, result.summary(), missing))


def _path(request: RunRequest, number: int, inner: str) -> str:
    path = request.outputs[number]
    return f"{path.rstrip('/')}/{inner}" if inner else path


def _not_started(request: RunRequest, reason: str) -> str:
    name = request.command[0]
    hint = "Does its folder (cwd) exist, and does the runtime image have the libraries it is linked with?"
    return f"{name} could not be started in the runtime container: {reason}.\n  {hint}"


def _require_success(request: RunRequest, result: RunResult) -> None:
    if result.exit_code != 0:
        raise RunFailedError(result, mistaken_for_paths(request.files or {}))
    for path in request.outputs:
        folder = f"{path.rstrip('/')}/"
        if not any(file == path or file.startswith(folder) for file in result.files):
            raise RunFailedError(result, f"{path} {_why_missing(result, path, folder)}: ")


def _why_missing(result: RunResult, path: str, folder: str) -> str:
    missing = result.files.missing if isinstance(result.files, OutputFiles) else {}
    inner = next((f" ({file} {why})" for file, why in missing.items() if file.startswith(folder)), "")
    return missing.get(path, f"has no files in it{inner}")
