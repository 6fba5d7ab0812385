"""Reads values from parsed TOML with their expected types."""

from __future__ import annotations

from typing import Any, TypeAlias, TypeGuard

Table: TypeAlias = dict[str, Any]


def is_table(value: Any) -> TypeGuard[Table]:
    """Return whether `value` is a table."""
    return isinstance(value, dict)


def is_array(value: Any) -> TypeGuard[list[Any]]:
    """Return whether `value` is an array."""
    return isinstance(value, list)


def table(value: Any) -> Table:
    """Return `value` if it is a table, else an empty one."""
    return value if is_table(value) else {}


def array(value: Any) -> list[Any]:
    """Return `value` if it is an array, else an empty one."""
    return value if is_array(value) else []


def tables(value: Any) -> list[Table]:
    """Return the tables among the values of an array of tables."""
    return [table(item) for item in array(value)]


def strings(value: Any) -> list[str]:
    """Return the strings of an array."""
    return [item for item in array(value) if isinstance(item, str)]


def string(value: Any) -> str | None:
    """Return `value` if it is a string."""
    return value if isinstance(value, str) else None


def boolean(value: Any) -> bool | None:
    """Return `value` if it is a boolean."""
    return value if isinstance(value, bool) else None
