"""Tests that hypothesis has made of others: what they are, and how long an example may take."""

from __future__ import annotations

import datetime as dt
import inspect
from typing import Any

# Hypothesis' own; one exec on an engine takes longer.
_DEFAULT_DEADLINE = dt.timedelta(milliseconds=200)
_SETTINGS = "_hypothesis_internal_use_settings"


def is_coroutine(function: Any) -> bool:
    """Return whether a test is a coroutine, or is made of one: hypothesis keeps that in an attribute."""
    return inspect.iscoroutinefunction(getattr(_handle(function), "inner_test", function))


def without_default_deadline(function: Any) -> None:
    """Take hypothesis' default deadline from a test; one that the user has chosen stays."""
    if _handle(function) is None:
        return
    import hypothesis  # noqa: PLC0415 - the test has imported it

    function = getattr(function, "__func__", function)
    chosen: Any = getattr(function, _SETTINGS, hypothesis.settings.default)
    if getattr(chosen, "deadline", None) == _DEFAULT_DEADLINE:
        setattr(function, _SETTINGS, hypothesis.settings(chosen, deadline=None))


def _handle(function: Any) -> Any:
    return getattr(function, "hypothesis", None)
