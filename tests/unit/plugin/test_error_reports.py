"""Tests of how an error's text is shown: the places of the compiler as seen from rootdir."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.plugin.error_reports import from_rootdir

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
