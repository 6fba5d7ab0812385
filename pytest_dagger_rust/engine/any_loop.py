"""The SDK's session for every event loop, and what its failures mean."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.engine import marker
from pytest_dagger_rust.engine.plain import without_trace
from pytest_dagger_rust.errors import EngineUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_dagger_rust.engine.engine import Engine
    from pytest_dagger_rust.engine.marker import Marker

RESTARTED = "it was started anew, and knows nothing of this session."

LOST = """\
The connection to the Dagger engine was lost: {}
  Run the tests again once it is back; what was compiled is kept."""


@functools.cache
def _lost_error() -> type[EngineUnavailable]:
    """Return the error for a lost engine, which is one of the SDK's, too: it looks for its own in groups of errors."""
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    return type(EngineUnavailable.__name__, (EngineUnavailable, dagger.DaggerError), {"__module__": __name__})


def _reason(error: Exception) -> str:
    """Return why the engine is lost; empty where it has answered. What it says of spans is left out of `error`."""
    from gql.transport import exceptions  # noqa: PLC0415 - imports the SDK's HTTP client

    if isinstance(error, exceptions.TransportQueryError):
        for said in error.errors or ():
            said["message"] = without_trace(str(said.get("message")))
    elif isinstance(error, exceptions.TransportError):
        reason = str(error) or type(error.__cause__ or error).__name__
        return without_trace(next(iter(lines_of(reason)), ""))
    return ""


def _is_of_an_exec(error: Exception) -> bool:
    errors: Sequence[dict[str, Any]] = getattr(error, "errors", None) or ()
    details: list[dict[str, Any]] = [said.get("extensions") or {} for said in errors]
    return any(found.get("_type") == "EXEC_ERROR" for found in details)


@dataclass
class AnyLoopSession:
    """The SDK's client session, with every query passed to the loop it belongs to.

    Once the engine is `lost`, it stays lost: one that was started anew knows nothing of this session.
    """

    engine: Engine
    session: Any
    marker: Marker | None = None
    lost: str = ""

    async def get_schema(self) -> Any:
        """Return the engine's GraphQL schema."""
        return await self.engine.acall(self.session.get_schema)

    async def execute(self, query: Any) -> Any:
        """Send one query.

        Raises EngineUnavailable if the engine is lost; the SDK raises the rest as its own errors.
        """
        try:
            if not self.lost:
                return await self.engine.acall(self._answer, query)
        except Exception as error:
            self.lost = self.lost or _reason(error)
            if not self.lost:
                raise
        raise _lost_error()(LOST.format(self.lost)) from None

    async def _answer(self, query: Any) -> Any:
        """Wait for the answer, and look after the engine where there is none, or an error that is of no exec."""
        asked = asyncio.ensure_future(self.session.execute(query))
        try:
            while not (await asyncio.wait({asked}, timeout=marker.LOOK))[0]:
                await self._look()
            return asked.result()
        except Exception as error:
            if not _is_of_an_exec(error):
                await self._look()
            raise
        finally:
            asked.cancel()

    async def _look(self) -> None:
        """Note whether the engine has been started anew.

        Raises the transport's errors where nobody answers.
        """
        if self.marker is None:
            return
        with contextlib.suppress(TimeoutError, asyncio.TimeoutError):
            is_missing: bool = await asyncio.wait_for(self.marker.is_missing(), marker.PATIENCE)
            if is_missing:
                self.lost = RESTARTED
                raise EngineUnavailable(RESTARTED)


@dataclass(frozen=True, eq=False)
class AnyLoopConnection:
    """What the SDK's objects hold in place of its own connection."""

    session: AnyLoopSession
