"""Fixtures of the agent's tests on this machine: no engine, but rustc and cargo."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.cargo.container.workshop import Workshop, compile_agent

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent, compiled once."""
    if shutil.which("rustc") is None:
        pytest.skip("there is no rustc on this machine")
    return compile_agent(tmp_path_factory.mktemp("agent"))


@pytest.fixture
def workshop(agent: Path, tmp_path: Path) -> Workshop:
    """An empty workspace, and a volume that no build has seen."""
    return Workshop(agent, tmp_path)
