"""Lists the files that a dependency build needs as they are."""

from __future__ import annotations

import hashlib
import posixpath
from typing import TYPE_CHECKING

from pytest_dagger_rust.skeleton.left_out import FOLDERS, is_secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_dagger_rust.manifests.boundary import Tree


def files_below(tree: Tree, folder: str, *, without: Iterable[str] = ()) -> Iterator[str]:
    """Yield the absolute paths of all files below `folder`, but nothing below the folders in `without`.

    Symlinks are followed inside the boundary; one that leads out of it is left out, as in a source build.
    """
    skipped = frozenset(without)
    queue = [folder]
    while queue:
        current = queue.pop()
        for entry in tree.entries(current):
            path = f"{current}/{entry.name}"
            if not tree.admits(path) or (entry.is_symlink() and _leads_back(path)):
                continue
            kind = tree.kind(path)
            if is_secret(entry.name, is_folder=kind == "folder"):
                continue
            if kind == "file":
                yield path
                if entry.is_symlink():
                    # The link is packed as a link, which needs its target.
                    yield posixpath.realpath(path)
            elif kind == "folder" and not _is_skipped(tree, path, entry.name, skipped):
                queue.append(path)


def _leads_back(path: str) -> bool:
    """Return whether a symlink leads to a folder that it lies in itself, and so would be followed for ever."""
    return f"{posixpath.realpath(posixpath.dirname(path))}/".startswith(f"{posixpath.realpath(path)}/")


def _is_skipped(tree: Tree, path: str, name: str, without: frozenset[str]) -> bool:
    if path in without or name in FOLDERS:
        return True
    # cargo puts this file into its target directory, whatever that is called.
    return tree.kind(f"{path}/CACHEDIR.TAG") is not None


def content_digest(tree: Tree, path: str) -> str:
    """Return the SHA-256 of one file's content."""
    return hashlib.sha256(tree.read(path)).hexdigest()
