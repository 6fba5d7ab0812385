"""Sessions beside each other, and sessions, processes and engines that die: afterwards everything is right, unasked."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.stack import process
from dev.stack.engine import Engine as BuiltEngine
from dev.stack.settings import Settings
from dev.stack.source import RUNNER_HOST
from pytest_dagger_rust.engine import marker
from pytest_dagger_rust.errors import EngineUnavailable
from tests.engine import accidents
from tests.engine.telltale import Telltale
from tests.pytest.terminal import FEWER_PLUGINS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from tests.engine.scenario import Scenario

TEST = """\
import pathlib

def test_program(cached_rust_build):
    output = cached_rust_build.blocking.run("telltale", check=True).stdout
    pathlib.Path("told.txt").write_text(output)
"""


@pytest.fixture
def telltale(make_scenario: Callable[[Mapping[str, str]], Scenario]) -> Telltale:
    """The workspace that tells what it was built from, in a volume of its own."""
    telltale = Telltale(make_scenario({}))
    telltale.write_all()
    telltale.toolchain = telltale.told()["toolchain"]
    return telltale


def test_two_sessions_build_one_workspace_at_the_same_time(telltale: Telltale) -> None:
    """Each has a process and a connection of its own; one waits for the other, and both are right."""
    telltale.edit("main", "library")
    with accidents.another_session(telltale.scenario) as other:
        second = dataclasses.replace(telltale, scenario=other.scenario)
        with ThreadPoolExecutor(2) as threads:
            told = list(threads.map(Telltale.told, (telltale, second)))
    assert told == [telltale.expected()] * 2


def test_pytest_is_killed_while_the_compiler_runs(tmp_path: Path, telltale: Telltale) -> None:
    """Nothing of the killed run stays, and the next one is right."""
    root = shutil.copytree(telltale.scenario.root, tmp_path / "project")
    (root / "test_program.py").write_text(TEST)
    mark = uuid.uuid4().hex
    settings = ("-c", os.devnull, "--rootdir=.", f"--dagger-rust-build-env={accidents.MARK}={mark}")
    command = [sys.executable, "-m", "pytest", "-q", *FEWER_PLUGINS, *settings]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
        accidents.wait_for_rustc("telltale", mark)
        sessions = descendants(killed.pid)
        killed.send_signal(signal.SIGKILL)
    assert sessions
    assert process.wait_until(lambda: not any(session.alive for session in sessions), accidents.PATIENCE)
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert told_in(root / "told.txt") == telltale.expected()


def told_in(file: Path) -> dict[str, str]:
    """Read what the program told."""
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


def descendants(pid: int) -> list[process.Process]:
    """Return the processes below one."""
    parent = process.Process.of(pid)
    assert parent is not None
    return parent.descendants()


@pytest.fixture
def second_engine(monkeypatch: pytest.MonkeyPatch) -> Generator[BuiltEngine]:
    """An engine of the development stack that may be killed: the same programs, a state of its own."""
    ours = BuiltEngine(Settings.from_environment(os.environ))
    if os.environ.get(RUNNER_HOST) != f"unix://{ours.socket}":
        pytest.skip("the engine in use is not one that the development stack has built")
    # A short path: the engine's socket is below it.
    folder = Path(tempfile.mkdtemp(prefix="pdr"))
    engine = BuiltEngine(Settings(folder, ours.settings.registry_port))
    engine.folder.mkdir()
    (engine.folder / ours.build().name).symlink_to(ours.build())
    engine.up()
    monkeypatch.setenv(RUNNER_HOST, f"unix://{engine.socket}")
    yield engine
    engine.down()
    shutil.rmtree(folder)


def kill(engine: BuiltEngine) -> None:
    """End an engine as a crash does."""
    running = engine.pid_file.read()
    assert running is not None
    running.send(signal.SIGKILL)


def test_the_engine_is_killed_while_the_compiler_runs(
    telltale: Telltale, second_engine: BuiltEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session says that it is lost. After a restart the next one is right, whatever the engine has kept.

    A restart while a session asks for nothing is noticed where it may wait without end: for files of this machine.
    """
    monkeypatch.setattr(marker, "LOOK", 1.0)
    with accidents.another_session(telltale.scenario) as before:
        second = dataclasses.replace(telltale, scenario=before.scenario)
        assert second.told() == telltale.expected()
        second.edit("main", "library")
        with ThreadPoolExecutor(1) as threads:
            doomed = threads.submit(second.told)
            accidents.wait_for_rustc("telltale", before.mark)
            kill(second_engine)
            assert isinstance(doomed.exception(accidents.PATIENCE), EngineUnavailable)
        second_engine.up()
        with pytest.raises(EngineUnavailable, match="connection to the Dagger engine was lost"):
            before.engine.call(before.engine.client.version)
    with accidents.another_session(telltale.scenario) as after:
        again = dataclasses.replace(second, scenario=after.scenario)
        assert again.told() == second.expected()
        kill(second_engine)
        second_engine.up()
        (tmp_path / "file").touch()
        file = after.engine.client.host().file(str(tmp_path / "file"))
        with pytest.raises(EngineUnavailable, match="connection to the Dagger engine was lost: "):
            after.engine.call(file.contents)
