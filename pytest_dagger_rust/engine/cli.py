"""The dagger CLI: which one, where the engine is, and the process that serves the session."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from pytest_dagger_rust import scratch
from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.engine.connecting import Steps
from pytest_dagger_rust.engine.plain import without_trace
from pytest_dagger_rust.engine.sdk import import_sdk
from pytest_dagger_rust.engine.telemetry import Receiver
from pytest_dagger_rust.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_dagger_rust.engine.otlp import Batch
    from pytest_dagger_rust.engine.telemetry import Hear

CLI_BIN = "_EXPERIMENTAL_DAGGER_CLI_BIN"
RUNNER_HOST = "_EXPERIMENTAL_DAGGER_RUNNER_HOST"
SESSION_PORT = "DAGGER_SESSION_PORT"
SESSION_TOKEN = "DAGGER_SESSION_TOKEN"  # noqa: S105 - the variable's name, not a token

# An engine that is already running answers at once; one that docker has to pull first takes minutes.
RUNNING_ENGINE_TIMEOUT = 8.0
NEW_ENGINE_TIMEOUT = 300.0
CLOSE_TIMEOUT = 10.0

CLOSED = "The session was closed before it was open."

# What is done until a session is open, in words for those who wait.
CONNECTING = "connecting to the Dagger engine"

REMEDIES = f"""\
  One of these helps:
    - start Docker (or another container runtime): the engine is then started for you;
    - point {RUNNER_HOST} at a running engine (unix://, tcp://, ssh://, ...), and
      {CLI_BIN} at a dagger CLI of its version;
    - run pytest inside `dagger run`, which brings the session along."""


@dataclass(frozen=True)
class SessionParams:
    """Where the CLI serves the session: a port on loopback, and the token that opens it."""

    port: int
    session_token: str

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> SessionParams | None:
        """Read the session somebody else has opened, if the environment names one.

        Raises EngineUnavailable when it names one that cannot be.
        """
        port = environ.get(SESSION_PORT)
        if not port:
            return None
        token = environ.get(SESSION_TOKEN)
        if not port.isdigit() or not token:
            msg = (
                f"{SESSION_PORT} is {port!r}: it must be a port number, and {SESSION_TOKEN} must be set too."
            )
            raise EngineUnavailable(msg)
        return cls(int(port), token)

    def environment(self) -> dict[str, str]:
        """Return the variables by which another process finds this session."""
        return {SESSION_PORT: str(self.port), SESSION_TOKEN: self.session_token}


def connect_timeout(environ: Mapping[str, str], timeout: float | None) -> float:
    """Return the seconds to wait for an engine: `timeout`, or what an engine takes that runs or has to be started."""
    if timeout is not None:
        return timeout
    return RUNNING_ENGINE_TIMEOUT if environ.get(RUNNER_HOST) else NEW_ENGINE_TIMEOUT


class CliSession:
    """A `dagger session` process; it ends when its standard input closes, so it cannot outlive this process.

    `hear` is called with what the CLI tells of the session's work, on another thread. The process is started once, and
    not after `close`; any thread may call each method.
    """

    def __init__(
        self, environ: Mapping[str, str], timeout: float | None = None, hear: Hear | None = None
    ) -> None:
        self._environ = environ
        self.timeout = connect_timeout(environ, timeout)
        self._hear = hear
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._receiver: Receiver | None = None
        self._log: Path | None = None
        self._steps: Steps | None = Steps()
        self._closed = False

    def start(self) -> None:
        """Start the CLI and return at once.

        Raises EngineUnavailable when there is no CLI, nobody answers at the engine's address, or `close` was called.
        """
        check_address(self._environ.get(RUNNER_HOST, ""))
        program = find_cli(self._environ)
        with self._lock:
            if self._closed:
                raise EngineUnavailable(CLOSED)
            try:
                self._launch(program)
            except OSError as error:
                msg = f"The dagger CLI could not be started: {program}: {error.strerror}.\n{REMEDIES}"
                raise EngineUnavailable(msg) from None

    def _launch(self, program: str) -> None:
        self._receiver = Receiver(self._environ, self._heard)
        self._log = scratch.new_folder() / "dagger.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the CLI the user named
                # Otherwise it draws all that the session did, anew for every change.
                [program, "--silent", "session", "--label", "dagger.io/sdk.name:pytest-dagger-rust"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**self._environ, **self._receiver.start()},
                # Ctrl-C is for pytest, which closes the session in its own time.
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read_first_line, args=(self._process,), daemon=True)
        self._reader.start()

    def _read_first_line(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101 - it has a pipe
        self._lines.put(process.stdout.readline())

    def _heard(self, batch: Batch) -> None:
        if (steps := self._steps) is not None:
            steps.hear(batch)
        if self._hear is not None:
            self._hear(batch)

    def params(self) -> SessionParams:
        """Wait for the session to open.

        Raises EngineUnavailable when the CLI stops, or begins no new step for longer than `timeout`.
        """
        steps = self._steps or Steps()
        try:
            answer = json.loads(self._first_line(steps))
            params = SessionParams(int(answer["port"]), str(answer["session_token"]))
        except (ValueError, KeyError, TypeError):
            self._fail("The dagger CLI stopped before it opened a session.")
        self._steps = None
        return params

    def _first_line(self, steps: Steps) -> bytes:
        left = self.timeout
        while True:
            with contextlib.suppress(queue.Empty):
                return self._lines.get(timeout=left)
            # Only where it takes long does it matter what is done.
            steps.look()
            left = steps.last + self.timeout - time.monotonic()
            if left <= 0:
                self._fail(_too_long(self.timeout, steps))

    def _fail(self, what: str) -> NoReturn:
        if self._closed:
            raise EngineUnavailable(CLOSED)
        tail = self.log_tail()
        self.close(timeout=0.5)
        address = without_password(self._environ.get(RUNNER_HOST, ""))
        tried = f"  Tried: {RUNNER_HOST}={address}" if address else "  Tried: an engine started by the CLI"
        raise EngineUnavailable("\n".join(filter(None, [what, tried, tail, REMEDIES])))

    def log_tail(self, lines: int = 5) -> str:
        """Return the last lines of what the CLI logged, indented."""
        text = ""
        with contextlib.suppress(OSError):
            text = self._log.read_text("utf-8", "replace") if self._log else ""
        return "\n".join(f"  dagger: {line}" for line in lines_of(without_trace(text))[-lines:])

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """End the process, kindly first; the engine drops whatever it was running for it."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._end(self._process, timeout)
                self._process = None
            if self._receiver is not None:
                self._receiver.close()
                self._receiver = None
            if self._log is not None:
                shutil.rmtree(self._log.parent, ignore_errors=True)
                self._log = None

    def _end(self, process: subprocess.Popen[bytes], timeout: float) -> None:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - it has pipes
        with contextlib.suppress(OSError):
            process.stdin.close()
        _wait_or_kill(process, timeout)
        if self._reader is not None:
            self._reader.join(timeout)
        process.stdout.close()


def _too_long(timeout: float, steps: Steps) -> str:
    if not steps.current:
        return f"The dagger CLI did not open a session within {timeout:g} s."
    reason = without_trace(steps.failure).rpartition(": ")[2].strip(' "')
    what = f"The dagger CLI did not open a session: it was at {steps.current!r} for more than {timeout:g} s"
    return f"{what}, last error: {reason}." if reason else f"{what}."


def _wait_or_kill(process: subprocess.Popen[bytes], timeout: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout)
    # It leads a process group of its own; a helper it may have left would hold its output open.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def find_cli(environ: Mapping[str, str]) -> str:
    """Return the path of the dagger CLI: the one the environment names, or the SDK's own, downloaded when missing.

    Raises EngineUnavailable when it cannot be had.
    """
    if named := environ.get(CLI_BIN):
        return named
    import_sdk()
    from dagger import ProvisionError  # noqa: PLC0415 - importing dagger takes most of a second
    from dagger.provisioning._download import Downloader  # noqa: PLC0415

    try:
        return Downloader().get_sync()
    except (ProvisionError, OSError) as error:
        msg = (
            f"There is no dagger CLI: {CLI_BIN} is not set, and downloading it failed.\n  {error}\n{REMEDIES}"
        )
        raise EngineUnavailable(msg) from None


def without_password(address: str) -> str:
    """Return the address of an engine as messages show it."""
    return re.sub(r"(://[^/@:]*:)[^/@]*@", r"\1***@", address)


def check_address(address: str, timeout: float = 3.0) -> None:
    """Fail at once when nobody listens at a unix:// or tcp:// address; the CLI would retry it for minutes.

    Raises EngineUnavailable.
    """
    url = urlsplit(address)
    try:
        if url.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(timeout)
                probe.connect(url.path)
        elif url.scheme == "tcp":
            socket.create_connection((url.hostname or "", url.port or 0), timeout).close()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        shown = without_password(address)
        msg = f"No Dagger engine answers at {shown}: {reason}.\n  Tried: {RUNNER_HOST}={shown}\n{REMEDIES}"
        raise EngineUnavailable(msg) from None
