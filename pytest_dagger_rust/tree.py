"""Looks at the files and folders of one repository, and never beyond its boundary."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from pytest_dagger_rust.errors import WorkspaceError

OUTSIDE_HINT = "Everything a build reads must lie inside the repository: move it inside, or name a wider folder as the boundary."


def normalize(path: str) -> str:
    """Drop `.` and resolve `..` in an absolute `path` by its text alone, as cargo does."""
    return os.path.normpath(path)


def contains(folder: str, path: str) -> bool:
    """Tell whether `path` is `folder` or lies below it, by their texts alone."""
    return path == folder or path.startswith(folder if folder.endswith("/") else f"{folder}/")


class Tree:
    """The part of the file system that may be read: the boundary folder and what lies below it.

    Paths are absolute strings. Asking about a path that leads outside, by its text or through a symlink,
    raises WorkspaceError; nothing outside is opened or listed.
    """

    __slots__ = ("_inside", "boundary")

    def __init__(self, boundary: str) -> None:
        self.boundary = boundary
        self._inside: dict[str, bool] = {}

    def forget(self) -> None:
        """Drop what is known of folders, after the boundary has been moved."""
        self._inside.clear()

    def admits(self, path: str) -> bool:
        """Tell whether `path` is inside the boundary, following every symlink on the way."""
        parent, name = os.path.split(path)
        if not self._admits_folder(parent):
            return path == self.boundary
        try:
            is_link = stat.S_ISLNK(os.lstat(path).st_mode)
        except (OSError, ValueError):
            return name != ".."
        return contains(self.boundary, os.path.realpath(path)) if is_link else True

    def _admits_folder(self, folder: str) -> bool:
        known = self._inside.get(folder)
        if known is None:
            known = contains(self.boundary, os.path.realpath(folder))
            self._inside[folder] = known
        return known

    def require(self, path: str, *, named_by: str | None = None, line: int | None = None) -> None:
        """Raise WorkspaceError when `path` is outside; `named_by` is the file that led there."""
        if self.admits(path):
            return
        message = f"`{path}` is outside the boundary `{self.boundary}`"
        raise WorkspaceError(message, file=Path(named_by or path), line=line, hint=OUTSIDE_HINT)

    def kind(self, path: str) -> str | None:
        """Say what `path` is, "file", "folder" or "other", symlinks followed; None when there is nothing."""
        try:
            found = os.lstat(path)
        except (OSError, ValueError):
            return None
        self.require(path)
        mode = found.st_mode
        if stat.S_ISLNK(mode):
            try:
                mode = Path(path).stat().st_mode
            except OSError:
                return None
        if stat.S_ISREG(mode):
            return "file"
        return "folder" if stat.S_ISDIR(mode) else "other"

    def exists(self, path: str) -> bool:
        """Tell whether there is anything at `path`, symlinks followed."""
        return self.kind(path) is not None

    def entries(self, folder: str) -> list[os.DirEntry[str]]:
        """List a folder, sorted by name; nothing when there is no such folder."""
        if self.kind(folder) != "folder":
            return []
        try:
            with os.scandir(folder) as found:
                return sorted(found, key=lambda entry: entry.name)
        except PermissionError:
            return []

    def read(self, path: str) -> bytes:
        """Read a file whole; raises WorkspaceError when that cannot be done."""
        kind = self.kind(path)
        if kind is None:
            raise WorkspaceError("no such file", file=Path(path))
        if kind != "file":
            raise WorkspaceError(f"this is a {kind}, where a file is needed", file=Path(path))
        try:
            return Path(path).read_bytes()
        except OSError as error:
            raise WorkspaceError(f"cannot be read: {error.strerror}", file=Path(path)) from error
