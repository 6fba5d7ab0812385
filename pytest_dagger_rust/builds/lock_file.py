"""Writes the Cargo.lock that cargo made in the container into the workspace, where the user asks for it."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dagger_rust.errors import ConfigurationError, DaggerRustError, WorkspaceError
from pytest_dagger_rust.manifests.lockfile import Lock

if TYPE_CHECKING:
    from pytest_dagger_rust.workspace import RustWorkspace


def write_lock(workspace: RustWorkspace, text: str) -> bool:
    """Write the text of a lock file where cargo would, whole or not at all; return whether it was another one.

    Raises DaggerRustError for a text that is no lock file, and ConfigurationError if it cannot be written.
    """
    path = workspace.lock_file
    if not text or text == workspace.lock:
        return False
    try:
        Lock(text, path)
    except WorkspaceError as error:
        raise DaggerRustError(f"write_lock: cargo's lock file cannot be read: {error}") from None
    try:
        _replace(path, text)
    except OSError as error:
        raise ConfigurationError(f"write_lock: {path} cannot be written: {error.strerror}.") from None
    return True


def _replace(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        # As cargo writes it, whatever the umask of temporary files is.
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
