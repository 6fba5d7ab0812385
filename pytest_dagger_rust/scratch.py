"""Temporary folders: deleted with the process that made them, or by a later one if it was killed."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

PREFIX = "pytest-dagger-rust-run-"

# The folder of this process, which a fork does not share. A lock on it, which ends with the process, says that it is in
# use.
_roots: dict[tuple[int, str], Path] = {}
_lock = threading.Lock()


def new_folder() -> Path:
    """Make a folder for this process, which whoever asked for it may delete before its end.

    Raises OSError if it cannot be made.
    """
    return Path(tempfile.mkdtemp(dir=_root()))


@contextlib.contextmanager
def temporary_folder() -> Generator[Path]:
    """Make a folder that lasts as long as the context.

    Raises OSError if it cannot be made.
    """
    folder = new_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _root() -> Path:
    key = (os.getpid(), tempfile.gettempdir())
    with _lock:
        if key not in _roots or not _roots[key].is_dir():
            _roots[key] = _locked_folder()
            _delete_abandoned(Path(tempfile.gettempdir()))
        return _roots[key]


def _locked_folder() -> Path:
    """Make a folder and lock it; once more if another process saw it without its lock and deleted it."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        # It stays open as long as this process lives.
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if folder.is_dir():
            atexit.register(_delete_own, folder, os.getpid())
            return folder
        os.close(descriptor)


def _delete_own(folder: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def _delete_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        # Another process may be faster, and some folders are other people's.
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(descriptor).st_uid == os.geteuid():
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
            finally:
                os.close(descriptor)
