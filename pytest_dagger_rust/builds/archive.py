"""Writes a deterministic tar of a source tree, with an index from which the container sees what changed.

The archive is named by its own digest, so a new content has a new name: no cache on the way can answer with an old
one. Members are `index`, `packed` and `files/<path>`. A line of the index is `<sha256> <kind> <path>`, one for every
file of the tree; `packed` lists the paths whose content is in this archive. The others are in the base archive.
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import io
import os
import re
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from pytest_dagger_rust.errors import ConfigurationError, WorkspaceError
from pytest_dagger_rust.skeleton import left_out

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import IO

    from pathspec import GitIgnoreSpec

Kind = Literal["-", "x", "l"]

# Bytes that are read at a time.
_LEAST, _CHUNK = 1 << 12, 1 << 20
_LEAVE_OUT = "leave it out with dagger_rust_source_excludes."


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tree, without its content.

    `kind` is "-" for a file, "x" for an executable one, "l" for a symbolic link. `digest` is the sha256 of the content,
    which for a link is where it leads; `size` is in bytes. `origin` is the content itself, or the file that has it.
    """

    path: str
    kind: Kind
    digest: str
    size: int
    origin: bytes | str

    @property
    def line(self) -> bytes:
        """The entry's line of the index."""
        return f"{self.digest} {self.kind} ".encode() + os.fsencode(self.path) + b"\n"


@dataclass(frozen=True)
class Archive:
    """A packed tree; `digest` is the sha256 of the file at `path`, `base` the archive of what is not in it.

    `index` is the sha256 of the tree's index: that of what the tree contains, whichever part of it is packed.
    """

    path: Path
    digest: str
    index: str
    base: Path | None = None


class ChangedWhilePackingError(Exception):
    """A file got another content between the time it was looked at and the time it was packed."""


def entry_of(path: str, content: bytes, kind: Kind = "-") -> Entry:
    """Return the entry for a content that is in memory."""
    return Entry(os.path.normpath(path), kind, hashlib.sha256(content).hexdigest(), len(content), content)


def text_entries(files: Iterable[tuple[str, str]]) -> Iterator[Entry]:
    """Return entries for files that exist only as text."""
    return (entry_of(path, text.encode()) for path, text in files)


def disk_entries(
    base: Path, folder: Path, excludes: Sequence[str] = (), withheld: set[str] | None = None
) -> Iterator[Entry]:
    """Return entries for everything below `folder`, named relative to `base`.

    Cache folders, folders of version control, what is made to hold secrets and whatever `excludes` matches are left
    out. The patterns are those of a .gitignore file in `folder`. Paths that may hold secrets are added to `withheld`.

    Raises ConfigurationError for what is not a pattern, and WorkspaceError for a name that no archive can carry and
    for a file that cannot be read.
    """
    prefix = "" if folder == base else f"{folder.relative_to(base).as_posix()}/"
    is_excluded = _Excludes(excludes, set() if withheld is None else withheld)
    pending = [("", False)]
    while pending:
        inner, is_vendored = pending.pop()
        children = _children(folder / inner)
        names = {child.name for child in children}
        if inner and "CACHEDIR.TAG" in names:
            continue
        # Downloaded by `cargo vendor`: public, and cargo compares every file's checksum.
        is_vendored = is_vendored or ".cargo-checksum.json" in names
        for child in children:
            path, is_folder = inner + child.name, child.is_dir(follow_symlinks=False)
            if is_excluded(child.name, path, is_folder=is_folder, is_vendored=is_vendored):
                continue
            if is_folder:
                pending.append((f"{path}/", is_vendored))
            elif entry := _disk_entry(prefix + path, child.path):
                yield entry


def is_left_out(excludes: Sequence[str]) -> Callable[[str], bool]:
    """Return whether `excludes` leaves out the file of a path, or a folder that it lies in."""
    is_excluded = _Excludes(excludes, set())

    def answer(path: str) -> bool:
        parts = path.split("/")
        ends = range(1, len(parts) + 1)
        return any(
            is_excluded(parts[end - 1], "/".join(parts[:end]), is_folder=end < len(parts), is_vendored=False)
            for end in ends
        )

    return answer


def _children(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, nothing where it has vanished since it was listed.

    Raises WorkspaceError for a folder that cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []
    except PermissionError:
        hint = f"Give yourself the permission, or {_LEAVE_OUT}"
        raise WorkspaceError("This folder cannot be read.", file=folder, hint=hint) from None
    except OSError as error:
        raise _unless_too_long(error, folder) from None


def _unless_too_long(error: OSError, path: Path) -> Exception:
    """Return the error to raise for a path that the system refuses."""
    if error.errno != errno.ENAMETOOLONG:
        return error
    return WorkspaceError("This path is too long to be read.", file=path, hint=f"Shorten it, or {_LEAVE_OUT}")


class _Excludes:
    """Tells what is not packed: the defaults, and what a .gitignore file of these patterns would ignore.

    A pattern that names a default undoes it, as `!node_modules`; one such as `!*` does not.
    """

    def __init__(self, patterns: Sequence[str], withheld: set[str]) -> None:
        negated = [pattern[1:].rstrip("/") for pattern in patterns if pattern[:1] == "!"]
        named = {pattern.rpartition("/")[2] for pattern in negated}
        self._defaults = left_out.FOLDERS - named
        # pathspec compares files alone, and takes `a/**/` to match those in `a`; git does not.
        rules = [
            re.sub(r"(^|/)\*\*/$", r"\1**/*/", rule) for rule in (*(left_out.FOLDERS & named), *patterns)
        ]
        self._files = _spec(rules) if patterns else None
        self._folders = _spec([rule.rstrip("/") for rule in rules]) if patterns else None
        self._wanted = [(rule.rpartition("/")[2], _spec([rule])) for rule in negated if rule.strip("*/")]
        self._withheld = withheld

    def __call__(self, name: str, path: str, *, is_folder: bool, is_vendored: bool) -> bool:
        spec = self._folders if is_folder else self._files
        if name in self._defaults or (spec is not None and spec.match_file(path)):
            return True
        is_secret = not is_vendored and left_out.is_secret(name, is_folder=is_folder)
        if not is_secret or self._is_wanted(name, path):
            return False
        self._withheld.add(path)
        return True

    def _is_wanted(self, name: str, path: str) -> bool:
        # A pattern for a folder around it does not mean a secret in it.
        return any(fnmatch.fnmatchcase(name, last) and spec.match_file(path) for last, spec in self._wanted)


def _spec(patterns: Sequence[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec  # noqa: PLC0415 - only for workspaces with patterns

    try:
        return GitIgnoreSpec.from_lines(patterns)
    except (ValueError, re.error) as error:
        msg = f"source_excludes: a pattern is not one of a .gitignore file: {error}. They are: {list(patterns)!r}."
        raise ConfigurationError(msg) from None


def disk_entry(base: Path, path: Path) -> Entry | None:
    """Return the entry for one file, None for what is neither a file nor a symbolic link.

    Raises WorkspaceError for a name that no archive can carry, and for a file that cannot be read.
    """
    return _disk_entry(path.relative_to(base).as_posix(), str(path))


def _disk_entry(name: str, path: str) -> Entry | None:
    if "\n" in name:
        msg = "This file's name has a line break in it."
        raise WorkspaceError(msg, file=Path(path), hint=f"Rename it, or {_LEAVE_OUT}")
    try:
        return _read_entry(name, path)
    except FileNotFoundError:
        # An editor's temporary file that vanished while the folder was read.
        return None
    except PermissionError:
        hint = f"Give yourself the permission, or {_LEAVE_OUT}"
        raise WorkspaceError("This file cannot be read.", file=Path(path), hint=hint) from None
    except OSError as error:
        raise _unless_too_long(error, Path(path)) from None


# A symbolic link is not followed, and a pipe is not waited for.
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def _read_entry(name: str, path: str) -> Entry | None:
    try:
        file = os.open(path, _OPEN)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return entry_of(name, os.fsencode(os.readlink(path)), "l")  # noqa: PTH115 - bytes of any encoding
        if error.errno == errno.ENXIO:
            return None
        raise
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            return None
        _check_holes(found, path)
        digest, size = _digest_of(file, found.st_size)
    finally:
        os.close(file)
    return Entry(name, "x" if found.st_mode & stat.S_IXUSR else "-", digest, size, path)


# Bytes of a file that no source is, and how many times as many it has as it takes of the disk, where it is all holes.
_LARGE, _HOLLOW = 1 << 30, 16


def _check_holes(found: os.stat_result, path: str) -> None:
    """Raise WorkspaceError for a large file of holes: it would be read, kept and sent as the zeros that it is not."""
    # In units of 512 bytes, whatever the file system's are.
    taken = found.st_blocks * 512
    if found.st_size > max(_LARGE, taken * _HOLLOW):
        size, blocks = found.st_size >> 20, taken >> 20
        msg = f"This file is sparse: it has {size:,} MiB, and takes {blocks:,} MiB of the disk."
        raise WorkspaceError(msg, file=Path(path), hint=f"Make it shorter, or {_LEAVE_OUT}")


def _digest_of(file: int, expected: int) -> tuple[str, int]:
    # Without a file object, and with no more room than what is `expected` takes: thousands of small files in little
    # time, a large one in little memory.
    room = min(max(expected, _LEAST), _CHUNK) + 1
    digest, size = hashlib.sha256(), 0
    while chunk := os.read(file, room):
        digest.update(chunk)
        size += len(chunk)
        if len(chunk) < room:
            break
    return digest.hexdigest(), size


def pack(
    entries: Iterable[Entry], folder: Path, base: Path | None = None, kept: frozenset[bytes] = frozenset()
) -> Archive:
    """Write the entries as `<digest>.tar` into `folder`; equal entries give the same bytes in any order and place.

    `base` is the archive that has the content of the entries whose lines are in `kept`; the others are packed.

    Raises ChangedWhilePackingError.
    """
    ordered = sorted({entry.path: entry for entry in entries}.values(), key=lambda entry: entry.path)
    lines = [entry.line for entry in ordered]
    packed = [entry for entry, line in zip(ordered, lines, strict=True) if line not in kept]
    # In byte order, as comm(1) wants it under LC_ALL=C.
    index = b"".join(sorted(lines))
    names = b"".join(sorted(os.fsencode(entry.path) + b"\n" for entry in packed))
    path, digest = write(packed, folder, {"index": index, "packed": names})
    return Archive(path, digest, hashlib.sha256(index).hexdigest(), base)


def write(entries: Iterable[Entry], folder: Path, members: Mapping[str, bytes]) -> tuple[Path, str]:
    """Write `members` and the entries' contents as one tar, and return its path and digest.

    Other users of this machine must not be able to enter `folder`: sources may be private.

    Raises ChangedWhilePackingError.
    """
    unfinished = folder / f"{os.getpid()}-{id(entries)}.part"
    try:
        with tarfile.open(unfinished, "w", format=tarfile.GNU_FORMAT) as tar:
            for name, content in members.items():
                _add_file(tar, name, len(content), io.BytesIO(content))
            for entry in entries:
                _add(tar, entry)
        # Any user's programs read it in the container. On this machine the folder keeps it private.
        unfinished.chmod(0o644)
        with unfinished.open("rb") as written:
            digest, _ = _digest_of(written.fileno(), _CHUNK)
        archive = folder / f"{digest}.tar"
        # One that is there already keeps its time: the engine has it, and need not be sent it again.
        return archive if archive.exists() else unfinished.rename(archive), digest
    finally:
        unfinished.unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, entry: Entry) -> None:
    name = f"files/{entry.path}"
    if entry.kind == "l":
        info = tarfile.TarInfo(name)
        info.type = tarfile.SYMTYPE
        info.linkname = os.fsdecode(entry.origin)
        tar.addfile(info)
        return
    try:
        with _opened(entry) as file:
            content = _Digesting(file)
            _add_file(tar, name, entry.size, content, 0o755 if entry.kind == "x" else 0o644)
            is_same = not content.read(1) and content.digest.hexdigest() == entry.digest
    except OSError:
        is_same = False
    if not is_same:
        raise ChangedWhilePackingError(entry.path)


class _Digesting:
    """A file that knows the digest of what was read from it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _opened(entry: Entry) -> IO[bytes]:
    if isinstance(entry.origin, bytes):
        return io.BytesIO(entry.origin)
    # By now it may be a link or a pipe.
    return os.fdopen(os.open(entry.origin, _OPEN), "rb")


def _add_file(
    tar: tarfile.TarFile, name: str, size: int, content: io.BytesIO | _Digesting, mode: int = 0o644
) -> None:
    info = tarfile.TarInfo(name)
    info.mode = mode
    info.size = size
    tar.addfile(info, cast("IO[bytes]", content))
