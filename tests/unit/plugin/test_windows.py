"""Tests of what a run on Windows says, which the plugin is installed for but cannot build on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.pytest.terminal import FEWER_PLUGINS

if TYPE_CHECKING:
    import pytest

# Modules that Windows has not.
WINDOWS = """
import sys

for name in ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty"):
    sys.modules[name] = None

from pytest_dagger_rust.plugin import fixtures

fixtures.OS_NAME = "nt"
"""
TESTS = """
def test_without_a_build():
    pass

def test_with_a_build(rust_build):
    pass

async def test_with_another(cached_rust_build):
    pass
"""


def test_a_run_on_windows(pytester: pytest.Pytester) -> None:
    """Tests without a build run; the others have one error that says where to run pytest, or are skipped."""
    pytester.makepyfile(windows=WINDOWS, test_it=TESTS)
    pytester.makefile(".toml", Cargo='[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n')
    pytester.mkdir("src").joinpath("main.rs").write_text("fn main() {}")
    arguments = (*FEWER_PLUGINS, "-p", "windows", "-q")
    result = pytester.runpytest_subprocess(*arguments)
    result.assert_outcomes(passed=1, errors=2)
    assert result.stdout.str().count("Builds do not run on Windows itself.\n  Run pytest in WSL") == 1
    skipped = pytester.runpytest_subprocess(*arguments, "--dagger-rust-on-missing-engine=skip")
    skipped.assert_outcomes(passed=1, skipped=2)
