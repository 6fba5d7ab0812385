"""Fixtures of the tests of the agent's runs on this machine."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.cargo.container.workshop import compile_agent
from tests.cargo.run.compiled import AgentRun, enterable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def compiled_agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent, compiled by this machine's rustc, where any user may run it."""
    if shutil.which("rustc") is None:
        pytest.skip("there is no rustc on this machine")
    return compile_agent(enterable(tmp_path_factory.mktemp("agent")), half="runner")


@pytest.fixture
def run(compiled_agent: Path, tmp_path: Path) -> AgentRun:
    """The agent's runs in a folder of the test's."""
    return AgentRun(compiled_agent, enterable(tmp_path))
