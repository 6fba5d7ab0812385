"""Tests of what is shown while tests wait: on terminals, in logs, with workers, and when nothing may be."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.report.progress import clipped
from tests.pytest import program
from tests.pytest.conftest import lay_out
from tests.pytest.terminal import run_pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pytest.conftest import Project

# A build that takes two seconds and more, as often as a variable has another value.
SLOW = """\
fn main() {
    println!("cargo:rerun-if-env-changed=TURN");
    std::thread::sleep(std::time::Duration::from_millis(2500));
}
"""
TESTS = "def test_first(cached_rust_build):\n    pass\n\ndef test_second(cached_rust_build):\n    pass\n"


@pytest.fixture
def slow_project(bare_project: Project, slow_workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose build takes some seconds, this time again."""
    monkeypatch.setenv("PYTEST_DAGGER_RUST_BUILD_ENV", f"TURN={uuid.uuid4().hex}")
    monkeypatch.setenv("PYTEST_DAGGER_RUST_WORKSPACE", str(slow_workspace))
    bare_project.write({"test_any.py": TESTS})
    return bare_project


@pytest.fixture(scope="module")
def slow_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace with the slow build script."""
    return lay_out(tmp_path_factory.mktemp("slow"), {**program.FILES, "build.rs": SLOW})


@pytest.mark.parametrize(("columns", "env"), [(40, {"NO_COLOR": "1"}), (100, {})], ids=["narrow", "wide"])
def test_a_line_moves_on_a_terminal(slow_project: Project, columns: int, env: dict[str, str]) -> None:
    """It fits, says what is compiled and how many of how many, is never silent for long, and is gone at the end."""
    terminal = run_pytest(slow_project.folder, "-v", columns=columns, env=env)
    assert terminal.exit_code == 0, terminal.text
    lines = terminal.moving_lines
    assert max(map(len, lines)) < columns
    assert any(re.search(r"compiling \d+/\d+: app", line) for line in lines) or columns == 40
    assert {line.partition("]")[0] for line in lines} >= {"dagger-rust: [1 s", "dagger-rust: [2 s"}
    assert terminal.longest_silence() < 2
    # Up again and to the right of the test's name, where pytest goes on.
    assert re.search(r"\x1b\[2K\x1b\[A\x1b\[\d+C(\x1b\[[0-9;]*m)*PASSED", terminal.text)
    assert "dagger-rust: [" not in terminal.text.rpartition("PASSED")[2]
    # Colours are pytest's own affair, and NO_COLOR forbids them.
    assert bool(re.search(r"\x1b\[[0-9;]*m", terminal.text)) == ("NO_COLOR" not in env)


def test_nothing_is_shown_where_nothing_is_wanted(slow_project: Project) -> None:
    """With -q there is no word of progress."""
    terminal = run_pytest(slow_project.folder, "-q")
    assert terminal.exit_code == 0
    assert "dagger-rust" not in terminal.text


def test_a_dumb_terminal_gets_plain_lines(slow_project: Project) -> None:
    """Where nothing can move, whole lines are written."""
    terminal = run_pytest(slow_project.folder, env={"TERM": "dumb"})
    assert terminal.moving_lines
    assert "\x1b[K" not in terminal.text


def test_a_log_gets_plain_lines(slow_project: Project) -> None:
    """Few, whole ones, without control characters; pytest begins its own line anew below them."""
    result = slow_project.pytest()
    result.assert_outcomes(passed=2)
    lines = [line for line in result.outlines if line.startswith("dagger-rust: [")]
    # One for each stage, and one every ten seconds.
    assert 1 <= len(lines) <= 5 + result.duration / 10
    assert any("compiling" in line for line in lines)
    assert "\x1b" not in result.stdout.str()
    after = "\n".join(result.outlines).partition(lines[-1])[2]
    assert after.lstrip().startswith("test_any.py ..")


def test_the_controller_shows_what_workers_wait_for(slow_project: Project) -> None:
    """Under xdist one process writes the lines, for all workers."""
    result = slow_project.pytest("-n2")
    result.assert_outcomes(passed=2)
    lines = [line for line in result.outlines if line.startswith("dagger-rust: [")]
    # One for each stage, and one every ten seconds.
    assert 1 <= len(lines) <= 6 + result.duration / 10
    assert any("compiling" in line for line in lines)


def test_texts_are_clipped() -> None:
    """What does not fit ends in dots, whatever the width."""
    assert [clipped("abcdef", width) for width in (6, 5, 2, 0)] == ["abcdef", "ab...", "..", ""]
