"""Checks the keyword arguments of runs and services; an unknown one is reported with the one that was meant."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_dagger_rust.errors import ConfigurationError, nearest
from pytest_dagger_rust.run.setup import Setup

if TYPE_CHECKING:
    from collections.abc import Mapping

S = TypeVar("S", bound=Setup)

# What other libraries call the same.
_SYNONYMS = {
    "input": "stdin",
    "environ": "env",
    "environment": "env",
    "envs": "env",
    "folder": "cwd",
    "workdir": "cwd",
    "working_dir": "cwd",
    "mounts": "files",
    "volumes": "files",
    "links": "services",
    "port": "ports",
    "wait": "timeout",
}

_HINTS = {
    "args": "Pass each argument as a str after the name.",
    "capture_output": "Output is always captured: leave it out.",
    "text": "The result has text in `stdout` and bytes in `stdout_bytes`: leave it out.",
    "stdout": "Output is always captured: leave it out.",
    "stderr": "Output is always captured: leave it out.",
    "shell": "Run a shell with `exec`: build.exec(['sh', '-c', '...']).",
}


def request(kind: type[S], what: str, command: tuple[str, ...], options: Mapping[str, Any]) -> S:
    """Return a request with these options.

    Raises ConfigurationError for an unknown name.
    """
    known = {field.name for field in fields(kind)} - {"command"}
    for name in options:
        if name not in known:
            raise ConfigurationError(f"{what} takes no keyword argument {name!r}. {_hint(name, known)}")
    return kind(command=command, **options)


def _hint(name: str, known: set[str]) -> str:
    if _SYNONYMS.get(name) in known:
        return f"Did you mean {_SYNONYMS[name]}?"
    return _HINTS.get(name) or nearest(name, known)
