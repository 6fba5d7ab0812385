"""Finds the packages that lie in the repository but are no members, and decides which ones stay real."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dagger_rust.dependencies import Dependency, declared
from pytest_dagger_rust.errors import WorkspaceError
from pytest_dagger_rust.packages import Package
from pytest_dagger_rust.toml_values import string, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_dagger_rust.manifest import Manifest
    from pytest_dagger_rust.membership import Manifests


@dataclass(frozen=True, slots=True)
class Local:
    """A package in the repository: its model, its manifest without inheritance, and its dependencies.

    `is_stub` says that the skeleton holds a stub of it and not its sources.
    """

    package: Package
    manifest: Manifest
    dependencies: tuple[Dependency, ...]
    is_member: bool
    is_stub: bool = True

    @property
    def needed(self) -> tuple[Dependency, ...]:
        """The dependencies that building it needs: development ones count for members only."""
        if self.is_member:
            return self.dependencies
        return tuple(item for item in self.dependencies if item.table_name != "dev-dependencies")


def patched_folders(root: Manifest) -> dict[str, tuple[str, ...]]:
    """The folders that the root's `[patch]` and `[replace]` lead to, each with the keys that name it."""
    found: dict[str, tuple[str, ...]] = {}
    for source, entries in table(root.document.get("patch")).items():
        for name, spec in table(entries).items():
            path = string(table(spec).get("path"))
            if path is not None:
                found[os.path.normpath(f"{root.directory}/{path}")] = ("patch", source, name)
    for name, spec in table(root.document.get("replace")).items():
        path = string(table(spec).get("path"))
        if path is not None:
            found[os.path.normpath(f"{root.directory}/{path}")] = ("replace", name)
    return found


def reachable(
    manifests: Manifests, members: Iterable[str], patched: Mapping[str, tuple[str, ...]], root: Manifest
) -> list[str]:
    """The manifests of local packages that are no members, found along path dependencies from `members`."""
    known = set(members)
    found: list[str] = []
    queue = [(path, manifests.resolved(path)) for path in known]
    for folder, keys in patched.items():
        _enqueue(manifests, f"{folder}/Cargo.toml", root, keys, known, found, queue)
    is_member = set(members)
    while queue:
        path, manifest = queue.pop()
        for dependency in declared(manifest):
            if dependency.path is None or (
                path not in is_member and dependency.table_name == "dev-dependencies"
            ):
                continue
            target = f"{dependency.path}/Cargo.toml"
            _enqueue(manifests, target, manifest, dependency.keys, known, found, queue)
    return sorted(found)


def _enqueue(
    manifests: Manifests,
    path: str,
    named_by: Manifest,
    keys: tuple[str, ...],
    known: set[str],
    found: list[str],
    queue: list[tuple[str, Manifest]],
) -> None:
    if path in known:
        return
    known.add(path)
    manifests.tree.require(path, named_by=named_by.path)
    if manifests.tree.kind(path) is None:
        hint = "Correct the path, or remove the entry."
        raise named_by.error(f"there is no package at `{os.path.dirname(path)}`", *keys, hint=hint)
    manifest = manifests.resolved(path)
    if manifest.is_virtual:
        hint = "Name the folder of a package."
        raise WorkspaceError(
            "a workspace without a package cannot be a dependency", file=Path(path), hint=hint
        )
    found.append(path)
    queue.append((path, manifest))


def stubbed(locals_: Mapping[str, Local], needed_outside: Iterable[str]) -> set[str]:
    """Choose the packages to stub, by manifest path.

    Members are stubbed, and other local packages that depend on a stubbed one. What packages from a registry or
    git need (`needed_outside`), and all that needs in turn, cannot be a stub: those packages would not compile.
    """
    real = _closure(locals_, needed_outside)
    stubs = {path for path, item in locals_.items() if item.is_member and path not in real}
    while True:
        more = {
            path
            for path, item in locals_.items()
            if path not in stubs and path not in real and any(_manifest(d) in stubs for d in item.needed)
        }
        if not more:
            return stubs
        stubs |= more


def _closure(locals_: Mapping[str, Local], start: Iterable[str]) -> set[str]:
    found: set[str] = set()
    queue = [path for path in start if path in locals_]
    while queue:
        path = queue.pop()
        if path in found:
            continue
        found.add(path)
        dependencies = (item for item in locals_[path].dependencies if item.table_name != "dev-dependencies")
        queue += [_manifest(item) for item in dependencies if _manifest(item) in locals_]
    return found


def _manifest(dependency: Dependency) -> str:
    return f"{dependency.path}/Cargo.toml"
