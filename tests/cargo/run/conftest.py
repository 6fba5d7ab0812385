"""Fixtures of the agent's tests on this machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

import pytest_dagger_rust

SOURCES = Path(pytest_dagger_rust.__file__).parent / "container/rust"


@pytest.fixture(scope="session")
def compiled_agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The agent, compiled by this machine's rustc, in a folder of its own."""
    if shutil.which("rustc") is None:
        pytest.skip("no rustc here")
    program = tmp_path_factory.mktemp("agent") / "agent"
    for parent in (program.parent, *program.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o711)
    rustc = ["rustc", "--edition=2021", "-Cpanic=abort"]
    library = ["--crate-type=rlib", "--crate-name=agent_core", SOURCES / "core/lib.rs"]
    main = ["--extern=agent_core=libagent_core.rlib", "-o", program, SOURCES / "main.rs"]
    for words in (library, main):
        subprocess.run([*rustc, *map(str, words)], cwd=program.parent, check=True, capture_output=True)
    return program
