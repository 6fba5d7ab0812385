"""The shell scripts that run inside containers."""

from __future__ import annotations

from importlib import resources


def script(name: str) -> str:
    """Give the text of a script of this folder."""
    return resources.files(__name__).joinpath(name).read_text("utf-8")
