"""One deterministic tar of a source tree, with an index of its content by which the container decides what changed.

The archive is named by its own digest, so a new content has a new name: no cache on the way can answer with an old
one. Members are `index` and `files/<path>`; a line of the index is `<sha256> <kind> <path>`.
"""

from __future__ import annotations

import fnmatch
import hashlib
import io
import os
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from pytest_dagger_rust.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# Folders that hold no input of a build. Cargo's target folder and most tools' caches mark themselves with a
# CACHEDIR.TAG (https://bford.info/cachedir/), so they need no name here; `target` may be a module of the user's.
DEFAULT_EXCLUDES = (".git", ".hg", ".svn", ".jj", "node_modules", "__pycache__", ".venv", ".tox", ".nox")

Kind = Literal["-", "x", "l"]


@dataclass(frozen=True)
class Entry:
    """One file of a tree: `kind` is "-" for a file, "x" for an executable one, "l" for a symbolic link."""

    path: str
    kind: Kind
    data: bytes


@dataclass(frozen=True)
class Archive:
    """A packed tree; `digest` is the sha256 of the file at `path`, `size` is in bytes."""

    path: Path
    digest: str
    files: int
    size: int


def text_entries(files: Iterable[tuple[str, str]]) -> Iterator[Entry]:
    """Give entries for files that exist only as text."""
    for path, text in files:
        yield Entry(path, "-", text.encode())


def disk_entries(base: Path, folder: Path, excludes: Sequence[str] = ()) -> Iterator[Entry]:
    """Give entries for everything below `folder`, named relative to `base`.

    Cache folders, folders of version control and whatever `excludes` matches are not entered. A pattern without a
    slash is compared with each name, one with a slash with the path relative to `folder`.

    Raises WorkspaceError for a name that no archive can carry.
    """
    patterns = (*DEFAULT_EXCLUDES, *excludes)
    pending = [folder]
    while pending:
        current = pending.pop()
        with os.scandir(current) as entries:
            children = sorted(entries, key=lambda child: child.name)
        if current != folder and any(child.name == "CACHEDIR.TAG" for child in children):
            continue
        for child in children:
            path = Path(child.path)
            if _excluded(path.relative_to(folder), patterns):
                continue
            if child.is_dir(follow_symlinks=False):
                pending.append(path)
            elif entry := disk_entry(base, path):
                yield entry


def disk_entry(base: Path, path: Path) -> Entry | None:
    """Give the entry for one file, None for what is neither a file nor a symbolic link.

    Raises WorkspaceError for a name that no archive can carry.
    """
    name = path.relative_to(base).as_posix()
    if "\n" in name:
        msg = "This file's name has a line break in it."
        raise WorkspaceError(
            msg, file=path, hint="Rename it, or leave it out with dagger_rust_source_excludes."
        )
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            return Entry(name, "l", os.fsencode(path.readlink()))
        if stat.S_ISREG(status.st_mode):
            return Entry(name, "x" if status.st_mode & stat.S_IXUSR else "-", path.read_bytes())
    except FileNotFoundError:
        # An editor's temporary file that vanished while the folder was read.
        return None
    except PermissionError:
        msg = "This file cannot be read."
        hint = "Give yourself the permission, or leave it out with dagger_rust_source_excludes."
        raise WorkspaceError(msg, file=path, hint=hint) from None
    return None


def _excluded(relative: Path, patterns: Sequence[str]) -> bool:
    path = relative.as_posix()
    return any(
        fnmatch.fnmatchcase(path if "/" in pattern else relative.name, pattern.strip("/"))
        for pattern in patterns
    )


def pack(entries: Iterable[Entry], folder: Path) -> Archive:
    """Write the entries as `<digest>.tar` into `folder`; equal entries give the same bytes in any order and place."""
    unique = {PurePosixPath(os.path.normpath(entry.path)).as_posix(): entry for entry in entries}
    ordered = sorted(unique.items())
    unfinished = folder / f"{os.getpid()}-{id(ordered)}.part"
    with (
        unfinished.open("wb") as file,
        tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as tar,
    ):
        _add(tar, Entry("index", "-", _index(ordered)), "index")
        for path, entry in ordered:
            _add(tar, entry, f"files/{path}")
    with unfinished.open("rb") as written:
        digest = _digest_of(written)
    archive = unfinished.rename(folder / f"{digest}.tar")
    return Archive(archive, digest, len(ordered), archive.stat().st_size)


def _digest_of(file: io.BufferedReader) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def _index(entries: list[tuple[str, Entry]]) -> bytes:
    lines = [
        f"{hashlib.sha256(e.data).hexdigest()} {e.kind} ".encode() + os.fsencode(path) for path, e in entries
    ]
    # In byte order, as comm(1) wants it under LC_ALL=C.
    return b"".join(line + b"\n" for line in sorted(lines))


def _add(tar: tarfile.TarFile, entry: Entry, name: str) -> None:
    info = tarfile.TarInfo(name)
    info.mode = 0o755 if entry.kind == "x" else 0o644
    if entry.kind == "l":
        info.type = tarfile.SYMTYPE
        info.linkname = os.fsdecode(entry.data)
        tar.addfile(info)
        return
    info.size = len(entry.data)
    tar.addfile(info, io.BytesIO(entry.data))
