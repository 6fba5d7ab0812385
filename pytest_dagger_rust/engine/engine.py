"""A connection to the Dagger engine whose client works from every thread and every event loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.engine.any_loop import LOST, AnyLoopConnection, AnyLoopSession
from pytest_dagger_rust.engine.cli import REMEDIES, CliSession, SessionParams
from pytest_dagger_rust.engine.introspection import Introspection, schema_of
from pytest_dagger_rust.engine.marker import Marker
from pytest_dagger_rust.engine.sdk import import_sdk
from pytest_dagger_rust.engine.versions import check_versions
from pytest_dagger_rust.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Mapping

    import dagger
    import graphql
    from anyio.from_thread import BlockingPortal

    from pytest_dagger_rust.engine.introspection import Said
    from pytest_dagger_rust.engine.telemetry import Hear

T = TypeVar("T")

SESSION_ENDED = """\
The Dagger session has ended, so this object can no longer be used.
  Keep nothing that came from a fixture of this plugin beyond the end of the pytest session."""


# Seconds for a query that nobody waits for, when the session ends: its connection has to be closed by then.
_LAST_QUERY = 2.0

# Seconds for the first answer of an engine that has opened a session, so it is there: on a busy machine it takes ten.
FIRST_ANSWER = 60.0


class Engine:
    """A connection to a Dagger engine that any thread and any event loop can use.

    The SDK's client belongs to the event loop that made it; on another loop, it fails some calls later. So the client
    runs on a thread with its own loop, and every query is passed to that thread.

    `timeout` is how many seconds each step of connecting may take. `hear` is called, on another thread, with what the
    CLI sends of the session's work, where this connection starts the CLI.
    """

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
        session: SessionParams | None = None,
        hear: Hear | None = None,
    ) -> None:
        self._environ = os.environ if environ is None else environ
        self._timeout = timeout
        self._session = session
        self._hear = hear
        self._cli: CliSession | None = None
        self._client: dagger.Client | None = None
        self._stack = contextlib.ExitStack()
        self._portal: BlockingPortal | None = None
        self._thread: int | None = None

    def open(self) -> dagger.Client:
        """Connect, and return the client.

        Raises EngineUnavailable.
        """
        with contextlib.ExitStack() as stack:
            # Importing the SDK takes most of a second, in which the CLI connects and the engine gives its schema.
            meanwhile = stack.enter_context(ThreadPoolExecutor(1))
            params = self._opening(stack)
            introspection = Introspection(FIRST_ANSWER if self._timeout is None else self._timeout)
            stack.callback(introspection.cancel)
            session = meanwhile.submit(lambda: _with_schema(params(), introspection))
            with _objects_that_stay():
                import_sdk()
            from anyio.from_thread import start_blocking_portal  # noqa: PLC0415

            self._portal = stack.enter_context(start_blocking_portal())
            self._thread = self._portal.call(_thread_id)
            found, said = session.result()
            meanwhile.shutdown(wait=False)
            check_versions(said)
            with _objects_that_stay():
                self._client = self._connect(found, schema_of(said), stack)
            self.port = found.port
            self._stack = stack.pop_all()
        return self._client

    def _opening(self, stack: contextlib.ExitStack) -> Callable[[], SessionParams]:
        """Start the CLI, unless there is a session, and return a function that waits for the session."""
        if known := self._session or SessionParams.from_env(self._environ):
            return lambda: known
        self._cli = cli = CliSession(self._environ, self._timeout, self._hear)
        stack.callback(cli.close)
        cli.start()
        return cli.params

    @property
    def client(self) -> dagger.Client:
        """The connected client."""
        if self._client is None:
            raise EngineUnavailable(SESSION_ENDED)
        return self._client

    def _connect(
        self, params: SessionParams, schema: graphql.GraphQLSchema | None, stack: contextlib.ExitStack
    ) -> dagger.Client:
        import dagger  # noqa: PLC0415 - importing dagger takes most of a second
        from dagger.client._config import ConnectConfig  # noqa: PLC0415
        from dagger.client._session import BaseConnection, ConnectParams, SingleConnection  # noqa: PLC0415

        # A retried exec would run twice, and a lost engine would be found out only after 15 s of retries.
        config = ConnectConfig(retry=None)
        connection = SingleConnection(
            ConnectParams(port=params.port, session_token=params.session_token), config
        )
        # Where there is none, the SDK asks for it.
        cast("Any", connection.session.client).schema = schema
        try:
            self.call(connection.connect)
        except (dagger.ClientError, OSError) as error:
            raise EngineUnavailable(self._unconnected(params.port, error)) from None
        stack.callback(self._close_connection, connection.close)
        mark = Marker(connection.session)
        any_loop = AnyLoopConnection(AnyLoopSession(self, connection.session, mark))
        # Nobody waits for it but the end: an engine that has just answered is not started anew at once.
        leaving = self._running_portal().start_task_soon(mark.leave)
        stack.callback(wait, [leaving], _LAST_QUERY)
        client: dagger.Client = dagger.Client.from_connection(cast("BaseConnection", any_loop))
        return client

    def _unconnected(self, port: int, error: Exception) -> str:
        """Return why an open session cannot be used: one of our own has lost its engine, unless it refuses us."""
        reason = next(iter(lines_of(str(error))), "")
        if self._cli is not None and "Client error" not in reason:
            return LOST.format(reason.rpartition(": ")[2])
        return f"The Dagger session on port {port} does not answer: {reason}\n{REMEDIES}"

    def _close_connection(self, close: Callable[[], Awaitable[None]]) -> None:
        # The engine may be gone by now; there is nothing to save on this side.
        with contextlib.suppress(Exception):
            self.call(close)

    def call(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Run a coroutine function on the client's loop and wait for its result; an interrupt cancels it."""
        future = self._running_portal().start_task_soon(function, *args)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def acall(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Await a coroutine function on the client's loop, from whatever loop the caller runs on."""
        if threading.get_ident() == self._thread:
            return await function(*args)
        return await asyncio.wrap_future(self._running_portal().start_task_soon(function, *args))

    def begin(self, function: Callable[..., Awaitable[object]], *args: Any) -> None:
        """Run a coroutine function on the client's loop, and wait for nothing; the end of the session cancels it."""
        self._stack.callback(self._running_portal().start_task_soon(function, *args).cancel)

    def check_open(self) -> None:
        """Raise EngineUnavailable if the session has ended."""
        self._running_portal()

    def _running_portal(self) -> BlockingPortal:
        if self._portal is None:
            raise EngineUnavailable(SESSION_ENDED)
        return self._portal

    def close(self) -> None:
        """End the session and cancel everything that runs in it."""
        self._stack.close()
        self._portal = None
        self._thread = None
        self._client = None

    def __enter__(self) -> dagger.Client:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()


def _with_schema(params: SessionParams, introspection: Introspection) -> tuple[SessionParams, Said | None]:
    """Return an open session and the engine's schema."""
    return params, introspection.fetch(params)


@contextlib.contextmanager
def _objects_that_stay() -> Generator[None]:
    """Pause garbage collection while tens of thousands of objects are made that all stay."""
    if not gc.isenabled() or gc.get_freeze_count():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        # They count as old from now on.
        gc.freeze()
        gc.unfreeze()
        gc.enable()


async def _thread_id() -> int:
    return threading.get_ident()
