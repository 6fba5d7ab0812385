"""Fails a test that forgot an `await` or a `.blocking`, and says what to write."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.plugin.hypothesis_tests import is_coroutine
from pytest_dagger_rust.run import unawaited

if TYPE_CHECKING:
    from collections.abc import Generator

# The method of a factory that has no name to call it by.
_NAMES = {"__call__": "cached_rust_build_factory(...)"}


def check(item: pytest.Item) -> Generator[None, object, object]:
    """Run a test's call, then fail the test if a coroutine of this package was left without its `await`."""
    with unawaited.watching() as calls:
        try:
            result = yield
        except (AttributeError, TypeError) as error:
            # What a test does with a coroutine that it takes for a result.
            call = unawaited.forgotten(calls)
            if call is not None and "coroutine" in str(error):
                raise _failure(item, call) from None
            raise
        except BaseException:
            unawaited.forgotten(calls)
            raise
    if call := unawaited.forgotten(calls):
        raise _failure(item, call)
    return result


def _failure(item: pytest.Item, call: unawaited.Call) -> BaseException:
    place = f"{os.path.relpath(call.file, item.config.rootpath)}:{call.line}"
    name = _NAMES.get(call.name, f"{call.name}(...)")
    msg = f"{place}: {name} did nothing, because it was not awaited: {_advice(item, call.name)}."
    return pytest.fail.Exception(msg, pytrace=False)


def _advice(item: pytest.Item, name: str) -> str:
    if is_coroutine(getattr(item, "function", None)):
        return "write `await` in front of it"
    if name in {"__call__", "wheel"}:
        called = "" if name == "__call__" else f".{name}"
        return f"in a plain test, write `cached_rust_build_factory.blocking{called}(...)`"
    return f"in a plain test, write `rust_build.{name}(...)`, or `.blocking.{name}(...)` on any other build"
