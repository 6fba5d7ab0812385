"""Tests of services and runs in users' test files: what a failed test shows, and what is left after an interrupt."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.pytest.terminal import FEWER_PLUGINS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.pytest.conftest import Project

FAILING = """
import pytest
import time
import urllib.request

def ask(server, path):
    urllib.request.urlopen(server.url + "/" + path).close()
    while f"asked for {path}" not in server.log:
        time.sleep(0.01)

@pytest.fixture(scope="module")
def server(cached_rust_build):
    with cached_rust_build.blocking.service("app", "serve", "0.0.0.0:8080", ports=[8080]) as server:
        yield server

def test_first(server):
    ask(server, "first")

def test_second(server):
    ask(server, "second")
    assert server.exit_code == 0

async def test_run(cached_rust_build):
    result = await cached_rust_build.run("app", "exit", "3")
    assert result.exit_code == 0

async def test_service_in_the_test(cached_rust_build):
    async with cached_rust_build.service("app", "serve", "0.0.0.0:9090", ports=[9090]):
        assert False
"""


def test_a_failed_test_shows_what_its_programs_said(project: Project) -> None:
    """A section for each run and each service, with what was said during that very test."""
    result = project.pytest(failing=FAILING)
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        [
            "*_ test_second _*",
            "*- log of app serve 0.0.0.0:8080 -*",
            "asked for second",
            "*_ test_run _*",
            "E*where 3 = <RunResult app exit 3: exit code 3, *complaint.exit_code",
            "*- run of app exit 3 -*",
            "app exit 3: exit code 3, *",
            "stdout: last words",
            "stderr: complaint",
            "*_ test_service_in_the_test _*",
            "*- log of app serve 0.0.0.0:9090 -*",
            "serving on 0.0.0.0:9090",
        ]
    )
    result.stdout.no_fnmatch_line("asked for first")


HANGING = """
import asyncio
import pathlib
import time

MARK = {mark!r}

async def test_hangs(cached_rust_build):
    async with cached_rust_build.service("app", "serve", "0.0.0.0:8080", MARK, ports=[8080]) as server:
        pathlib.Path("port").write_text(str(server.port))
        await asyncio.sleep(60)

def test_hangs_too(cached_rust_build):
    with cached_rust_build.blocking.service("app", "serve", "0.0.0.0:8080", MARK, ports=[8080]) as server:
        pathlib.Path("port").write_text(str(server.port))
        time.sleep(60)
"""


def processes(mark: str) -> int:
    """Count this machine's processes that have a word in their command."""
    return sum(mark.encode() in _command_of(path) for path in Path("/proc").glob("[0-9]*"))


def _command_of(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for something to become true, and say whether it has."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


@pytest.mark.parametrize("test", ["test_hangs", "test_hangs_too"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_an_interrupt_leaves_no_service_behind(project: Project, test: str, number: signal.Signals) -> None:
    """Ctrl-C and a killed pytest end the service in its container."""
    mark = uuid.uuid4().hex
    project.write({"test_hanging.py": HANGING.format(mark=mark)})
    command = [sys.executable, "-m", "pytest", *FEWER_PLUGINS, f"test_hanging.py::{test}", "-q"]
    with subprocess.Popen(command, cwd=project.folder, stdout=subprocess.PIPE, text=True) as process:
        assert wait_until((project.folder / "port").exists, 60)
        if not processes(mark):
            process.kill()
            pytest.skip("the engine's processes cannot be seen from here")
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)
    assert wait_until(lambda: not processes(mark), 10)
    if number == signal.SIGINT:
        assert "KeyboardInterrupt" in output
        assert "Traceback" not in output
