"""Tests of pytest runs with workers that need no engine: what they open, and Ctrl-C while a session opens."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from pytest_dagger_rust.engine.cli import CLI_BIN, RUNNER_HOST
from tests.pytest.terminal import FEWER_PLUGINS, run_pytest

# A CLI that opens no session, and notes its processes.
CLI = """\
import os, sys
open(os.environ["PIDS"], "a").write(f"{os.getpid()}\\n")
sys.stdin.read()
"""


@pytest.fixture
def pids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have tests use such a CLI, and return the file with its processes."""
    program = tmp_path / "dagger"
    (tmp_path / "cli.py").write_text(CLI)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path / "cli.py"} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv(CLI_BIN, str(program))
    monkeypatch.setenv("PIDS", str(tmp_path / "pids"))
    for name in (RUNNER_HOST, "DAGGER_SESSION_PORT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "pids"


@pytest.mark.parametrize("after", ["start", "a moment", "a while"])
@pytest.mark.parametrize("workers", ["-n2", "-n0"])
def test_an_interrupt_while_the_session_opens(
    pids: Path, pytester: pytest.Pytester, workers: str, after: str
) -> None:
    """Ctrl-C ends pytest and the CLI at once, with and without workers, and without a traceback."""
    pytester.makepyfile("def test_one(dagger_client): pass\ndef test_two(dagger_client): pass\n")
    pause = {"start": 0.0, "a moment": 0.2, "a while": 1.0}[after]

    def has_begun(_: object) -> bool:
        if not pids.exists():
            return False
        time.sleep(pause)
        return True

    terminal = run_pytest(pytester.path, workers, interrupt_when=has_begun)
    assert terminal.interrupted_at is not None, terminal.text
    assert terminal.ended_at - terminal.interrupted_at < 20
    # Where it meets an `exec` of the SDK's import, Python ends by SIGINT itself, after all is done.
    assert terminal.exit_code in {pytest.ExitCode.INTERRUPTED, -signal.SIGINT}, terminal.text
    assert "KeyboardInterrupt" in terminal.text
    assert "Traceback" not in terminal.text
    assert "INTERNALERROR" not in terminal.text
    assert not [pid for pid in pids.read_text().split() if Path("/proc", pid).exists()]


PLAIN = """\
import os, tempfile, threading
import pytest

def sockets():
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except OSError:
            continue
        if target.startswith("socket:"):
            yield target

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        threads = [thread.name for thread in threading.enumerate() if "execnet" not in repr(thread)]
        print("SEEN", len(threads), len(list(sockets())), os.listdir(tempfile.gettempdir()))
"""


def test_nothing_is_opened_for_those_who_ask_for_nothing(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pytest -n2` of a project that does not use the plugin has no socket, thread or folder of it, whatever TMPDIR is."""
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    pytester.makeconftest(PLAIN)
    pytester.makepyfile("def test_one(): pass\ndef test_two(): pass\n")
    options = ("-n2", "-s", *FEWER_PLUGINS)
    result = pytester.runpytest_subprocess(*options, timeout=120)
    result.assert_outcomes(passed=2)
    (line,) = [line for line in result.outlines if "SEEN" in line]
    plain = pytester.runpytest_subprocess(*options, "-p", "no:dagger_rust", timeout=120)
    assert line in plain.outlines
