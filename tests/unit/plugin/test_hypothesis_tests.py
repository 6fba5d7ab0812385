"""Tests of what hypothesis has made of tests: no engine, no runs."""

from __future__ import annotations

import datetime as dt
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_dagger_rust.plugin.hypothesis_tests import is_coroutine, without_default_deadline


async def coroutine() -> None:
    """Do nothing."""


def test_a_coroutine_is_found_in_what_hypothesis_makes_of_it() -> None:
    """And a plain function is none."""
    assert is_coroutine(coroutine)
    assert is_coroutine(given(x=st.integers())(_coroutine_of_x))
    assert not is_coroutine(given(x=st.integers())(_function_of_x))


async def _coroutine_of_x(x: int) -> None: ...


def _function_of_x(x: int) -> None: ...


def _deadline(function: object) -> dt.timedelta | None:
    found: Any = getattr(function, "_hypothesis_internal_use_settings", settings.default)
    deadline: dt.timedelta | None = found.deadline
    return deadline


def test_only_the_default_deadline_is_taken() -> None:
    """One that the user has chosen stays, and so do the other settings."""
    plain = given(x=st.integers())(_function_of_x)
    without_default_deadline(plain)
    assert _deadline(plain) is None
    chosen = settings(deadline=500, max_examples=7)(given(x=st.integers())(_function_of_x))
    without_default_deadline(chosen)
    assert _deadline(chosen) == dt.timedelta(milliseconds=500)
    few = settings(max_examples=7, deadline=200)(given(x=st.integers())(_function_of_x))
    without_default_deadline(few)
    assert few._hypothesis_internal_use_settings.max_examples == 7  # type: ignore[attr-defined]
    without_default_deadline(coroutine)
