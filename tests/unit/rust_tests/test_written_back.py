"""Files that Rust tests have written: which of them get into the workspace, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.container.frames import FrameError
from pytest_dagger_rust.errors import ConfigurationError
from pytest_dagger_rust.rust_tests.written_back import WrittenBack, check_patterns

if TYPE_CHECKING:
    from pathlib import Path

# The agent has the same rules: tests/cargo/run/test_tests.py asks it the same.
MATCHES = {
    "**/*.snap.new": ["a.snap.new", "crates/a/src/snapshots/b.snap.new"],
    "proptest-regressions/**": ["proptest-regressions/a", "proptest-regressions/b/c.txt"],
    "a?/*.txt": ["ab/c.txt", "ab/.txt"],
}
MATCHES_NOT = {
    "**/*.snap.new": ["a.snap", "b.snap.new/c"],
    "proptest-regressions/**": ["proptest-regressions", "src/proptest-regressions/a"],
    "a?/*.txt": ["a/c.txt", "ab/c/d.txt", "ab/ctxt"],
}


@pytest.mark.parametrize("pattern", MATCHES)
def test_what_a_pattern_matches_is_written(tmp_path: Path, pattern: str) -> None:
    """With the folders it needs; anything else is an answer that was not asked for."""
    back = WrittenBack(tmp_path, (pattern,))
    for path in MATCHES[pattern]:
        back.take(path, path.encode())
        assert (tmp_path / path).read_text() == path
    assert back.written == set(MATCHES[pattern])
    for path in MATCHES_NOT[pattern]:
        with pytest.raises(FrameError, match="not asked for"):
            back.take(path, b"")


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../x", "a//x", ".git/hooks/x", "a\0x", "", "."])
def test_no_path_leads_elsewhere(tmp_path: Path, path: str) -> None:
    """Whatever the patterns are: the container's answer is not believed."""
    with pytest.raises(FrameError):
        WrittenBack(tmp_path / "root", ("**",)).take(path, b"")
    assert list(tmp_path.iterdir()) == []


def test_links_are_not_followed(tmp_path: Path) -> None:
    """Neither to a folder nor to a file, and each is said with its reason; what can be written is."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "file").write_text("old")
    (root / "folder").symlink_to(outside)
    (root / "file").symlink_to(outside / "file")
    (root / "script").write_text("old")
    (root / "script").chmod(0o755)
    back = WrittenBack(root, ("**",))
    for path in ("folder/file", "file", "script"):
        back.take(path, b"new")
    assert [path.read_text() for path in outside.iterdir()] == ["old"]
    assert ((root / "script").read_text(), (root / "script").stat().st_mode & 0o777) == ("new", 0o755)
    assert sorted(path.name for path in root.iterdir()) == ["file", "folder", "script"]
    back.miss("large", "is too large")
    assert back.lines() == [
        "Rust tests: written into the workspace: script",
        "Rust tests: folder/file is not brought back: it cannot be written: Not a directory",
        "Rust tests: file is not brought back: it cannot be written: something else than a regular file is there",
        "Rust tests: large is not brought back: it is too large",
    ]


@pytest.mark.parametrize("pattern", ["/root/*", "../*.snap", "a/./b", "", ".git/*"])
def test_a_pattern_that_matches_nothing_is_refused(pattern: str) -> None:
    """With one that does."""
    with pytest.raises(ConfigurationError, match=r"below the workspace's root; write \*\*/\*\.snap\.new"):
        check_patterns([pattern])
