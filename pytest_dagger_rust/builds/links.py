"""Finds what symbolic links on the way to packages and targets lead to: outside the root, it is sent as well."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dagger_rust.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_dagger_rust.workspace import RustWorkspace


def outside_through_links(workspace: RustWorkspace) -> list[str]:
    """Return the files and folders outside the root that links to packages and targets lead to, relative to the root.

    Raises WorkspaceError for a link with an absolute path: in a container that leads nowhere.
    """
    root, seen, found = str(workspace.root), set[str](), dict[str, None]()
    for path in _named(workspace):
        for step in _steps(root, path):
            if step not in seen and os.path.islink(step):  # noqa: PTH114 - asked for every folder of every target
                target = posixpath.relpath(_target(step), root)
                found |= {target: None} if target.startswith("..") else {}
            seen.add(step)
    return list(found)


def _named(workspace: RustWorkspace) -> Iterator[str]:
    for package in (*workspace.packages, *workspace.local_packages):
        yield package.manifest_path
        yield from (target.src_path for target in package.targets)


def _steps(root: str, path: str) -> Iterator[str]:
    """Return each folder on the way from the root to a path, and the path itself."""
    current = root
    for part in path.split("/"):
        current = posixpath.normpath(f"{current}/{part}")
        if part != "..":
            yield current


def _target(link: str) -> str:
    written, real = os.readlink(link), posixpath.realpath(link)  # noqa: PTH115 - a string is wanted
    if posixpath.isabs(written):
        relative = posixpath.relpath(real, posixpath.realpath(posixpath.dirname(link)))
        message = f"this symbolic link has the absolute path {written}, which no container has"
        raise WorkspaceError(message, file=Path(link), hint=f"Make it relative: {relative}.")
    return real
