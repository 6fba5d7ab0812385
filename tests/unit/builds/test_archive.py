"""Tests of the packed source tree."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_dagger_rust.builds import base_archive
from pytest_dagger_rust.builds.archive import (
    ChangedWhilePackingError,
    disk_entries,
    entry_of,
    pack,
    text_entries,
)
from pytest_dagger_rust.errors import ConfigurationError, WorkspaceError

if TYPE_CHECKING:
    from pytest_dagger_rust.builds.archive import Archive, Entry


def tree(folder: Path, *names: str) -> Path:
    """Make files whose content is their name."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def names_of(folder: Path, *excludes: str) -> list[str]:
    """Return what is packed of a folder."""
    return sorted(entry.path for entry in disk_entries(folder, folder, excludes))


def test_the_archive_is_named_by_its_content(tmp_path: Path) -> None:
    """The name is the sha256 of the file, and the index inside has the sha256 of each member."""
    archive = pack(text_entries([("src/main.rs", "fn main() {}")]), tmp_path)
    assert archive.path.name == f"{hashlib.sha256(archive.path.read_bytes()).hexdigest()}.tar"
    with tarfile.open(archive.path) as tar:
        assert tar.getnames() == ["index", "packed", "files/src/main.rs"]
        index = tar.extractfile("index")
        assert index is not None
        assert index.read().decode() == f"{hashlib.sha256(b'fn main() {}').hexdigest()} - src/main.rs\n"


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 19])
def test_a_file_of_any_size_is_read_whole(tmp_path: Path, size: int) -> None:
    """Around the sizes that are read at a time."""
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    (entry,) = disk_entries(tmp_path, tmp_path)
    assert (entry.digest, entry.size) == (hashlib.sha256(content).hexdigest(), size)


@pytest.mark.skipif(not Path("/proc/sys/kernel/random").is_dir(), reason="there is no such file system")
def test_a_file_that_is_longer_than_it_says_is_read_whole() -> None:
    """As files of /proc are, which say that they are empty."""
    folder = Path("/proc/sys/kernel/random")
    (entry,) = (e for e in disk_entries(folder, folder) if e.path == "boot_id")
    content = (folder / "boot_id").read_bytes()
    assert (entry.digest, entry.size) == (hashlib.sha256(content).hexdigest(), len(content))


@pytest.mark.parametrize("when", [1, 1_136_073_600, 4_102_444_800])
def test_times_and_order_do_not_matter(tmp_path: Path, when: int) -> None:
    """A tree dated to the epoch, to 2006 or to the future packs to the same bytes."""
    folder = tree(tmp_path / "tree", "b", "a/c", "a/b")
    before = pack(disk_entries(folder, folder), tmp_path).digest
    for path in folder.rglob("*"):
        os.utime(path, (when, when))
    assert pack(reversed(list(disk_entries(folder, folder))), tmp_path).digest == before


def test_an_edit_of_the_same_size_and_time_is_another_archive(tmp_path: Path) -> None:
    """The content decides, also where neither size nor time betray the edit."""
    folder = tree(tmp_path / "tree", "a")
    os.utime(folder / "a", (1, 1))
    before = pack(disk_entries(folder, folder), tmp_path).digest
    (folder / "a").write_text("b")
    os.utime(folder / "a", (1, 1))
    assert pack(disk_entries(folder, folder), tmp_path).digest != before


@pytest.mark.parametrize("change", ["mode", "link", "name", "gone", "new"])
def test_what_else_changes_the_archive(tmp_path: Path, change: str) -> None:
    """Modes, symbolic links, names, and which files there are belong to the content."""
    folder = tree(tmp_path / "tree", "a", "b")
    before = pack(disk_entries(folder, folder), tmp_path).digest
    match change:
        case "mode":
            (folder / "a").chmod(0o755)
        case "link":
            (folder / "b").unlink()
            (folder / "b").symlink_to("a")
        case "name":
            (folder / "a").rename(folder / "c")
        case "gone":
            (folder / "a").unlink()
        case _:
            tree(folder, "c")
    assert pack(disk_entries(folder, folder), tmp_path).digest != before


def test_caches_and_version_control_are_left_out(tmp_path: Path) -> None:
    """A folder with a CACHEDIR.TAG is cargo's or some tool's cache; a module named target is the user's."""
    folder = tree(
        tmp_path,
        "src/target/mod.rs",
        "out/CACHEDIR.TAG",
        "out/debug/app",
        ".git/config",
        "node_modules/x/y",
        "a.rs",
    )
    assert names_of(folder) == ["a.rs", "src/target/mod.rs"]


def test_excludes_match_names_anywhere_and_paths_from_the_root(tmp_path: Path) -> None:
    """A pattern without a slash is a name's, one with a slash is a path's."""
    folder = tree(tmp_path, "data/big.bin", "src/data/x.rs", "src/y.png", "docs/z.md", "src/docs/w.md")
    assert names_of(folder, "*.png", "/docs", "big.bin") == ["src/data/x.rs", "src/docs/w.md"]
    assert names_of(folder, "src/docs") == ["data/big.bin", "docs/z.md", "src/data/x.rs", "src/y.png"]


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".env.local",
        ".netrc",
        ".ssh/config",
        "app/id_ed25519",
        "app/.cargo/credentials.toml",
        "credentials",
    ],
)
def test_what_is_made_to_hold_secrets_is_left_out(tmp_path: Path, name: str) -> None:
    """It is named, and sent where an exclude with an exclamation mark says so."""
    folder, withheld = tree(tmp_path, name, "a.rs"), set[str]()
    assert [entry.path for entry in disk_entries(folder, folder, (), withheld)] == ["a.rs"]
    (found,) = withheld
    assert name.startswith(found)
    assert names_of(folder, f"!{Path(found).name}") == sorted([name, "a.rs"])
    assert names_of(folder, f"!{found}" if "/" in found else f"!/{found}") == sorted([name, "a.rs"])


def test_a_secret_that_a_pattern_leaves_out_is_not_named(tmp_path: Path) -> None:
    """Who wrote the pattern knows."""
    folder, withheld = tree(tmp_path, ".env", "a.rs"), set[str]()
    assert [entry.path for entry in disk_entries(folder, folder, [".env"], withheld)] == ["a.rs"]
    assert not withheld


@pytest.mark.parametrize(
    "name",
    [
        *(
            "src/credentials.rs",
            "src/credentials/mod.rs",
            "src/id_map.rs",
            "src/env.rs",
            "environment/lib.rs",
        ),
        *(".env.example", "id_rsa.pub", "credentials.md", "src/ssh/lib.rs", "id_rsa/mod.rs"),
        *("vendor/a/.env", "vendor/a/tests/id_rsa", "vendor/a/.ssh/config"),
    ],
)
def test_what_only_looks_like_a_secret_is_packed(tmp_path: Path, name: str) -> None:
    """A module of the user's, a public key, and whatever is in a package downloaded by `cargo vendor`."""
    folder = tree(tmp_path, name, "vendor/a/.cargo-checksum.json")
    assert name in names_of(folder)


RULES = (
    "a/x.rs",
    "a/b/x.rs",
    "a/b/y.md",
    "b/a/x.rs",
    "gen/x.rs",
    "src/gen/x.rs",
    "src/gen.rs",
    "src/a/gen",
    "x.rs",
)


@pytest.mark.parametrize(
    ("patterns", "left_out"),
    [
        (["a/*.rs"], ["a/x.rs"]),
        (["gen/"], ["gen/x.rs", "src/gen/x.rs"]),
        (["/gen"], ["gen/x.rs"]),
        (["**/gen/"], ["gen/x.rs", "src/gen/x.rs"]),
        (["a/**/x.rs"], ["a/b/x.rs", "a/x.rs"]),
        (["*.rs", "!x.rs"], ["src/gen.rs"]),
        (["a/*", "!a/b/"], ["a/x.rs"]),
        (["a/**", "!a/x.rs"], ["a/b/x.rs", "a/b/y.md"]),
        (["/*", "!/a/", "!/src"], ["b/a/x.rs", "gen/x.rs", "x.rs"]),
        (["gen", "!src/gen/x.rs"], ["gen/x.rs", "src/a/gen", "src/gen/x.rs"]),
        (["# a comment", "", "\\#file"], []),
    ],
    ids=" ".join,
)
def test_excludes_are_the_patterns_of_gitignore(
    tmp_path: Path, patterns: list[str], left_out: list[str]
) -> None:
    """A slash at the end, two stars and a negation mean what they mean to git."""
    folder = tree(tmp_path, *RULES)
    assert sorted(set(RULES) - set(names_of(folder, *patterns))) == left_out


PARTS = st.sampled_from(["*", "**", "a", "b", "gen", "*.rs", "x.*", "?", "[ab]", "src"])


def pattern_of(negated: str, start: str, parts: list[str], end: str) -> str:
    """Return a pattern of its parts."""
    return f"{negated}{start}{'/'.join(parts)}{end}"


PATTERNS = st.builds(
    pattern_of,
    st.sampled_from(["", "!"]),
    st.sampled_from(["", "/"]),
    st.lists(PARTS, min_size=1, max_size=3),
    st.sampled_from(["", "/"]),
)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is the reference here")
@given(st.lists(PATTERNS, min_size=1, max_size=4))
@settings(deadline=None, max_examples=60)
def test_excludes_leave_out_what_git_ignores(
    tmp_path_factory: pytest.TempPathFactory, patterns: list[str]
) -> None:
    """For any patterns, what is packed is what git itself lists as not ignored."""
    folder = tree(tmp_path_factory.getbasetemp() / "as-git", *RULES)
    if not (folder / ".git").exists():
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
    rules = folder.with_name("as-git-rules")
    rules.write_text("\n".join(patterns))
    command = ["git", "ls-files", "-z", "--others", f"--exclude-from={rules}"]
    listed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout
    assert names_of(folder, *patterns) == sorted(listed.split("\0")[:-1])


def test_a_pattern_can_undo_a_default(tmp_path: Path) -> None:
    """A crate may include a file of a folder that no build needs as a rule."""
    folder = tree(tmp_path, "node_modules/x.js", ".venv/y", "z")
    assert names_of(folder) == names_of(folder, "other") == ["z"]
    for patterns in (["!node_modules"], ["!/node_modules/"], ["node_modules", "!*", "!node_modules"]):
        assert names_of(folder, *patterns) == ["node_modules/x.js", "z"]
    assert names_of(folder, "!*", "!*/") == ["z"]


@pytest.mark.parametrize("pattern", ["!", "\\", "[z-a]*"])
def test_what_is_no_pattern_is_refused(tmp_path: Path, pattern: str) -> None:
    """The error names the setting and the patterns."""
    with pytest.raises(ConfigurationError, match="source_excludes: a pattern is not one of"):
        names_of(tmp_path, pattern)


def test_special_files_do_no_harm(tmp_path: Path) -> None:
    """A pipe is passed over, and a link that leads nowhere or outside is packed as a link."""
    folder = tree(tmp_path / "tree", "a")
    os.mkfifo(folder / "pipe")
    (folder / "nowhere").symlink_to("gone")
    (folder / "outside").symlink_to("/etc")
    found = {entry.path: (entry.kind, entry.digest) for entry in disk_entries(folder, folder)}
    expected = [entry_of("a", b"a"), entry_of("nowhere", b"gone", "l"), entry_of("outside", b"/etc", "l")]
    assert found == {entry.path: (entry.kind, entry.digest) for entry in expected}


def test_a_name_with_a_line_break_is_refused(tmp_path: Path) -> None:
    """The index has a line a file, so such a name is an error that says what to do."""
    tree(tmp_path, "two\nlines")
    with pytest.raises(WorkspaceError, match="line break"):
        list(disk_entries(tmp_path, tmp_path))


PATHS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="/\0\n."), min_size=1), min_size=1, max_size=3
).map("/".join)


@given(st.dictionaries(PATHS, st.text(), max_size=5))
def test_every_text_survives_packing(tmp_path_factory: pytest.TempPathFactory, files: dict[str, str]) -> None:
    """Whatever the names and contents, the archive gives them back."""
    archive = pack(text_entries(files.items()), tmp_path_factory.mktemp("pack"))
    found = {name: text.decode() for name, text in contents_of(archive.path).items()}
    assert found == {f"files/{path}": text for path, text in files.items()}


def contents_of(path: Path) -> dict[str, bytes]:
    """Read the files of a tar, but not what describes them."""
    with tarfile.open(path) as tar:
        members = [member for member in tar if member.name not in {"index", "packed"}]
        return {member.name: tar.extractfile(member).read() for member in members}  # type: ignore[union-attr]


def test_a_file_that_changed_since_it_was_looked_at_is_not_packed(tmp_path: Path) -> None:
    """Longer, shorter, other bytes of the same number, and gone: none of it is packed under the old digest."""
    folder = tree(tmp_path / "tree", "file")
    for content in ("file and more", "f", "FILE", None):
        entries = list(disk_entries(folder, folder))
        if content is None:
            (folder / "file").unlink()
        else:
            (folder / "file").write_text(content)
        with pytest.raises(ChangedWhilePackingError, match="file"):
            pack(entries, tmp_path)
    assert list(tmp_path.glob("*.part")) == []


def test_a_file_that_never_rests_is_named(tmp_path: Path) -> None:
    """After some tries the error says which file it is and what to do."""
    folder = tree(tmp_path / "tree", "log")

    def restless() -> list[Entry]:
        entries = list(disk_entries(folder, folder))
        (folder / "log").write_text((folder / "log").read_text() + "more")
        return entries

    with pytest.raises(WorkspaceError, match=r"log: This file changes while it is read.*\n.*leave it out"):
        base_archive.pack_tree(restless, tmp_path)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A tree that is worth a base archive."""
    folder = tree(tmp_path / "large", "small", "other")
    (folder / "data").write_bytes(b"x" * base_archive.SMALL)
    return folder


def packed(folder: Path, cache: Path) -> Archive:
    """Pack a tree beside its cache."""
    return base_archive.pack_tree(lambda: disk_entries(folder, folder), folder.parent, cache)


def test_an_edit_in_a_large_tree_packs_only_what_changed(large: Path, tmp_path: Path) -> None:
    """The base archive has the rest, stays what it is, and both together are the tree."""
    cache = tmp_path / "cache"
    first = packed(large, cache)
    (large / "small").write_text("edited")
    second = packed(large, cache)
    assert second.base is not None
    assert second.base == first.base
    assert contents_of(second.path) == {"files/small": b"edited"}
    both = contents_of(second.base) | contents_of(second.path)
    assert both == {f"files/{path.name}": path.read_bytes() for path in large.iterdir()}
    assert second.base.name == f"{hashlib.sha256(second.base.read_bytes()).hexdigest()}.tar"


def test_a_large_change_makes_a_new_base(large: Path, tmp_path: Path) -> None:
    """What is sent on each edit stays small; of older bases only the last is kept."""
    cache = tmp_path / "cache"
    bases = [packed(large, cache).base]
    for content in b"yzw":
        (large / "data").write_bytes(bytes([content]) * base_archive.SMALL)
        archive = packed(large, cache)
        assert contents_of(archive.path) == {}
        bases.append(archive.base)
    assert len(set(bases)) == 4
    assert set(cache.glob("*.tar")) == set(bases[-2:])


def test_what_was_sent_stays_as_it_is(large: Path, tmp_path: Path) -> None:
    """An unchanged tree is the very same file, time included, which the engine need not be sent; old ones go."""
    cache = tmp_path / "cache"
    first = packed(large, cache).path
    before = first.stat()
    again = packed(large, cache).path
    assert again == first
    assert (again.stat().st_ino, again.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    for number in range(6):
        (large / "small").write_text(str(number))
        assert packed(large, cache).path.exists()
    assert len(list(cache.glob("sent/*"))) == 4


def test_a_base_that_lost_its_archive_is_no_base(large: Path, tmp_path: Path) -> None:
    """An index alone is passed over, and everything is packed anew."""
    cache = tmp_path / "cache"
    lost = packed(large, cache).base
    assert lost is not None
    lost.unlink()
    again = packed(large, cache)
    assert again.base == lost
    assert lost.exists()


def test_workspaces_keep_archives_of_their_own(large: Path, tmp_path: Path) -> None:
    """In folders that other users cannot enter; one that was not used for a month is deleted."""
    cache = tmp_path / "cache"
    one, other = (base_archive.folder_of(cache, tmp_path / name) for name in ("one", "other"))
    assert one is not None
    assert other is not None
    first = packed(large, one)
    for content in b"yzw":
        (large / "data").write_bytes(bytes([content]) * base_archive.SMALL)
        packed(large, other)
    assert first.path.exists()
    assert first.base is not None
    assert first.base.exists()
    assert [folder.stat().st_mode & 0o777 for folder in (one, other)] == [0o700, 0o700]
    os.utime(one, (1e9, 1e9))
    assert base_archive.folder_of(cache, tmp_path / "other") == other
    assert not one.exists()
    assert other.exists()


def test_what_killed_processes_left_is_deleted(large: Path, tmp_path: Path) -> None:
    """Once it is old: another process may be writing now."""
    cache = tmp_path / "cache"
    packed(large, cache)
    old = [cache / "orphan.tar", cache / "1-2.part", cache / "sent/3-4.part"]
    young = [cache / "young.tar", cache / "5-6.part"]
    for path in (*old, *young):
        path.write_bytes(b"")
    for path in old:
        os.utime(path, (1e9, 1e9))
    (large / "data").write_bytes(b"y" * base_archive.SMALL)
    assert packed(large, cache).base is not None
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in young)


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_an_archive_is_as_readable_in_a_container_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    """The builder's programs may run as another user there."""
    before = os.umask(mask)
    try:
        archive = pack(text_entries([("a", "b")]), tmp_path)
    finally:
        os.umask(before)
    assert archive.path.stat().st_mode & 0o777 == 0o644


def test_a_small_tree_needs_no_base(tmp_path: Path) -> None:
    """It is sent whole, and nothing is kept."""
    archive = packed(tree(tmp_path / "tree", "a"), tmp_path / "cache")
    assert archive.base is None
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (PermissionError(errno.EACCES, "Permission denied"), "This folder cannot be read"),
        (OSError(errno.ENAMETOOLONG, "File name too long"), "This path is too long"),
    ],
    ids=["unreadable", "too long"],
)
def test_a_folder_that_cannot_be_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: OSError, said: str
) -> None:
    """The error names the folder and the setting that leaves it out; left out, the rest is packed."""
    tree(tmp_path, "src/main.rs", "data/one")
    _refuse(monkeypatch, "data", refused)
    with pytest.raises(WorkspaceError, match=said) as caught:
        names_of(tmp_path)
    assert caught.value.file == tmp_path / "data"
    assert "dagger_rust_source_excludes" in str(caught.value)
    assert names_of(tmp_path, "data") == ["src/main.rs"]


def test_a_folder_that_vanishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is gone when it is to be listed has nothing to pack."""
    tree(tmp_path, "src/main.rs", "data/one")
    _refuse(monkeypatch, "data", FileNotFoundError(errno.ENOENT, "No such file or directory"))
    assert names_of(tmp_path) == ["src/main.rs"]


def _refuse(monkeypatch: pytest.MonkeyPatch, name: str, error: OSError) -> None:
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if Path(path).name == name:
            raise error
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
