"""Typed looks into parsed TOML, whose values may be anything."""

from __future__ import annotations

from typing import Any, TypeAlias, cast

Table: TypeAlias = dict[str, Any]


def table(value: object) -> Table:
    """Return `value` if it is a table, else an empty one."""
    return cast("Table", value) if isinstance(value, dict) else {}


def array(value: object) -> list[Any]:
    """Return `value` if it is an array, else an empty one."""
    return cast("list[Any]", value) if isinstance(value, list) else []


def tables(value: object) -> list[Table]:
    """Return the tables among the values of an array of tables."""
    return [table(item) for item in array(value)]


def strings(value: object) -> list[str]:
    """Return the strings of an array."""
    return [item for item in array(value) if isinstance(item, str)]


def string(value: object) -> str | None:
    """Return `value` if it is a string."""
    return value if isinstance(value, str) else None


def boolean(value: object) -> bool | None:
    """Return `value` if it is a boolean."""
    return value if isinstance(value, bool) else None
