"""The shell scripts that run inside containers."""

from __future__ import annotations

from importlib import resources


def script(*names: str) -> str:
    """Return the text of scripts of this folder, one after the other: first what is defined, then what uses it."""
    return "\n".join(resources.files(__name__).joinpath(name).read_text("utf-8") for name in names)
