"""Finds the members of a workspace, and checks that they can be members together."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, TypeAlias

from pytest_dagger_rust.manifests import globs
from pytest_dagger_rust.manifests.boundary import contains
from pytest_dagger_rust.manifests.reader import is_excluded
from pytest_dagger_rust.manifests.toml_values import strings, table

if TYPE_CHECKING:
    from pytest_dagger_rust.manifests.manifest import Manifest
    from pytest_dagger_rust.manifests.reader import Manifests

# A manifest, the keys in it that lead to another, and where that is.
_Step: TypeAlias = "tuple[Manifest, tuple[str, ...], str]"
_LISTED = ("workspace", "members")


class Members:
    """The members of the workspace whose root manifest is at the absolute path `root`."""

    def __init__(self, manifests: Manifests, root: str) -> None:
        self._manifests = manifests
        self._root = manifests.read(root)
        self._found: set[str] = set()

    def find(self) -> list[str]:
        """Return the manifests of all members, sorted; raises WorkspaceError as cargo would fail."""
        if "workspace" not in self._root.document:
            return [self._root.path]
        steps: list[_Step] = [
            (self._root, _LISTED, f"{folder}/Cargo.toml") for folder in self._listed("members")
        ]
        # Taken from the end, the root first: what the root names and what it depends on may overlap.
        steps.append((self._root, _LISTED, self._root.path))
        while steps:
            named_by, keys, path = steps.pop()
            path = posixpath.normpath(path)
            if path not in self._found and self._belongs(path, named_by, keys):
                self._found.add(path)
                steps += self._next(path)
        members = sorted(path for path in self._found if not self._manifests.read(path).is_virtual)
        self._check(members)
        return members

    def _next(self, path: str) -> list[_Step]:
        manifest = self._manifests.resolved(path)
        if manifest.is_virtual:
            return []
        return [
            (manifest, item.keys, item.manifest)
            for item in self._manifests.dependencies(path)
            if item.manifest is not None
        ]

    def _belongs(self, path: str, named_by: Manifest, keys: tuple[str, ...]) -> bool:
        is_outside = not contains(self._root.directory, path)
        if keys != _LISTED and is_outside:
            self._manifests.named(path, named_by, keys)
            if self._manifests.find_root(path) != self._root.path:
                return False
        if is_excluded(self._root, path):
            return False
        self._manifests.named(path, named_by, keys)
        return True

    def default(self, current: str, members: list[str]) -> list[str]:
        """Return the members that cargo builds when none is named, started at the manifest `current`."""
        if current != self._root.path:
            return [current]
        if "default-members" not in table(self._root.document.get("workspace")):
            return members if self._root.is_virtual else [current]
        listed = {posixpath.normpath(folder) for folder in self._listed("members")}
        paths: list[str] = []
        for folder in self._listed("default-members"):
            path = posixpath.normpath(f"{folder}/Cargo.toml")
            if path in self._found:
                paths.append(path)
            elif posixpath.dirname(path) not in listed or not is_excluded(self._root, path):
                message = f"`{folder}` is listed in default-members, but is not a member"
                hint = "Add it to `members`, or remove it here."
                raise self._root.error(message, "workspace", "default-members", hint=hint)
        return paths

    def _listed(self, key: str) -> list[str]:
        folders: list[str] = []
        for pattern in strings(table(self._root.document.get("workspace")).get(key)):
            folders += self._expand(key, pattern)
        return folders

    def _expand(self, key: str, pattern: str) -> list[str]:
        try:
            return globs.expand(self._manifests.tree, self._root.directory, pattern)
        except ValueError as error:
            message = f"`{pattern}` is not a valid pattern: {error}"
            raise self._root.error(message, "workspace", key, hint="Correct the pattern.") from error

    def _check(self, members: list[str]) -> None:
        for path in sorted(self._found):
            if path != self._root.path:
                self._check_root(path)
        by_name: dict[str, Manifest] = {}
        for path in members:
            manifest = self._manifests.read(path)
            other = by_name.setdefault(manifest.name, manifest)
            if other is not manifest:
                message = f"two members are named `{manifest.name}`; the other is {other.path}"
                raise manifest.error(message, "package", "name", hint="Rename one of them, or exclude it.")

    def _check_root(self, path: str) -> None:
        manifest = self._manifests.read(path)
        if "workspace" in manifest.document:
            hint = f"Remove its [workspace] table, or add its folder to `exclude` in {self._root.path}."
            raise manifest.error("a member cannot be the root of a workspace itself", "workspace", hint=hint)
        root = self._manifests.find_root(path)
        if root is None:
            message = f"the member is not below its workspace's root {self._root.path}"
            pointer = posixpath.relpath(self._root.directory, manifest.directory)
            hint = f'Add `workspace = "{pointer}"` to [package].'
            raise manifest.error(message, "package", hint=hint)
        if root != self._root.path:
            message = f"the package is a member of {self._root.path}, but belongs to {root}"
            raise manifest.error(message, "package", "workspace", hint="List it in one workspace only.")
