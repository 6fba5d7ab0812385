"""Tests of how an error's text is shown: the places of the compiler as seen from rootdir."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.plugin.error_reports import from_rootdir
from tests.pytest.terminal import FEWER_PLUGINS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" --> src/main.rs:4:23\n", " --> rust/src/main.rs:4:23\n"),
        ("   ::: src/main.rs:1:1", "   ::: rust/src/main.rs:1:1"),
        ("\x1b[1m\x1b[94m--> \x1b[0msrc/main.rs:4:23", "\x1b[1m\x1b[94m--> \x1b[0mrust/src/main.rs:4:23"),
        (" --> /usr/lib/rustlib/src/core.rs:1:2", " --> /usr/lib/rustlib/src/core.rs:1:2"),
        (" --> src/gone.rs:4:23", " --> src/gone.rs:4:23"),
        ('println!("--> src/main.rs")', 'println!("--> src/main.rs")'),
    ],
)
def test_places_are_relative_to_rootdir(tmp_path: Path, text: str, expected: str) -> None:
    """So that a terminal can open them; what is not in the workspace stays as it is."""
    (tmp_path / "rust/src").mkdir(parents=True)
    (tmp_path / "rust/src/main.rs").touch()
    assert from_rootdir(text, tmp_path / "rust", tmp_path) == expected


WHILE_IT_RUNS = """
def test_any(request):
    request.getfixturevalue("rust_workspace")
"""


def test_an_error_of_a_fixture_is_its_message_alone(pytester: pytest.Pytester) -> None:
    """Also where a test, as those that pytest-bdd makes, requests the fixture while it runs, or where tests are collected."""
    pytester.makefile(".toml", Cargo='[package]\nname = "app"\nversion = "0.1.0"\n')
    pytester.makepyfile(test_any=WHILE_IT_RUNS)
    source = pytester.mkdir("src") / "lib.rs"
    source.touch()
    (pytester.path / "Cargo.lock").write_text("[[package]]\nname = ?\n")
    ran = pytester.runpytest_subprocess(*FEWER_PLUGINS, "-q")
    collected = pytester.runpytest_subprocess(
        *FEWER_PLUGINS, "-q", "--dagger-rust-collect-rust-tests", "src/lib.rs"
    )
    for result in (ran, collected):
        text = result.stdout.str()
        assert re.search(r"^WorkspaceError: .*Cargo\.lock:2: not valid TOML", text, re.MULTILINE), text
        assert "site-packages" not in text
        assert "pytest_dagger_rust/" not in text
