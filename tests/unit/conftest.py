"""Fixtures of tests that need neither an engine nor cargo."""

from __future__ import annotations

import builtins
import io
import os
from pathlib import Path
from typing import Any

import pytest


def _place(path: Any, *, is_link: object) -> str:
    """Return what a path leads to; the last part of it may be opened as the link that it is."""
    inner = Path(path)
    return str(Path(os.path.realpath(inner.parent), inner.name) if is_link else os.path.realpath(inner))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of all files and folders opened while a test runs, links followed as they are there."""
    paths: list[str] = []

    def watch(owner: object, name: str) -> None:
        real = getattr(owner, name)

        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            if not isinstance(path, int):
                paths.append(
                    _place(path, is_link=arguments[:1] and owner is os and arguments[0] & os.O_NOFOLLOW)
                )
            return real(path, *arguments, **options)

        monkeypatch.setattr(owner, name, call)

    for owner, name in ((builtins, "open"), (io, "open"), (os, "open"), (os, "scandir"), (os, "listdir")):
        watch(owner, name)
    return paths
