"""Checks environment variables for containers; their values may be secrets, so no message has one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pytest_dagger_rust.errors import ConfigurationError


def check_variables(what: str, variables: object) -> None:
    """Raise ConfigurationError unless these are variables that a program can be given.

    The message names the variable, or its place among the others where even its name may be part of a value.
    """
    if not isinstance(variables, Mapping):
        msg = (
            f"{what} must map names to values, as in {{'NAME': 'value'}}: got a value of type "
            f"{type(variables).__name__}."
        )
        raise ConfigurationError(msg)
    for place, (name, value) in enumerate(cast("Mapping[object, object]", variables).items(), 1):
        if not isinstance(name, str):
            raise ConfigurationError(f"{what}: variable {place}: its name must be str, not {_type(name)}.")
        if not name or "=" in name or not _can_be_passed(name):
            msg = f"{what}: the name of variable {place} is empty, or holds '=' or another character it may not hold."
            raise ConfigurationError(msg)
        _check_value(f"{what}: variable {name}", value)


def _check_value(what: str, value: object) -> None:
    # Values come from conftests without types, where an int slips in easily.
    if not isinstance(value, str):
        raise ConfigurationError(f"{what} must be str, not {_type(value)}: pass str(...) of it.")
    if not _can_be_passed(value):
        raise ConfigurationError(f"{what} holds a null character, or one that UTF-8 cannot encode.")


def _type(value: object) -> str:
    return type(value).__name__


def _can_be_passed(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
