"""The dependencies that a manifest declares."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_dagger_rust.manifests.inheritance import DEPENDENCY_TABLES
from pytest_dagger_rust.manifests.toml_values import Table, string, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_dagger_rust.manifests.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Dependency:
    """One declared dependency: `key` in `table_name`, for `platform` if it is bound to one.

    `path` is the absolute folder of the package, where it is a local one.
    """

    key: str
    table_name: str
    platform: str | None
    spec: Table
    path: str | None

    @property
    def package(self) -> str:
        """The name of the package, which a renamed dependency has under `package`."""
        return string(self.spec.get("package")) or self.key

    @property
    def manifest(self) -> str | None:
        """The absolute path of a local package's manifest."""
        return None if self.path is None else f"{self.path}/Cargo.toml"

    @property
    def is_development(self) -> bool:
        """Whether only tests, examples and benchmarks need it."""
        return self.table_name == "dev-dependencies"

    @property
    def keys(self) -> tuple[str, ...]:
        """Where the dependency stands in its manifest."""
        place = () if self.platform is None else ("target", self.platform)
        return (*place, self.table_name, self.key)


def declared(manifest: Manifest) -> Iterator[Dependency]:
    """Yield the dependencies of a manifest that no longer inherits anything."""
    yield from _in_tables(manifest, manifest.document, None)
    for platform, holder in table(manifest.document.get("target")).items():
        yield from _in_tables(manifest, table(holder), platform)


def _in_tables(manifest: Manifest, holder: Table, platform: str | None) -> Iterator[Dependency]:
    for name in DEPENDENCY_TABLES:
        for key, spec in table(holder.get(name)).items():
            path = string(table(spec).get("path"))
            folder = None if path is None else posixpath.normpath(posixpath.join(manifest.directory, path))
            yield Dependency(key, name, platform, table(spec), folder)
