"""Tests of the command line and of old names, in runs of pytest that need no engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pytest.terminal import FEWER_PLUGINS

if TYPE_CHECKING:
    from collections.abc import Callable

TEST = """
import os, sys

def test_settings(request):
    from pytest_dagger_rust.plugin.state import SETTINGS_KEY
    settings = request.config.stash[SETTINGS_KEY]
    print([settings[name] for name in ("locked", "offline", "no_default_features", "collect_rust_tests")])
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Run pytest on a test that prints what was set, in a folder without a workspace."""
    pytester.makepyfile(test_it=TEST)

    def run(*arguments: str, ini: str = "") -> pytest.RunResult:
        pytester.makeini(f"[pytest]\n{ini}\n")
        return pytester.runpytest_inprocess(*FEWER_PLUGINS, "-s", *arguments)

    return run


@pytest.mark.parametrize(
    ("arguments", "ini", "shown"),
    [
        (["--dagger-rust-locked", "test_it.py"], "dagger_rust_offline = true", "[True, True, False, False]"),
        (
            ["--dagger-rust-no-locked", "--dagger-rust-offline", "--dagger-rust-no-offline", "test_it.py"],
            "dagger_rust_locked = true\ndagger_rust_collect_rust_tests = false",
            "[False, False, False, False]",
        ),
        (
            ["--dagger-rust-default-features"],
            "dagger_rust_no_default_features = yes",
            "[None, False, False, False]",
        ),
    ],
)
def test_a_switch_takes_no_word(
    run: Callable[..., pytest.RunResult], arguments: list[str], ini: str, shown: str
) -> None:
    """The word after a switch is pytest's, and each switch has one that turns it off."""
    result = run(*arguments, ini=ini)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"*{shown.replace('[', '[[]', 1)}*"])


def test_a_switch_with_a_value_is_a_usage_error(run: Callable[..., pytest.RunResult]) -> None:
    """It says which option, before anything is collected."""
    result = run("--dagger-rust-locked=true")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--dagger-rust-locked*"])


@pytest.mark.parametrize("workers", [[], ["-n1"]], ids=str)
def test_an_old_name_is_one_warning(run: Callable[..., pytest.RunResult], workers: list[str]) -> None:
    """The warning has both names, and the setting is in force."""
    result = run("--dagger-rust-shell", "--dagger-rust-no-shell", *workers, ini="dagger_rust_env = A=1")
    result.assert_outcomes(passed=1, warnings=2)
    words = result.stdout.str()
    for old, new in (
        ("--dagger-rust-shell", "--dagger-rust-shell-on-failure"),
        ("ini option dagger_rust_env", "dagger_rust_build_env"),
    ):
        assert words.count(f"DeprecatedNameWarning: {old} is deprecated: write {new}.") == 1


def test_an_old_name_can_be_an_error(run: Callable[..., pytest.RunResult]) -> None:
    """With `-W error` it is a usage error of one line."""
    result = run("-Werror", ini="dagger_rust_env = A=1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    words = "ini option dagger_rust_env is deprecated: write dagger_rust_build_env."
    result.stderr.fnmatch_lines([f"ERROR: pytest-dagger-rust: {words}"])
    assert "Traceback" not in result.stderr.str()


def test_an_old_name_is_not_suggested(run: Callable[..., pytest.RunResult]) -> None:
    """Nor is it in the help."""
    result = run("--dagger-rust-shel")
    result.stderr.fnmatch_lines(["*Did you mean --dagger-rust-shell-on-failure[?]*"])
    text = run("--help").stdout.str()
    assert "--dagger-rust-shell-on-failure" in text
    assert "--dagger-rust-shell " not in text


def test_the_help_says_what_each_option_takes(run: Callable[..., pytest.RunResult]) -> None:
    """In groups, with defaults, and a word for the kind of value."""
    text = " ".join(run("--help").stdout.str().split())
    for part in (
        "--dagger-rust-builder-image=IMAGE image to build in",
        "--dagger-rust-build-env=NAME=VALUE",
        "--dagger-rust-source-excludes=PATTERN",
        "--dagger-rust-ignored-tests={skip,include,only}",
        "(default: 300)",
        "Rust builds with Dagger: Rust tests:",
        "Rust builds with Dagger: reports:",
    ):
        assert part in text
    assert "(default: None)" not in text.partition("Rust builds with Dagger")[2].partition("--timeout=")[0]
