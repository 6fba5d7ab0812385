"""One session with the engine for all pytest-xdist workers, held by the process that started them."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dagger_rust.engine.cli import CLOSE_TIMEOUT, CONNECTING, CliSession, SessionParams
from pytest_dagger_rust.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from pytest_dagger_rust.report.progress import Progress


class SessionServer:
    """Opens the session when the first worker asks for it, and gives it to every one.

    The session has to outlive each single worker, and workers end at different times: so it belongs to the
    controller, which ends it with `close`.
    """

    def __init__(self, timeout: float | None, progress: Progress) -> None:
        self._cli = CliSession(os.environ, timeout)
        self._progress = progress
        progress.follow(lambda: self._cli.log)
        self._answer: SessionParams | str | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="pytest-dagger-rust-")
        self.key = os.urandom(16)
        self._listener = Listener(
            str(Path(self._folder.name) / "session"), "AF_UNIX", backlog=64, authkey=self.key
        )
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """The socket workers ask at."""
        return str(self._listener.address)

    def _serve(self) -> None:
        while self._serve_one():
            pass

    def _serve_one(self) -> bool:
        # A worker that died while it asked is no reason to leave the others without an answer.
        with contextlib.suppress(OSError, EOFError), self._listener.accept() as connection:
            match connection.recv():
                case "close":
                    return False
                case ("begin", str(name), str(what)):
                    self._progress.begin(name, what)
                case ("end", str(name)):
                    self._progress.end(name)
                case _:
                    self._reply(connection)
        return True

    def _reply(self, connection: Connection) -> None:
        if self._answer is None:
            self._answer = self._opened()
        connection.send(self._answer)

    def _opened(self) -> SessionParams | str:
        try:
            with self._progress.waiting(CONNECTING):
                self._cli.start()
                return self._cli.params()
        except EngineUnavailable as error:
            return str(error)

    def close(self, patience: float = CLOSE_TIMEOUT) -> None:
        """End the session, if there was one, and everything around it; after `patience` seconds by force.

        The engine drops what it ran for a session that is gone, however it went.
        """
        # First of all, because a session that is only being opened is waited for.
        self._cli.close(patience)
        with contextlib.suppress(OSError), Client(self.address, "AF_UNIX", authkey=self.key) as connection:
            connection.send("close")
        self._thread.join()
        self._listener.close()
        self._folder.cleanup()


class WorkersProgress:
    """What a worker waits for, shown by the process that started it."""

    def __init__(self, address: str, key: bytes, worker: str) -> None:
        self._address = address
        self._key = key
        self._worker = worker

    @contextlib.contextmanager
    def waiting(self, what: str) -> Generator[None]:
        """Show that this worker waits, as long as the context lasts."""
        name = f"{self._worker} {what}"
        self._tell("begin", name, what)
        try:
            yield
        finally:
            self._tell("end", name)

    def follow(self, log: Callable[[], Path | None]) -> None:
        """Do nothing: the log is with the process that serves the session, which follows it."""

    def _tell(self, *message: str) -> None:
        # Progress is no reason to fail a test.
        with (
            contextlib.suppress(OSError, EOFError),
            Client(self._address, "AF_UNIX", authkey=self._key) as connection,
        ):
            connection.send(message)


def ask(address: str, key: bytes) -> SessionParams:
    """Ask the controller for the session; the first to ask waits while it is opened.

    Raises EngineUnavailable, for each worker with the same words.
    """
    try:
        with Client(address, "AF_UNIX", authkey=key) as connection:
            connection.send("session")
            answer = connection.recv()
    except (OSError, EOFError) as error:
        msg = f"The process that started the test workers does not answer: {error}"
        raise EngineUnavailable(msg) from None
    if isinstance(answer, str):
        raise EngineUnavailable(answer)
    if not isinstance(answer, SessionParams):
        msg = f"The process that started the test workers answered {answer!r}."
        raise EngineUnavailable(msg)
    return answer
