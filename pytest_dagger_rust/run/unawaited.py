"""Finds calls whose `await` was forgotten: such a call does nothing, and Python only warns of it."""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from pytest_dagger_rust.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """A call of a coroutine method: its name, and the file and line that it is in."""

    coroutine: Coroutine[Any, Any, Any]
    name: str
    file: str
    line: int

    @property
    def is_forgotten(self) -> bool:
        """Whether nothing has awaited it."""
        return inspect.getcoroutinestate(self.coroutine) == inspect.CORO_CREATED


_watches: list[list[Call]] = []


@contextlib.contextmanager
def watching() -> Generator[list[Call]]:
    """Return a list that gets every call made while the context lasts."""
    calls: list[Call] = []
    _watches.append(calls)
    try:
        yield calls
    finally:
        _watches.remove(calls)


def watched(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Decorate a coroutine method, so that its calls are noted for those who watch."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        coroutine = function(*args, **kwargs)
        if _watches:
            frame = sys._getframe(1)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            note = Call(coroutine, function.__name__, frame.f_code.co_filename, frame.f_lineno)
            for calls in _watches:
                calls.append(note)
        return coroutine

    return call


def forgotten(calls: list[Call]) -> Call | None:
    """Return the first call that nothing has awaited, and end all of them, so that Python does not warn too."""
    found = [call for call in calls if call.is_forgotten]
    for call in found:
        call.coroutine.close()
    return found[0] if found else None


class AsyncContext(contextlib.AbstractAsyncContextManager[T]):
    """An asynchronous context manager that says what to write where a plain `with` enters it."""

    def __init__(self, context: contextlib.AbstractAsyncContextManager[T], name: str) -> None:
        self._context = context
        self._name = name

    async def __aenter__(self) -> T:
        return await self._context.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        return await self._context.__aexit__(kind, error, traceback)

    if not TYPE_CHECKING:
        # Type checkers refuse the plain `with` themselves.
        def __enter__(self) -> T:
            __tracebackhide__ = True
            msg = (
                f"{self._name}(...) needs `async with`: in a plain test, write `with rust_build.{self._name}(...)`, "
                f"or `with build.blocking.{self._name}(...)` for any other build."
            )
            raise ConfigurationError(msg)

        def __exit__(self, *_: object) -> None:
            """Do nothing: `__enter__` never returns."""
