"""The dagger CLI: which one, where the engine is, and the process that serves the session."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import socket
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlsplit

from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

CLI_BIN = "_EXPERIMENTAL_DAGGER_CLI_BIN"
RUNNER_HOST = "_EXPERIMENTAL_DAGGER_RUNNER_HOST"
SESSION_PORT = "DAGGER_SESSION_PORT"
SESSION_TOKEN = "DAGGER_SESSION_TOKEN"  # noqa: S105 - the variable's name, not a token

# An engine that is already running answers at once; one that docker has to pull first takes minutes.
RUNNING_ENGINE_TIMEOUT = 8.0
NEW_ENGINE_TIMEOUT = 300.0
CLOSE_TIMEOUT = 10.0

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


class CliSession:
    """A `dagger session` process; it ends when its standard input closes, so it cannot outlive this process."""

    def __init__(self, environ: Mapping[str, str], timeout: float | None = None) -> None:
        self._environ = environ
        self._timeout = timeout
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._process: subprocess.Popen[bytes] | None = None
        self._reader = threading.Thread(target=self._read_first_line, daemon=True)
        descriptor, name = tempfile.mkstemp(prefix="dagger-", suffix=".log")
        os.close(descriptor)
        self.log = Path(name)

    @property
    def timeout(self) -> float:
        """Seconds to wait for the session to open."""
        if self._timeout is not None:
            return self._timeout
        return RUNNING_ENGINE_TIMEOUT if self._environ.get(RUNNER_HOST) else NEW_ENGINE_TIMEOUT

    def start(self) -> None:
        """Start the CLI and return at once.

        Raises EngineUnavailable when there is no CLI or nobody answers at the engine's address.
        """
        check_address(self._environ.get(RUNNER_HOST, ""))
        command = [find_cli(self._environ), "session", "--label", "dagger.io/sdk.name:pytest-dagger-rust"]
        try:
            with self.log.open("wb") as log:
                self._process = subprocess.Popen(  # noqa: S603 - the CLI the user named
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    env=dict(self._environ),
                    # Ctrl-C is for pytest, which closes the session in its own time.
                    start_new_session=True,
                )
        except OSError as error:
            msg = f"The dagger CLI could not be started: {command[0]}: {error.strerror}.\n{REMEDIES}"
            raise EngineUnavailable(msg) from None
        self._reader.start()

    def _read_first_line(self) -> None:
        assert self._process is not None and self._process.stdout is not None  # noqa: S101, PT018
        self._lines.put(self._process.stdout.readline())

    def params(self) -> SessionParams:
        """Wait for the session to open.

        Raises EngineUnavailable when the CLI stops or stays silent for longer than `timeout`.
        """
        try:
            line = self._lines.get(timeout=self.timeout)
        except queue.Empty:
            self._fail(f"The dagger CLI did not open a session within {self.timeout:g} s.")
        try:
            answer = json.loads(line)
            return SessionParams(int(answer["port"]), str(answer["session_token"]))
        except (ValueError, KeyError, TypeError):
            self._fail("The dagger CLI stopped before it opened a session.")

    def _fail(self, what: str) -> NoReturn:
        tail = self.log_tail()
        self.close(timeout=0.5)
        address = self._environ.get(RUNNER_HOST)
        tried = f"  Tried: {RUNNER_HOST}={address}" if address else "  Tried: an engine started by the CLI"
        raise EngineUnavailable("\n".join(filter(None, [what, tried, tail, REMEDIES])))

    def log_tail(self, lines: int = 5) -> str:
        """Return the last lines of what the CLI logged, indented."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return "\n".join(f"  dagger: {line}" for line in lines_of(text)[-lines:])

    def close(self, timeout: float = CLOSE_TIMEOUT) -> None:
        """End the process, kindly first; the engine drops whatever it was running for it."""
        if self._process is not None:
            assert self._process.stdin is not None and self._process.stdout is not None  # noqa: S101, PT018
            with contextlib.suppress(OSError):
                self._process.stdin.close()
            _wait_or_kill(self._process, timeout)
            self._reader.join(timeout)
            self._process.stdout.close()
            self._process = None
        self.log.unlink(missing_ok=True)


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
    from dagger import ProvisionError  # noqa: PLC0415 - importing dagger takes most of a second
    from dagger.provisioning._download import Downloader  # noqa: PLC0415

    try:
        return Downloader().get_sync()
    except (ProvisionError, OSError) as error:
        msg = (
            f"There is no dagger CLI: {CLI_BIN} is not set, and downloading it failed.\n  {error}\n{REMEDIES}"
        )
        raise EngineUnavailable(msg) from None


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
        msg = (
            f"No Dagger engine answers at {address}: {reason}.\n  Tried: {RUNNER_HOST}={address}\n{REMEDIES}"
        )
        raise EngineUnavailable(msg) from None
