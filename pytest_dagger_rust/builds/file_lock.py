"""Lets one process at a time into a place: with a lock file, whose lock ends with the process that holds it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path


@contextlib.contextmanager
def file_lock(path: Path) -> Generator[None]:
    """Wait for the lock, and hold it while the context lasts."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.asynccontextmanager
async def async_file_lock(path: Path) -> AsyncGenerator[None]:
    """Wait for the lock in a way that can be cancelled, and hold it while the context lasts."""
    with path.open("w") as file:
        while not _take(file.fileno()):  # noqa: ASYNC110 - another process sets no event
            await asyncio.sleep(0.05)
        yield


def _take(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
