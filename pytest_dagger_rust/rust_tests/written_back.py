"""Brings what Rust tests have written in their container back into the workspace: snapshots, seeds, coverage."""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import re
import stat
import uuid
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pytest_dagger_rust.container.frames import FrameError
from pytest_dagger_rust.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from pathlib import Path

# Parts of a path that lead nowhere or elsewhere, and a folder that decides what other programs run.
_NEVER = frozenset({"", ".", "..", ".git"})
# So many paths are named at the end of a run.
_NAMED = 10


def check_patterns(patterns: Iterable[str]) -> None:
    """Raise ConfigurationError for a pattern that matches nothing below the workspace's root."""
    for pattern in patterns:
        if _NEVER.intersection(pattern.split("/")):
            raise ConfigurationError(
                f"{pattern} matches no path below the workspace's root; write **/*.snap.new."
            )


@dataclass
class WrittenBack:
    """What goes below `root`: files that one of the `patterns` matches, and no others.

    `written` are the paths of those that were, `failed` has the reasons for the others.
    """

    root: Path
    patterns: tuple[str, ...]
    written: set[str] = field(default_factory=set[str])
    failed: dict[str, str] = field(default_factory=dict[str, str])

    def take(self, path: str, content: bytes) -> None:
        """Write a file.

        Raises FrameError for one that was not asked for.
        """
        self._check(path)
        try:
            write_below(self.root, path, content)
        except OSError as error:
            self.failed[path] = f"cannot be written: {error.strerror}"
        else:
            self.written.add(path)
            self.failed.pop(path, None)

    def miss(self, path: str, reason: str) -> None:
        """Note why a file could not be read.

        Raises FrameError for one that was not asked for.
        """
        self._check(path)
        self.failed[path] = reason

    def lines(self) -> list[str]:
        """Return what to say of it at the end of a run."""
        names = sorted(self.written)
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        said = [f"Rust tests: written into the workspace: {', '.join(names[:_NAMED])}{more}"] if names else []
        return said + [
            f"Rust tests: {path} is not brought back: it {why}" for path, why in self.failed.items()
        ]

    def _check(self, path: str) -> None:
        parts = path.split("/")
        if _NEVER.intersection(parts) or "\0" in path or not self._is_wanted(path):
            msg = f"it has a file {path[:200]!r}, which was not asked for"
            raise FrameError(msg)

    def _is_wanted(self, path: str) -> bool:
        return any(_compiled(pattern).fullmatch(path) for pattern in self.patterns)


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Return the pattern for a path: `**` is any number of folders, and at the end all that is below one."""
    *folders, last = pattern.split("/")
    parts = ["(?:[^/]+/)*" if part == "**" else f"{_name(part)}/" for part in folders]
    return re.compile("".join([*parts, ".+" if last == "**" else _name(last)]), re.DOTALL)


def _name(part: str) -> str:
    wild = {"*": "[^/]*", "?": "[^/]"}
    return "".join(wild.get(character) or re.escape(character) for character in part)


def write_below(root: Path, path: str, content: bytes) -> None:
    """Write a regular file below a folder; no link leads out of it, and a reader sees the old file or the new one.

    Raises OSError where something else is in its place.
    """
    *folders, name = PurePosixPath(path).parts
    with _opened(root, folders) as folder:
        mode = _mode(name, folder)
        unfinished = f".{uuid.uuid4().hex}"
        with os.fdopen(
            os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=folder), "wb"
        ) as file:
            file.write(content)
            if mode is not None:
                os.fchmod(file.fileno(), mode)
        os.replace(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)


@contextlib.contextmanager
def _opened(root: Path, folders: list[str]) -> Generator[int]:
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in folders:
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, dir_fd=folder)
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _mode(name: str, folder: int) -> int | None:
    """Return the permissions of the file that is there, None where there is none."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EEXIST, "something else than a regular file is there")
    return stat.S_IMODE(found.st_mode)
