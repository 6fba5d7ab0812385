"""Tests of the lock that lets one process at a time into a place."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.builds.file_lock import async_file_lock, file_lock

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.asyncio
async def test_one_at_a_time(tmp_path: Path) -> None:
    """Whoever comes second waits for the end of the first; a wait can be cancelled."""
    entered: list[str] = []

    async def enter(name: str) -> None:
        async with async_file_lock(tmp_path / "lock"):
            entered.append(name)

    with file_lock(tmp_path / "lock"):
        waiting, cancelled = (asyncio.create_task(enter(name)) for name in ("waiting", "cancelled"))
        await asyncio.sleep(0.2)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        assert not entered
    await waiting
    assert entered == ["waiting"]
