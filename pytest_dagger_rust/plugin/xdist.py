"""All that is about pytest-xdist: one session with the engine for all workers, held by the process that started them.

Workers and that process, the controller, talk through a channel of xdist's own connection to each worker. So nothing is
opened before somebody asks, and nothing but a worker can ask.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_dagger_rust.plugin.state import REPORTING_KEY, SETTINGS_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from pytest_dagger_rust.engine.cli import CliSession, SessionParams
    from pytest_dagger_rust.engine.otlp import Batch
    from pytest_dagger_rust.report.progress import Progress

# In the input of a worker: its end of the channel.
_CHANNEL = "dagger_rust_channel"

# Characters of a wait's name that are shown.
_LONGEST = 200

# A worker waits for this many times what one step of connecting may take.
_STEPS = 10

# Seconds to wait for what the controller answers at once, and for a session to close: after Ctrl-C and otherwise.
_PATIENCE, _INTERRUPTED, _CLOSING = 30.0, 0.5, 10.0


class Channel(Protocol):
    """One end of a channel of execnet's."""

    def send(self, item: object) -> None:
        """Send an object of Python's own types.

        Raises OSError if the other end is gone.
        """
        ...

    def receive(self, timeout: float | None = None) -> Any:
        """Wait for an object.

        Raises OSError or EOFError if none comes.
        """
        ...

    def setcallback(self, callback: Callable[[object], None]) -> None:
        """Call a function with each object that comes, on the thread that all channels of a worker share."""
        ...


def is_worker(config: pytest.Config) -> bool:
    """Return whether this process is a worker."""
    return hasattr(config, "workerinput")


def _workerinput(config: pytest.Config) -> dict[str, Any]:
    found: dict[str, Any] = getattr(config, "workerinput", {})
    return found


def from_controller(config: pytest.Config, key: str) -> Any:
    """Return what a participant of the controller has sent this worker; None in a process that is no worker."""
    return _workerinput(config).get(key)


def run_id(config: pytest.Config) -> str | None:
    """Return what all workers of one run have in common; None in a process that is no worker."""
    return _workerinput(config).get("testrunuid")


def controller_of(config: pytest.Config) -> Controller | None:
    """Return the controller as a worker sees it; None if there is none that holds a session."""
    channel = _workerinput(config).get(_CHANNEL)
    return None if channel is None else Controller(channel, config.stash[SETTINGS_KEY]["connect_timeout"])


class Controller:
    """A worker's view of the controller."""

    def __init__(self, channel: Channel, timeout: float | None) -> None:
        self._channel = channel
        self._timeout = timeout

    def session(self) -> SessionParams:
        """Ask for the session; the first to ask waits while it is opened.

        Raises EngineUnavailable, for each worker with the same words.
        """
        from pytest_dagger_rust.engine.cli import SessionParams, connect_timeout  # noqa: PLC0415
        from pytest_dagger_rust.errors import EngineUnavailable  # noqa: PLC0415

        try:
            answer = self._ask("session", _STEPS * connect_timeout(os.environ, self._timeout))
        except (OSError, EOFError) as error:
            reason = str(error) or type(error).__name__
            msg = f"The process that started the test workers does not answer: {reason}"
            raise EngineUnavailable(msg) from None
        match answer:
            case (int(port), str(token)):
                return SessionParams(port, token)
            case str(reason):
                raise EngineUnavailable(reason)
            case _:
                msg = f"The process that started the test workers answered {answer!r}."
                raise EngineUnavailable(msg)

    def folder(self) -> str | None:
        """Return a folder for all workers of this run; None if there is none to be had."""
        try:
            answer = self._ask("folder", _PATIENCE)
        except (OSError, EOFError):
            return None
        return answer if isinstance(answer, str) else None

    def _ask(self, what: str, patience: float) -> Any:
        self._channel.send(what)
        while True:
            match self._channel.receive(patience):
                case (str(about), answer) if about == what:
                    return answer
                case _:
                    # The answer to an earlier question, which was not waited for.
                    pass

    @contextlib.contextmanager
    def waiting(self, what: str) -> Generator[None]:
        """Have the controller show that this worker waits, as long as the context lasts."""
        self._tell("begin", what)
        try:
            yield
        finally:
            self._tell("end", what)

    def hear(self, batch: Batch) -> None:
        """Do nothing: the process that serves the session shows what happens in it."""

    def _tell(self, *message: str) -> None:
        # Progress is no reason to fail a test.
        with contextlib.suppress(OSError, EOFError):
            self._channel.send(message)


class SharedSession:
    """Opens the session when the first worker asks for it, and gives it to every one.

    The session has to outlive each single worker, and workers end at different times: so it belongs to the
    controller, which ends it with `close`.
    """

    def __init__(self, timeout: float | None, progress: Callable[[], Progress]) -> None:
        self._timeout = timeout
        self._progress = progress
        self._lock = threading.Lock()
        self._channels: list[Channel] = []
        self._waiting: list[Channel] = []
        self._answer: tuple[int, str] | str | None = None
        self._cli: CliSession | None = None
        self._opener: threading.Thread | None = None
        self._folder: Path | None = None
        self._is_closed = False

    def serve(self, channel: Channel, worker: str) -> None:
        """Answer what a worker asks through a channel; `worker` is its name."""
        self._channels.append(channel)
        channel.setcallback(partial(self._take, channel, worker))

    def _take(self, channel: Channel, worker: str, message: object) -> None:
        # The worker's reports come on the same thread: nothing here may wait, or raise.
        with contextlib.suppress(OSError, EOFError):
            match message:
                case "session":
                    self._want(channel)
                case "folder":
                    channel.send(("folder", self._shared_folder()))
                case ("begin", str(what)):
                    self._progress().begin(f"{worker} {what[:_LONGEST]}", what[:_LONGEST])
                case ("end", str(what)):
                    self._progress().end(f"{worker} {what[:_LONGEST]}")
                case _:
                    # No worker of this plugin says so.
                    pass

    def _want(self, channel: Channel) -> None:
        from pytest_dagger_rust.engine.cli import CLOSED, CliSession  # noqa: PLC0415 - only where somebody asks

        with self._lock:
            if self._is_closed:
                self._answer = CLOSED
            if self._answer is not None:
                channel.send(("session", self._answer))
                return
            if channel not in self._waiting:
                self._waiting.append(channel)
            if self._cli is None:
                self._cli = CliSession(os.environ, self._timeout, self._progress().hear)
                self._opener = threading.Thread(target=self._open, args=(self._cli,), daemon=True)
                self._opener.start()

    def _open(self, cli: CliSession) -> None:
        answer = self._opened(cli)
        with self._lock:
            self._answer = answer
            waiting, self._waiting = self._waiting, []
        for channel in waiting:
            # A worker that died while it waited is no reason to leave the others without an answer.
            with contextlib.suppress(OSError, EOFError):
                channel.send(("session", answer))

    def _opened(self, cli: CliSession) -> tuple[int, str] | str:
        from pytest_dagger_rust.engine.cli import CONNECTING  # noqa: PLC0415

        try:
            with self._progress().waiting(CONNECTING):
                cli.start()
                params = cli.params()
        # Whatever it is, somebody waits for an answer.
        except Exception as error:  # noqa: BLE001
            return str(error) or type(error).__name__
        return params.port, params.session_token

    def _shared_folder(self) -> str | None:
        with self._lock, contextlib.suppress(OSError):
            if self._folder is None and not self._is_closed:
                from pytest_dagger_rust import scratch  # noqa: PLC0415 - cannot be imported on Windows

                self._folder = scratch.new_folder()
            return str(self._folder) if self._folder else None
        return None

    def close(self, patience: float = _CLOSING) -> None:
        """End the session, if there was one, and everything around it; after `patience` seconds by force.

        The engine drops what it ran for a session that is gone, however it went.
        """
        with self._lock:
            self._is_closed = True
            cli, opener, folder = self._cli, self._opener, self._folder
            self._folder = None
        if cli is not None and opener is not None:
            cli.close(patience)
            # What it waits for has ended, but for a download of the CLI.
            opener.join(patience)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


class Participant:
    """A part of the plugin that a worker and the controller both have, and how the two talk; values are plain ones."""

    xdist_key: str

    def to_worker(self) -> Any:
        """Return what a worker gets before it starts; None for nothing."""
        return None

    def to_controller(self) -> Any:
        """Return what the controller gets when a worker has run its tests; None for nothing."""
        return None

    def from_worker(self, worker: str, value: Any) -> None:
        """Take what a worker has sent; None if it sent nothing, because it died for example."""


class XdistHooks:
    """The hooks of the process that starts workers, and of each worker."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._session: SharedSession | None = None
        self._participants: list[Participant] = []

    def add(self, participant: Participant) -> None:
        """Let a part of the plugin talk to its counterparts in workers, or in the controller."""
        self._participants.append(participant)

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Give a worker what it needs."""
        for participant in self._participants:
            node.workerinput[participant.xdist_key] = participant.to_worker()
        # Otherwise everybody finds the session in the environment.
        if not os.environ.get("DAGGER_SESSION_PORT"):
            self._share_session(node)

    def _share_session(self, node: Any) -> None:
        if self._session is None:
            timeout = self._config.stash[SETTINGS_KEY]["connect_timeout"]
            reporting = self._config.stash[REPORTING_KEY]
            self._session = SharedSession(timeout, lambda: reporting.progress)
        channel = node.gateway.newchannel()
        self._session.serve(channel, node.gateway.id)
        node.workerinput[_CHANNEL] = channel

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Pass on what a worker has sent."""
        output: dict[str, Any] = getattr(node, "workeroutput", {})
        for participant in self._participants:
            participant.from_worker(node.gateway.id, output.get(participant.xdist_key))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Send the controller what it gets; end its session at once after Ctrl-C.

        Workers ignore Ctrl-C, and would wait for their builds.
        """
        if is_worker(self._config):
            output: dict[str, Any] = getattr(self._config, "workeroutput", {})
            output.update({one.xdist_key: one.to_controller() for one in self._participants})
        if exitstatus == pytest.ExitCode.INTERRUPTED:
            self._close(_INTERRUPTED)

    def pytest_unconfigure(self) -> None:
        """Close what the controller holds for its workers."""
        self._close(_CLOSING)

    def _close(self, patience: float) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close(patience)
