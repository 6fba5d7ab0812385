"""Keeps the archive that was sent between builds, so that an edit sends only what changed since."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dagger_rust.builds import archive
from pytest_dagger_rust.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_dagger_rust.builds.archive import Archive, Entry

# A tree of fewer bytes is sent whole on each edit: that costs nothing that could be noticed.
SMALL = 2 << 20

# The part of the base archive's size that the changes since may have before a new base is made.
LARGEST_CHANGE = 0.25

# Archives that are kept beside the base: what was sent last, and what other processes may be sending now.
_KEPT = 4

_TRIES = 5

# Seconds after which what is unfinished is nobody's, and after which what was sent of a workspace is forgotten.
_HOUR = 3600
_MONTH = 30 * 24 * _HOUR


@dataclass(frozen=True)
class Base:
    """A whole archive of an earlier state of the tree: its path, and the index lines of what it has."""

    path: Path
    lines: frozenset[bytes]


def folder_of(cache: Path | None, root: Path) -> Path | None:
    """Return the folder in `cache` for what was sent of the workspace at `root`; delete those not used for a month."""
    if cache is None:
        return None
    own = cache / f"sent-{hashlib.sha256(os.fsencode(root)).hexdigest()[:16]}"
    for folder in cache.glob("sent-*"):
        if folder != own and _is_older(folder, _MONTH):
            shutil.rmtree(folder, ignore_errors=True)
    return own


def _is_older(path: Path, seconds: float) -> bool:
    try:
        return path.stat().st_mtime < time.time() - seconds
    except FileNotFoundError:
        return False


def pack_tree(entries: Callable[[], Iterable[Entry]], folder: Path, cache: Path | None = None) -> Archive:
    """Pack the tree that `entries` reads into `folder`, on top of the base archive in `cache` where that pays.

    Raises WorkspaceError when a file changes as often as it is read.
    """
    changing = ""
    for _ in range(_TRIES):
        found = list(entries())
        try:
            return _pack(found, folder, cache)
        except archive.ChangedWhilePackingError as error:
            changing = error.args[0]
    hint = "Wait for what writes it, or leave it out with dagger_rust_source_excludes."
    raise WorkspaceError("This file changes while it is read.", file=Path(changing), hint=hint)


def _pack(entries: Sequence[Entry], folder: Path, cache: Path | None) -> Archive:
    size = sum(entry.size for entry in entries)
    if cache is None or size < SMALL:
        return archive.pack(entries, folder)
    _make_private(cache)
    base = load(cache)
    if base is None or _changed(entries, base) > LARGEST_CHANGE * size:
        base = _keep(entries, cache)
    sent = cache / "sent"
    sent.mkdir(exist_ok=True)
    packed = archive.pack(entries, sent, base.path, base.lines)
    for old in _newest_first(sent, "*.tar")[_KEPT:]:
        old.unlink(missing_ok=True)
    return packed


def _make_private(folder: Path) -> None:
    """Make a folder that only this user can enter, and note that it is in use."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    os.utime(folder)


def _changed(entries: Iterable[Entry], base: Base) -> int:
    return sum(entry.size for entry in entries if entry.line not in base.lines)


def load(cache: Path) -> Base | None:
    """Return the newest base archive in `cache`, None where there is none that is whole."""
    for index in _newest_first(cache):
        path = index.with_suffix(".tar")
        with contextlib.suppress(FileNotFoundError):
            path.stat()
            return Base(path, frozenset(line + b"\n" for line in index.read_bytes().split(b"\n")[:-1]))
    return None


def _keep(entries: Sequence[Entry], cache: Path) -> Base:
    path, digest = archive.write(entries, cache, {})
    lines = frozenset(entry.line for entry in entries)
    unfinished = cache / f"{os.getpid()}.part"
    unfinished.write_bytes(b"".join(sorted(lines)))
    # The index comes last and at once: an archive without it is no base.
    unfinished.rename(cache / f"{digest}.index")
    # Another session may be sending the one before; those before that are nobody's.
    for old in _newest_first(cache)[2:]:
        _forget(old)
    _delete_leftovers(cache)
    return Base(path, lines)


def _delete_leftovers(cache: Path) -> None:
    """Delete what processes that were killed have left."""
    archives = (path for path in cache.glob("*.tar") if not path.with_suffix(".index").exists())
    for path in (*archives, *cache.rglob("*.part")):
        # A younger one may be another process' that is writing it.
        if _is_older(path, _HOUR):
            path.unlink(missing_ok=True)


def forget_all(cache: Path) -> None:
    """Delete everything that was kept in `cache`."""
    for index in _newest_first(cache):
        _forget(index)
    for archive_ in cache.glob("sent/*.tar"):
        archive_.unlink(missing_ok=True)


def _forget(index: Path) -> None:
    index.unlink(missing_ok=True)
    index.with_suffix(".tar").unlink(missing_ok=True)


def _newest_first(folder: Path, pattern: str = "*.index") -> list[Path]:
    dated: list[tuple[int, Path]] = []
    for path in folder.glob(pattern):
        # Another process may have deleted it by now.
        with contextlib.suppress(FileNotFoundError):
            dated.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(dated, reverse=True)]
