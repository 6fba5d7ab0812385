"""Tests of what is shown while tests wait: on terminals, in logs, with workers, and when nothing may be."""

from __future__ import annotations

import re
import uuid
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.report.activity import Activity, LogTail
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
    assert 1 <= len(lines) <= 5
    assert any("compiling" in line for line in lines)
    assert "\x1b" not in result.stdout.str()
    after = "\n".join(result.outlines).partition(lines[-1])[2]
    assert after.lstrip().startswith("test_any.py ..")


def test_the_controller_shows_what_workers_wait_for(slow_project: Project) -> None:
    """Under xdist one process writes the lines, for all workers."""
    result = slow_project.pytest("-n2")
    result.assert_outcomes(passed=2)
    lines = [line for line in result.outlines if line.startswith("dagger-rust: [")]
    assert 1 <= len(lines) <= 6
    assert any("compiling" in line for line in lines)


LOG = """\
3   : ┆ connecting to engine
10  : ┆ Container.from(address: "rust:1"): Container!
"""
PULLED = "10  : ┆ Container.from DONE [3.0s]\n"
BEGUN = (
    "22  : ┆ withExec /pytest-dagger-rust-agent/agent dependencies --volume /pytest-dagger-rust -- build\n"
)
COMPILING = (
    "22  : ┆ [0.6s] |    Compiling quote v1.0.47     ] 0/19: proc-macro2(build.rs)  \n"
    "22  : ┆ [1.1s] |     Building [==>   ] 7/19: serde(build.rs), syn   \r   Compiling anyhow v1.0.105\n"
    "23  : ┆ [1.1s] | 99/100: somebody else's\n"
)
OVER = "22  : ┆ Container.withExec DONE [17.4s]\n"


def test_the_log_is_understood(tmp_path: Path) -> None:
    """Pulls, steps and cargo's own counts are told from all else, in pieces as they come."""
    tail, log = LogTail(), tmp_path / "log"
    seen: list[tuple[bool, tuple[str, str]]] = []
    text = ""
    for piece in (LOG, PULLED, BEGUN, COMPILING[:150], COMPILING[150:], OVER):
        text += piece
        log.write_text(text)
        tail.read(log)
        seen.append((tail.activity.is_busy, tail.activity.words()))
    assert seen[0] == (True, ("pulling", "rust:1"))
    assert not seen[1][0]
    assert seen[2] == (True, ("compiling dependencies", ""))
    assert seen[3] == (True, ("compiling dependencies 0/19", "proc-macro2(build.rs)"))
    assert seen[4] == (True, ("compiling dependencies 7/19", "anyhow"))
    assert not seen[5][0]


def test_other_logs_are_passed_over(tmp_path: Path) -> None:
    """A log of another form, or none at all, is no error and says nothing."""
    tail = LogTail()
    tail.read(None)
    tail.read(tmp_path / "gone")
    activity = Activity()
    activity.feed("\x1b[1mfoo: 1/2\n: : :\n12 : [x] | y\n\0\n")
    assert not activity.is_busy


def test_texts_are_clipped() -> None:
    """What does not fit ends in dots, whatever the width."""
    assert [clipped("abcdef", width) for width in (6, 5, 2, 0)] == ["abcdef", "ab...", "..", ""]
