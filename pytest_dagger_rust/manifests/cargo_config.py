"""Reads cargo's configuration files, and finds the files that a build depends on through them."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_dagger_rust.manifests.boundary import contains
from pytest_dagger_rust.manifests.manifest import read_manifest
from pytest_dagger_rust.manifests.toml_values import Table, array, string, strings, table, tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_dagger_rust.manifests.boundary import Tree

# Cargo's variable for `resolver.lockfile-path`.
LOCK_VARIABLE = "CARGO_RESOLVER_LOCKFILE_PATH"

# How cargo talks and what it calls its commands; no build depends on it.
_IRRELEVANT = frozenset({"alias", "cargo-new", "term", "future-incompat-report"})


@dataclass(frozen=True, slots=True)
class CargoConfig:
    """One configuration file: its absolute path and what in it can matter to a build."""

    path: str
    document: Table

    @property
    def base(self) -> str:
        """The folder that paths in the file are relative to."""
        return posixpath.dirname(posixpath.dirname(self.path))

    def overrides(self) -> list[str]:
        """Return the folders of local packages that `paths` puts in the place of others."""
        return self._absolute(strings(self.document.get("paths")))

    def vendored_folders(self) -> list[str]:
        """Return the folders with vendored packages or local registries that `[source]` names."""
        sources = [table(item) for item in table(self.document.get("source")).values()]
        paths = [string(item.get(key)) for item in sources for key in ("directory", "local-registry")]
        return self._absolute(path for path in paths if path is not None)

    def lock_path(self) -> str | None:
        """Return the path of the lock file, where `resolver.lockfile-path` names one (cargo 1.97 and newer)."""
        path = string(table(self.document.get("resolver")).get("lockfile-path"))
        return None if path is None else self._absolute([path])[0]

    def runners(self) -> list[str]:
        """Return the programs that `[target]` tables have cargo run tests with, as words of a command."""
        values = [table(item).get("runner") for item in table(self.document.get("target")).values()]
        words = [[value] if isinstance(value, str) else strings(value) for value in values]
        return [" ".join(command) for command in words if command]

    def named_files(self) -> list[str]:
        """Return the tools, linkers and target specifications it names by a path."""
        return self._absolute(self._paths())

    def _absolute(self, paths: Iterable[str]) -> list[str]:
        return [posixpath.normpath(posixpath.join(self.base, path)) for path in paths]

    def _paths(self) -> Iterator[str]:
        build = table(self.document.get("build"))
        values = [build.get(key) for key in ("rustc", "rustc-wrapper", "rustc-workspace-wrapper", "rustdoc")]
        values += [build.get("target"), *array(build.get("target"))]
        for item in table(self.document.get("target")).values():
            values += [table(item).get("linker"), table(item).get("runner")]
        yield from (
            value for value in values if isinstance(value, str) and ("/" in value or value.endswith(".json"))
        )


def lock_path(configs: Iterable[CargoConfig], root: str) -> str:
    """Return the path of the lock file of the workspace in the folder `root`; the nearest configuration counts."""
    named = (config.lock_path() for config in configs)
    return next((path for path in named if path is not None), f"{root}/Cargo.lock")


def read_configs(tree: Tree, folder: str) -> list[CargoConfig]:
    """Read the configuration files cargo finds from `folder` up to the boundary, the nearest first."""
    found: list[CargoConfig] = []
    while contains(tree.boundary, folder):
        for name in ("config", "config.toml"):
            path = f"{folder}/.cargo/{name}"
            if tree.kind(path) == "file":
                found += _read(tree, path, set())
                break
        if folder == tree.boundary:
            break
        folder = posixpath.dirname(folder)
    return found


def _read(tree: Tree, path: str, seen: set[str]) -> list[CargoConfig]:
    if path in seen:
        return []
    seen.add(path)
    document = read_manifest(tree, path).document
    config = CargoConfig(path, {key: document[key] for key in sorted(document) if key not in _IRRELEVANT})
    found = [config]
    for included in _included(document):
        other = posixpath.normpath(posixpath.join(posixpath.dirname(path), included))
        if tree.kind(other) == "file":
            found += _read(tree, other, seen)
    return found


def _included(document: Table) -> list[str]:
    value = document.get("include")
    if isinstance(value, str):
        return [value]
    named = [string(item.get("path")) for item in tables(value)]
    return [*strings(array(value)), *(path for path in named if path is not None)]
