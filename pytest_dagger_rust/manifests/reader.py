"""Reads manifests, each once, and finds the workspace that each belongs to."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dagger_rust.manifests.boundary import Tree, contains
from pytest_dagger_rust.manifests.checks import editions, rules, schema
from pytest_dagger_rust.manifests.dependencies import Dependency, declared
from pytest_dagger_rust.manifests.inheritance import resolve
from pytest_dagger_rust.manifests.manifest import Manifest, read_manifest
from pytest_dagger_rust.manifests.toml_values import string, strings, table

if TYPE_CHECKING:
    from collections.abc import Iterator


class Manifests:
    """All manifests read so far, by their absolute paths."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self._read: dict[str, Manifest] = {}
        self._resolved: dict[str, Manifest] = {}
        self._roots: dict[str, str | None] = {}
        self._dependencies: dict[str, tuple[Dependency, ...]] = {}

    def read(self, path: str) -> Manifest:
        """Return a manifest as it is written; raises WorkspaceError when it cannot be one."""
        if path not in self._read:
            manifest = read_manifest(self.tree, path)
            schema.check(manifest)
            rules.check_written(manifest)
            self._read[path] = manifest
        return self._read[path]

    def named(self, path: str, named_by: Manifest, keys: tuple[str, ...]) -> Manifest:
        """Return the manifest that `keys` in another manifest lead to; raises WorkspaceError naming those."""
        if path in self._read:
            return self._read[path]
        if not self.tree.admits(path):
            raise self.tree.outside(path, file=Path(named_by.path), line=named_by.line(*keys))
        if self.tree.kind(path) is None:
            message = f"there is no package at `{posixpath.dirname(path)}`"
            raise named_by.error(message, *keys, hint="Correct the path, or remove the entry.")
        return self.read(path)

    def resolved(self, path: str) -> Manifest:
        """Return a manifest with what it inherits written out."""
        if path not in self._resolved:
            self._resolved[path] = resolve(self.read(path), lambda: self._root_of(path))
        return self._resolved[path]

    def dependencies(self, path: str) -> tuple[Dependency, ...]:
        """Return the dependencies a package declares or inherits; raises WorkspaceError for a wrong package."""
        if path not in self._dependencies:
            found = tuple(declared(self.resolved(path)))
            editions.check_spellings(self.read(path), self.resolved(path).package.get("edition"))
            rules.check_resolved(self.resolved(path), found)
            self._dependencies[path] = found
        return self._dependencies[path]

    def _root_of(self, path: str) -> Manifest | None:
        root = self.find_root(path)
        return None if root is None else self.read(root)

    def find_root(self, path: str) -> str | None:
        """Return the manifest of the root that governs the manifest at `path`, itself if it is one."""
        if path not in self._roots:
            self._roots[path] = self._look_for_root(path)
        return self._roots[path]

    def _look_for_root(self, path: str) -> str | None:
        own = self._root_said_by(path, path)
        if own is not None:
            return own
        for folder in self._folders_above(path):
            candidate = posixpath.join(folder, "Cargo.toml")
            if self.tree.kind(candidate) is not None:
                root = self._root_said_by(candidate, path)
                if root is not None:
                    return root
        return None

    def _folders_above(self, path: str) -> Iterator[str]:
        folder = posixpath.dirname(path)
        # Packages that cargo itself has put into target/package belong to no workspace.
        while folder not in {self.tree.boundary, "/"} and not folder.endswith("/target/package"):
            folder = posixpath.dirname(folder)
            if contains(self.tree.boundary, folder):
                yield folder

    def _root_said_by(self, candidate: str, looking_from: str) -> str | None:
        manifest = self.read(candidate)
        if "workspace" in manifest.document:
            return None if is_excluded(manifest, looking_from) else candidate
        pointer = string(manifest.package.get("workspace"))
        if pointer is None:
            return None
        path = posixpath.normpath(posixpath.join(manifest.directory, pointer, "Cargo.toml"))
        root = self.named(path, manifest, ("package", "workspace"))
        if "workspace" not in root.document:
            message = f"`{path}` is no workspace's root"
            hint = f"Add a [workspace] table to {path}, or remove this key."
            raise manifest.error(message, "package", "workspace", hint=hint)
        return path


def is_excluded(root: Manifest, path: str) -> bool:
    """Return whether the `exclude` of the root keeps the manifest at `path` out of its workspace."""
    workspace = table(root.document.get("workspace"))
    excluded = _leads_to(root, strings(workspace.get("exclude")), path)
    return excluded and not _leads_to(root, strings(workspace.get("members")), path)


def _leads_to(root: Manifest, folders: list[str], path: str) -> bool:
    # By the text alone and without patterns: cargo compares the components of the paths.
    return any(contains(_components(posixpath.join(root.directory, folder)), path) for folder in folders)


def _components(path: str) -> str:
    return "/" + "/".join(part for part in path.split("/") if part not in {"", "."})
