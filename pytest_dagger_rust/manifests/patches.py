"""Finds the packages that `[patch]` and `[replace]` replace by local ones."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_dagger_rust.manifests.toml_values import Table, string, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_dagger_rust.manifests.cargo_config import CargoConfig
    from pytest_dagger_rust.manifests.dependencies import Dependency
    from pytest_dagger_rust.manifests.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Patch:
    """One local replacement: `folder` for the package `name` of `source`, as said at `keys` in a file.

    `source` is "crates-io", a registry's name or a URL. For `[replace]` and for overrides by `paths` it is None, and
    `name` empty.
    """

    source: str | None
    name: str
    folder: str
    keys: tuple[str, ...]


def local_patches(root: Manifest, configs: Iterable[CargoConfig]) -> tuple[Patch, ...]:
    """Return all local replacements that the root's manifest and cargo's configuration ask for."""
    found = [*_patches(root.document, root.directory), *_replacements(root)]
    for config in configs:
        found += _patches(config.document, config.base)
        found += [Patch(None, "", folder, ("paths",)) for folder in config.overrides()]
    return tuple(found)


def _patches(document: Table, base: str) -> Iterator[Patch]:
    for source, entries in table(document.get("patch")).items():
        for key, spec in table(entries).items():
            path = string(table(spec).get("path"))
            if path is not None:
                name = string(table(spec).get("package")) or key
                yield Patch(source, name, _join(base, path), ("patch", source, key))


def _replacements(root: Manifest) -> Iterator[Patch]:
    for spec, replacement in table(root.document.get("replace")).items():
        path = string(table(replacement).get("path"))
        if path is not None:
            yield Patch(None, "", _join(root.directory, path), ("replace", spec))


def _join(base: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(base, path))


@dataclass(frozen=True, slots=True)
class Patches:
    """The replacements by stubs, which the skeleton writes as path dependencies instead.

    A stub has another version than the real package, so a patch with it would fit no requirement.
    """

    with_stubs: tuple[Patch, ...] = ()

    def stub_folder(self, dependency: Dependency) -> str | None:
        """Return the folder of the stub that takes the place of `dependency`, if one does."""
        for patch in self.with_stubs:
            if patch.name == dependency.package and _is_source(patch.source, dependency.spec):
                return patch.folder
        return None

    def without_stubs(self, document: Table) -> Table:
        """Return a document of cargo's configuration without the patches that lead to stubs."""
        if "patch" not in document or not self.with_stubs:
            return document
        return {**document, "patch": self.kept(table(document["patch"]))}

    def kept(self, tables: Table) -> Table:
        """Return the `[patch]` tables without the entries that lead to stubs."""
        dropped = {patch.keys for patch in self.with_stubs}
        kept = {
            source: {
                key: spec for key, spec in table(entries).items() if ("patch", source, key) not in dropped
            }
            for source, entries in tables.items()
        }
        return {source: entries for source, entries in kept.items() if entries}

    def unused(self) -> frozenset[str]:
        """Return the names of the packages in whose place a stub stands."""
        return frozenset(patch.name for patch in self.with_stubs)


def _is_source(source: str | None, spec: Table) -> bool:
    if source is None or "path" in spec:
        return False
    if source == "crates-io":
        return not {"git", "registry", "registry-index"}.intersection(spec)
    places = (spec.get("git"), spec.get("registry"), spec.get("registry-index"))
    return any(_plain(place) == _plain(source) for place in places if isinstance(place, str))


def _plain(url: str) -> str:
    # cargo too takes these spellings of a URL for the same repository.
    return url.lower().removeprefix("sparse+").removeprefix("registry+").rstrip("/").removesuffix(".git")
