"""Calls without their `await` are found, and said in one sentence."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust.errors import ConfigurationError
from pytest_dagger_rust.run.unawaited import AsyncContext, forgotten, watched, watching

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@watched
async def double(number: int) -> int:
    """Return the double."""
    return 2 * number


def test_a_call_is_a_coroutine_as_before() -> None:
    """It can be awaited where nobody watches, and where somebody does."""
    assert asyncio.run(double(2)) == 4
    with watching() as calls:
        assert asyncio.run(double(2)) == 4
    assert len(calls) == 1
    assert forgotten(calls) is None


def test_a_forgotten_call_is_found_where_it_was_made() -> None:
    """It has the name of the method and the place in the caller, and Python does not warn as well."""
    with watching() as calls, warnings.catch_warnings():
        warnings.simplefilter("error")
        double(2)  # type: ignore[unused-coroutine]
        call = forgotten(calls)
    assert call is not None
    assert (call.name, call.file) == ("double", __file__)
    del call, calls


def test_a_plain_with_says_what_to_write() -> None:
    """Python's own words would be about an inner class."""

    async def serve() -> AsyncGenerator[int]:
        yield 1

    from contextlib import asynccontextmanager  # noqa: PLC0415

    context: Any = AsyncContext(asynccontextmanager(serve)(), "service")
    with pytest.raises(ConfigurationError, match=r"write `with rust_build.service\(\.\.\.\)`"), context:
        pass

    async def enter() -> int:
        async with context as value:
            return int(value)

    assert asyncio.run(enter()) == 1
