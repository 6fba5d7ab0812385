"""The model of a Cargo workspace: its packages and their targets, as cargo sees them.

Reading is pure: manifests in, model out. cargo is not called, and no file outside the boundary is read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dagger_rust.dependencies import declared
from pytest_dagger_rust.discovery import Discovery
from pytest_dagger_rust.errors import WorkspaceError
from pytest_dagger_rust.local import Local, patched_folders, reachable, stubbed
from pytest_dagger_rust.lockfile import Lock
from pytest_dagger_rust.membership import Manifests, Members
from pytest_dagger_rust.packages import Package, Target
from pytest_dagger_rust.skeleton import Skeleton, make_skeleton
from pytest_dagger_rust.toml_values import string
from pytest_dagger_rust.toolchain import read_toolchain
from pytest_dagger_rust.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_dagger_rust.manifest import Manifest

__all__ = ["Package", "RustWorkspace", "Skeleton", "Target"]


@dataclass(frozen=True, slots=True)
class RustWorkspace:
    """A Cargo workspace, or a single package, which cargo treats as a workspace of one.

    `packages` are the members. `local_packages` are those that lie in the repository but are no members: reached
    by path, `[patch]` or `[replace]`. `default_members` are what cargo builds when no package is named. `lock` is
    the text of Cargo.lock, None when there is none; `toolchain` the channel that rust-toolchain.toml asks for.
    Nothing outside the folder `boundary` is ever read.
    """

    root: Path
    boundary: Path
    packages: tuple[Package, ...]
    local_packages: tuple[Package, ...]
    default_members: tuple[Package, ...]
    lock: str | None
    toolchain: str | None
    _locals: Mapping[str, Local] = field(repr=False, compare=False)
    _manifests: Manifests = field(repr=False, compare=False)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, boundary: str | os.PathLike[str] | None = None
    ) -> RustWorkspace:
        """Read the workspace that the package or workspace at `path` belongs to.

        `path` is a folder or a Cargo.toml. `boundary` is the folder that holds everything the workspace may read:
        by default the enclosing git repository, or the workspace's root where there is none. Raises WorkspaceError
        with file and line when cargo would reject the workspace too, or when it leads out of the boundary.
        """
        return _Loader(os.fspath(path), boundary).load()

    def package(self, name: str) -> Package:
        """The member named `name`; raises KeyError when there is none."""
        for package in self.packages:
            if package.name == name:
                return package
        raise KeyError(name)

    def skeleton(self, lock: str | None = None) -> Skeleton:
        """Reduce the workspace to what its dependencies are compiled from.

        `lock` is the text of a generated Cargo.lock, for a workspace that has none of its own.
        """
        text = self.lock if lock is None else lock
        parsed = None if text is None else Lock(text, self.root / "Cargo.lock")
        stubs = stubbed(self._locals, self._needed_outside(parsed))
        locals_ = {path: replace(item, is_stub=path in stubs) for path, item in self._locals.items()}
        return make_skeleton(self._manifests, f"{self.root}", locals_, self.default_members, parsed)

    def _needed_outside(self, lock: Lock | None) -> list[str]:
        root = self._manifests.read(f"{self.root}/Cargo.toml")
        patched = {f"{folder}/Cargo.toml" for folder in patched_folders(root)}
        if lock is None:
            return [path for path in self._locals if path in patched]
        needed = {name for name, _ in lock.needed_by_others()}
        return [path for path, item in self._locals.items() if item.package.name in needed]


class _Loader:
    """One reading of a workspace."""

    def __init__(self, path: str, boundary: str | os.PathLike[str] | None) -> None:
        self._start = _manifest_path(path)
        outer = _boundary(self._start) if boundary is None else os.path.realpath(boundary)
        self._is_bounded = outer is not None
        self._tree = Tree(outer or "/")
        self._manifests = Manifests(self._tree)

    def load(self) -> RustWorkspace:
        """Find the root, then everything below it."""
        self._tree.require(self._start)
        start = self._manifests.read(self._start)
        root = self._manifests.find_root(self._start) or self._start
        if not self._is_bounded:
            self._tree.boundary = os.path.dirname(root)
            self._tree.forget()
        members = Members(self._manifests, root)
        paths = members.find()
        if start.path not in paths and start.path != root:
            hint = f"Add it to `members` or `exclude` in {root}, or give it an empty [workspace] table."
            raise start.error(
                "the package believes it is in a workspace when it is not", "package", hint=hint
            )
        locals_ = self._locals(root, paths)
        return self._workspace(root, locals_, members.default(start.path, paths))

    def _locals(self, root: str, members: list[str]) -> dict[str, Local]:
        manifest = self._manifests.read(root)
        others = reachable(self._manifests, members, patched_folders(manifest), manifest)
        directory = os.path.dirname(root)
        return {
            **{path: self._local(path, directory, is_member=True) for path in members},
            **{path: self._local(path, directory, is_member=False) for path in others},
        }

    def _local(self, path: str, root: str, *, is_member: bool) -> Local:
        manifest = self._manifests.resolved(path)
        package = read_package(self._tree, manifest, root)
        return Local(package, manifest, tuple(declared(manifest)), is_member)

    def _workspace(self, root: str, locals_: dict[str, Local], default: list[str]) -> RustWorkspace:
        directory = os.path.dirname(root)
        lock_path = f"{directory}/Cargo.lock"
        has_lock = self._tree.kind(lock_path) is not None
        return RustWorkspace(
            root=Path(directory),
            boundary=Path(self._tree.boundary),
            packages=tuple(item.package for item in locals_.values() if item.is_member),
            local_packages=tuple(item.package for item in locals_.values() if not item.is_member),
            default_members=tuple(locals_[path].package for path in default if path in locals_),
            lock=self._manifests.read(lock_path).text if has_lock else None,
            toolchain=read_toolchain(self._tree, directory).channel,
            _locals=locals_,
            _manifests=self._manifests,
        )


def read_package(tree: Tree, manifest: Manifest, root: str) -> Package:
    """Make the model of one package from its manifest without inheritance; paths are relative to `root`."""
    package = manifest.package
    edition = string(package.get("edition")) or "2015"
    prefix = os.path.relpath(manifest.directory, root)
    return Package(
        name=manifest.name,
        version=string(package.get("version")) or "0.0.0",
        manifest_path=os.path.normpath(f"{prefix}/Cargo.toml"),
        targets=Discovery(tree, manifest, edition).targets(prefix),
        edition=edition,
        default_run=string(package.get("default-run")),
    )


def _manifest_path(path: str) -> str:
    real = os.path.realpath(path)
    if os.path.isdir(real) and os.path.basename(real) != "Cargo.toml":
        real = f"{real}/Cargo.toml"
    if not os.path.lexists(real):
        hint = "Name the folder of a Cargo package or workspace."
        raise WorkspaceError("there is no Cargo.toml here", file=Path(real), hint=hint)
    return real


def _boundary(manifest: str) -> str | None:
    folder = os.path.dirname(manifest)
    while True:
        if os.path.lexists(f"{folder}/.git"):
            return folder
        if folder == os.path.dirname(folder):
            return None
        folder = os.path.dirname(folder)
