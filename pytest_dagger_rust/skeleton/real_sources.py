"""Lists the files that a dependency build needs as they are."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_dagger_rust.manifests.boundary import Tree

# Never part of a package, and sometimes enormous.
_SKIPPED = frozenset({".git", "node_modules", ".hg", ".jj"})


def files_below(tree: Tree, folder: str, *, without: Iterable[str] = ()) -> Iterator[str]:
    """Yield the absolute paths of all files below `folder`, but nothing below the folders in `without`.

    Raises WorkspaceError when a symlink on the way leads out of the boundary.
    """
    skipped = frozenset(without)
    queue = [folder]
    while queue:
        current = queue.pop()
        for entry in tree.entries(current):
            path = f"{current}/{entry.name}"
            kind = tree.kind(path)
            if kind == "file":
                yield path
            elif (
                kind == "folder"
                and not entry.is_symlink()
                and not _is_skipped(tree, path, entry.name, skipped)
            ):
                queue.append(path)


def _is_skipped(tree: Tree, path: str, name: str, without: frozenset[str]) -> bool:
    if path in without or name in _SKIPPED:
        return True
    # cargo puts this file into its target directory, whatever that is called.
    return tree.kind(f"{path}/CACHEDIR.TAG") is not None


def content_digest(tree: Tree, path: str) -> str:
    """Return the SHA-256 of one file's content."""
    return hashlib.sha256(tree.read(path)).hexdigest()
