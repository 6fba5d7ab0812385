"""Finds a workspace's root and its members, as cargo does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dagger_rust import globs
from pytest_dagger_rust.dependencies import declared
from pytest_dagger_rust.errors import WorkspaceError
from pytest_dagger_rust.inheritance import resolve
from pytest_dagger_rust.manifest import Manifest, read_manifest
from pytest_dagger_rust.toml_values import array, string, strings, table
from pytest_dagger_rust.tree import Tree, contains

if TYPE_CHECKING:
    from collections.abc import Iterator


class Manifests:
    """All manifests read so far, each once; `resolved` ones no longer inherit anything."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._read: dict[str, Manifest] = {}
        self._resolved: dict[str, Manifest] = {}

    def read(self, path: str) -> Manifest:
        """The manifest at an absolute path, as it is written."""
        if path not in self._read:
            self._read[path] = read_manifest(self.tree, path)
        return self._read[path]

    def resolved(self, path: str) -> Manifest:
        """The manifest at an absolute path, with what it inherits written out."""
        if path not in self._resolved:
            self._resolved[path] = resolve(self.read(path), lambda: self._root_of(path))
        return self._resolved[path]

    def _root_of(self, path: str) -> Manifest | None:
        root = self.find_root(path)
        return None if root is None else self.read(root)

    def find_root(self, path: str) -> str | None:
        """The manifest of the workspace's root that governs the manifest at `path`."""
        own = self._root_said_by(path, path)
        if own is not None:
            return own
        for folder in _folders_above(path):
            candidate = f"{folder}/Cargo.toml".replace("//", "/")
            if self.tree.kind(candidate) is not None:
                root = self._root_said_by(candidate, path)
                if root is not None:
                    return root
            if folder == self.tree.boundary:
                return None
        return None

    def _root_said_by(self, candidate: str, looking_from: str) -> str | None:
        manifest = self.read(candidate)
        if "workspace" in manifest.document:
            return None if is_excluded(manifest, looking_from) else candidate
        pointer = string(manifest.package.get("workspace"))
        if pointer is None:
            return None
        return os.path.normpath(f"{manifest.directory}/{pointer}/Cargo.toml")


def _folders_above(path: str) -> Iterator[str]:
    folder = os.path.dirname(os.path.dirname(path))
    while not folder.endswith("/target/package"):
        yield folder
        if folder == os.path.dirname(folder):
            return
        folder = os.path.dirname(folder)


def is_excluded(root: Manifest, path: str) -> bool:
    """Tell whether the root's `exclude` keeps the manifest at `path` out of its workspace."""
    workspace = table(root.document.get("workspace"))
    excluded = _names_folder_of(root, strings(workspace.get("exclude")), path)
    return excluded and not _names_folder_of(root, strings(workspace.get("members")), path)


def _names_folder_of(root: Manifest, folders: list[str], path: str) -> bool:
    # By the text alone and without globs: cargo compares the components of the paths.
    return any(contains(_join(root.directory, folder), path) for folder in folders)


def _join(folder: str, path: str) -> str:
    parts = [part for part in os.path.join(folder, path).split("/") if part not in {"", "."}]
    return "/" + "/".join(parts)


class Members:
    """The members of the workspace whose root manifest is at `root`."""

    def __init__(self, manifests: Manifests, root: str) -> None:
        self._manifests = manifests
        self._root_path = root
        self._root = manifests.read(root)
        self._found: dict[str, None] = {}

    def find(self) -> list[str]:
        """The absolute manifest paths of all members, the root package's among them."""
        if "workspace" not in self._root.document:
            return [self._root_path]
        for folder in self._listed("members"):
            self._add(os.path.normpath(f"{folder}/Cargo.toml"), named_by=self._root)
        self._add(self._root_path, named_by=self._root)
        return sorted(path for path in self._found if not self._manifests.read(path).is_virtual)

    def default(self, current: str, members: list[str]) -> list[str]:
        """The members that cargo builds when none is named, started at the manifest `current`."""
        workspace = table(self._root.document.get("workspace"))
        if current != self._root_path:
            return [current]
        if "default-members" not in workspace:
            return members if self._root.is_virtual else [current]
        paths: list[str] = []
        listed = [os.path.normpath(folder) for folder in self._listed("members")]
        for folder in self._listed("default-members"):
            path = os.path.normpath(f"{folder}/Cargo.toml")
            if path in self._found:
                paths.append(path)
            elif os.path.dirname(path) not in listed or not is_excluded(self._root, path):
                message = f"`{folder}` is listed in default-members, but is not a member"
                hint = "Add it to `members`, or remove it here."
                raise self._root.error(message, "workspace", "default-members", hint=hint)
        return paths

    def _listed(self, key: str) -> list[str]:
        workspace = table(self._root.document.get("workspace"))
        folders: list[str] = []
        for pattern in strings(array(workspace.get(key))):
            try:
                folders += globs.expand(self._manifests.tree, self._root.directory, pattern)
            except ValueError as error:
                message = f"`{pattern}` is not a valid pattern: {error}"
                raise self._root.error(message, "workspace", key) from error
        return folders

    def _add(
        self, path: str, *, named_by: Manifest, keys: tuple[str, ...] = ("workspace", "members")
    ) -> None:
        if path in self._found or self._is_foreign(path, named_by, keys):
            return
        self._found[path] = None
        manifest = self._load(path, named_by, keys)
        if manifest.is_virtual:
            return
        for dependency in declared(self._manifests.resolved(path)):
            if dependency.path is not None:
                self._add(f"{dependency.path}/Cargo.toml", named_by=manifest, keys=dependency.keys)

    def _is_foreign(self, path: str, named_by: Manifest, keys: tuple[str, ...]) -> bool:
        is_dependency = keys != ("workspace", "members")
        if is_dependency and not contains(self._root.directory, path):
            self._load(path, named_by, keys)
            if self._manifests.find_root(path) != self._root_path:
                return True
        return is_excluded(self._root, path)

    def _load(self, path: str, named_by: Manifest, keys: tuple[str, ...]) -> Manifest:
        try:
            self._manifests.tree.require(path, named_by=named_by.path)
            if self._manifests.tree.kind(path) is not None:
                return self._manifests.read(path)
        except WorkspaceError as error:
            if error.file == Path(named_by.path) and error.line is None:
                raise named_by.error(error.message, *keys, hint=error.hint) from None
            raise
        hint = "Correct the path, or remove the entry."
        raise named_by.error(f"there is no package at `{os.path.dirname(path)}`", *keys, hint=hint)
