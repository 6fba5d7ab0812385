"""Reads the files and folders of one repository, and never beyond its boundary."""

from __future__ import annotations

import os
import posixpath
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dagger_rust.errors import ConfigurationError, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

OUTSIDE_HINT = "Move it inside, or name a wider folder as the boundary: builds read nothing from elsewhere."


def contains(folder: str, path: str) -> bool:
    """Return whether `path` is `folder` or lies below it, by their texts alone."""
    return path == folder or path.startswith(folder if folder.endswith("/") else f"{folder}/")


class Tree:
    """The part of the file system that may be read: the boundary folder and what lies below it.

    Paths are absolute strings. Asking about a path that leads outside, by its text or through a symlink,
    raises WorkspaceError; nothing outside is opened or listed.
    """

    __slots__ = ("_inside", "_kinds", "boundary")

    def __init__(self, boundary: str) -> None:
        self.boundary = boundary
        self._inside: dict[str, bool] = {}
        self._kinds: dict[str, str | None] = {}

    def forget(self) -> None:
        """Drop what is known, after the boundary has been moved."""
        self._inside.clear()
        self._kinds.clear()

    def admits(self, path: str) -> bool:
        """Return whether `path` is inside the boundary, following every symlink on the way."""
        path = _plain(path)
        if not self._admits_folder(posixpath.dirname(path)):
            return path == self.boundary
        return contains(self.boundary, posixpath.realpath(path)) if _is_link(path) else True

    def _admits_folder(self, folder: str) -> bool:
        # Most folders are no links, so one look at each is enough to know all of them.
        passed = [folder]
        while (known := self._known(folder)) is None:
            folder = posixpath.dirname(folder)
            passed.append(folder)
        self._inside.update(dict.fromkeys(passed, known))
        return known

    def _known(self, folder: str) -> bool | None:
        """Return whether a folder is inside, None where it is as its parent."""
        if folder in self._inside or folder == self.boundary:
            return self._inside.get(folder, True)
        if contains(self.boundary, folder) and not _is_link(folder):
            return None
        return contains(self.boundary, posixpath.realpath(folder))

    def outside(self, path: str, *, file: Path | None = None, line: int | None = None) -> WorkspaceError:
        """Make the error about a `path` that leads outside, named on a line of `file`."""
        message = f"`{path}` is outside the boundary `{self.boundary}`"
        return WorkspaceError(message, file=file or Path(path), line=line, hint=OUTSIDE_HINT)

    def require(self, path: str, *, named_by: str | None = None) -> None:
        """Raise WorkspaceError when `path` is outside; `named_by` is the file that led there."""
        if not self.admits(path):
            raise self.outside(path, file=None if named_by is None else Path(named_by))

    def kind(self, path: str) -> str | None:
        """Return what `path` is, "file", "folder" or "other", symlinks followed; None if it does not exist."""
        path = _plain(path)
        if path not in self._kinds:
            if not self._admits_folder(posixpath.dirname(path)) and path != self.boundary:
                raise self.outside(path)
            self._kinds[path] = self._look_at(path)
        return self._kinds[path]

    def _look_at(self, path: str) -> str | None:
        try:
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                self.require(path)
                mode = os.stat(path).st_mode  # noqa: PTH116 - called for every target of every package
            elif stat.S_ISDIR(mode):
                self._inside[path] = True
        except (OSError, ValueError):
            return None
        if stat.S_ISREG(mode):
            return "file"
        return "folder" if stat.S_ISDIR(mode) else "other"

    def exists(self, path: str) -> bool:
        """Return whether there is anything at `path`, symlinks followed."""
        return self.kind(path) is not None

    def entries(self, folder: str) -> list[os.DirEntry[str]]:
        """List a folder, sorted by name; nothing when there is no such folder."""
        if self.kind(folder) != "folder":
            return []
        try:
            with os.scandir(_plain(folder)) as found:
                return sorted(found, key=lambda entry: entry.name)
        except PermissionError:
            return []

    def read(self, path: str) -> bytes:
        """Read a file whole; raises WorkspaceError when that cannot be done."""
        kind = self.kind(path)
        if kind is None:
            raise WorkspaceError("no such file", file=Path(path))
        if kind != "file":
            what = "a folder" if kind == "folder" else "not a regular file"
            raise WorkspaceError(f"this is {what}, where a file is needed", file=Path(path))
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise WorkspaceError(f"cannot be read: {error.strerror}", file=Path(path)) from error


def included(root: Path, boundary: Path, paths: Iterable[str]) -> Iterator[str]:
    """Yield the paths that lead out of `root`, relative to it, and what they are links to; the others are there anyway.

    Raises ConfigurationError for a path that is not there, and for one outside the boundary.
    """
    for written in paths:
        path = posixpath.normpath(posixpath.join(root, written))
        real = posixpath.realpath(path)
        if not all(contains(str(boundary), found) for found in (path, real)):
            message = f"`{written}` is outside the boundary `{boundary}`.\n  {OUTSIDE_HINT}"
            raise ConfigurationError(f"source_includes: {message}")
        if not posixpath.exists(real):
            message = f"there is no `{written}` beside `{root}`"
            raise ConfigurationError(
                f"source_includes: {message}.\n  Paths are relative to the workspace's root."
            )
        for found in dict.fromkeys((path, real)):
            if not contains(str(root), found):
                yield posixpath.relpath(found, root)


def _plain(path: str) -> str:
    # Most paths need nothing done, and this is asked for each of them.
    return posixpath.normpath(path) if "/.." in path else path


def _is_link(path: str) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except (OSError, ValueError):
        return False
