"""The source tree of a build: its files, and the folder that their paths are relative to."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pytest_dagger_rust.builds import archive
from pytest_dagger_rust.builds.links import outside_through_links

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_dagger_rust.skeleton.skeleton import Skeleton
    from pytest_dagger_rust.workspace import RustWorkspace


def tree_base(workspace: RustWorkspace, outside: Sequence[str]) -> tuple[Path, str]:
    """Return the folder the archives are relative to, and the workspace's root relative to that.

    It is the root itself, unless the workspace reaches for something beside or above it; `outside` are those paths,
    relative to the root.
    """
    above = [os.path.normpath(workspace.root / path) for path in outside]
    # Where there is no lock file yet, cargo is about to write one.
    above.append(str(workspace.lock_file.parent))
    base = Path(os.path.commonpath([workspace.root, *above]))
    return base, PurePosixPath(workspace.root.relative_to(base)).as_posix()


def outside_paths(workspace: RustWorkspace, skeleton: Skeleton) -> list[str]:
    """Return what a build needs from outside the workspace's root, relative to that.

    These are packages and configuration, what links to packages lead to, and what the workspace includes.
    """
    folders = [str(PurePosixPath(package.manifest_path).parent) for package in workspace.local_packages]
    folders += [*outside_through_links(workspace), *workspace.includes]
    files = [*skeleton.files, *skeleton.sources]
    outside = [path for path in folders if path.startswith("..")]
    outside += [path for path in files if path.startswith("..") and (workspace.root / path).is_file()]
    return [path for path in outside if not any(path.startswith(f"{folder}/") for folder in folders)]


def without_excluded(sources: Sequence[str], excludes: Sequence[str], outside: Sequence[str]) -> list[str]:
    """Return the real sources of a skeleton that the sources of a build have, too.

    Patterns are compared with paths from the workspace's root, or from the folder outside of it that a path is in.
    """
    is_left_out = archive.is_left_out(excludes)

    def inner(path: str) -> str:
        folders = (folder for folder in outside if path.startswith(f"{folder}/"))
        return path[len(folder) + 1 :] if (folder := next(folders, None)) else path

    return [path for path in sources if not is_left_out(inner(path))]


def source_tree(workspace: RustWorkspace, excludes: Sequence[str]) -> tuple[Path, Iterator[archive.Entry]]:
    """Return the folder that the paths of a build's tree are relative to, and everything in the tree."""
    outside = outside_paths(workspace, workspace.skeleton())
    base, _ = tree_base(workspace, outside)
    return base, source_entries(workspace, excludes, base, outside)


def source_entries(
    workspace: RustWorkspace,
    excludes: Sequence[str],
    base: Path,
    outside: Sequence[str],
    withheld: set[str] | None = None,
) -> Iterator[archive.Entry]:
    """Return everything in the workspace's root, and below the paths outside of it.

    Paths that are left out because they may hold secrets are added to `withheld`.
    """
    yield from archive.disk_entries(base, workspace.root, excludes, withheld)
    yield from _entries(workspace, excludes, base, outside, withheld)


def included_entries(
    workspace: RustWorkspace, excludes: Sequence[str], base: Path
) -> Iterator[archive.Entry]:
    """Return everything in what the workspace includes: build scripts of real packages may read it."""
    return _entries(workspace, excludes, base, workspace.includes, None)


def _entries(
    workspace: RustWorkspace,
    excludes: Sequence[str],
    base: Path,
    outside: Sequence[str],
    withheld: set[str] | None,
) -> Iterator[archive.Entry]:
    for path in (Path(os.path.normpath(workspace.root / path)) for path in outside):
        if path.is_dir():
            yield from archive.disk_entries(base, path, excludes, withheld)
        elif entry := archive.disk_entry(base, path):
            yield entry
