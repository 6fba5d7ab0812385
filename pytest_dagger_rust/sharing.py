"""One session with the engine for all workers of pytest-xdist, held by the process that started them."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path

from pytest_dagger_rust.cli import CliSession, SessionParams
from pytest_dagger_rust.errors import EngineUnavailable


class SessionServer:
    """Opens the session when the first worker asks for it, and gives it to every one.

    The session has to outlive each single worker, and workers end at different times: so it belongs to the
    controller, which ends it with `close`.
    """

    def __init__(self, timeout: float | None) -> None:
        self._cli = CliSession(os.environ, timeout)
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
            if connection.recv() == "close":
                return False
            self._reply(connection)
        return True

    def _reply(self, connection: Connection) -> None:
        if self._answer is None:
            self._answer = self._opened()
        connection.send(self._answer)

    def _opened(self) -> SessionParams | str:
        try:
            self._cli.start()
            return self._cli.params()
        except EngineUnavailable as error:
            return str(error)

    def close(self) -> None:
        """End the session, if there was one, and everything around it."""
        with contextlib.suppress(OSError), Client(self.address, "AF_UNIX", authkey=self.key) as connection:
            connection.send("close")
        self._thread.join()
        self._listener.close()
        self._cli.close()
        self._folder.cleanup()


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
