"""Fixtures that run pytest on test files, against one workspace that is built once."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.pytest import program
from tests.pytest.terminal import FEWER_PLUGINS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PYTEST_INI = "[pytest]\nfilterwarnings = error\nasyncio_default_fixture_loop_scope = function\n"


def lay_out(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files below a folder."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _programs_can_be_interrupted() -> None:
    """What a shell starts in the background ignores SIGINT, and so would every pytest run here."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace no test changes, so that its build is made once."""
    return lay_out(tmp_path_factory.mktemp("shared"), program.FILES)


@dataclass(frozen=True)
class Project:
    """A folder with test files, in which pytest is run as a user runs it."""

    pytester: pytest.Pytester

    @property
    def folder(self) -> Path:
        """The rootdir of the run."""
        return self.pytester.path

    def write(self, files: Mapping[str, str]) -> None:
        """Write files below the rootdir."""
        lay_out(self.folder, files)

    def pytest(self, *arguments: str, **tests: str) -> pytest.RunResult:
        """Write the test files and run pytest in a process of its own."""
        self.write({f"test_{name}.py": source for name, source in tests.items()})
        return self.pytester.runpytest_subprocess(*FEWER_PLUGINS, *arguments, timeout=300)


@pytest.fixture
def project(pytester: pytest.Pytester, shared_workspace: Path) -> Project:
    """A project whose tests use the shared workspace."""
    lay_out(pytester.path, {"pytest.ini": f"{PYTEST_INI}dagger_rust_workspace = {shared_workspace}\n"})
    return Project(pytester)


@pytest.fixture
def bare_project(pytester: pytest.Pytester) -> Project:
    """A project that configures nothing of this plugin."""
    lay_out(pytester.path, {"pytest.ini": PYTEST_INI})
    return Project(pytester)
