"""Sessions beside each other, and sessions, processes and engines that die: afterwards everything is right, unasked."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from dev.stack import process
from tests.engine import accidents
from tests.engine.telltale import Telltale

if TYPE_CHECKING:
    from pathlib import Path

TEST = """\
import pathlib

def test_program(cached_rust_build):
    output = cached_rust_build.blocking.run("telltale", check=True).stdout
    pathlib.Path("told.txt").write_text(output)
"""


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
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *settings]
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
