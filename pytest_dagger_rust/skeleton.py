"""Makes the skeleton of a workspace: the smallest tree that cargo compiles the same dependencies from.

The skeleton is canonical. The targets in it do not bear the names of the real ones, and each package gets the same
few, whatever it has: a library (which also gets everything compiled that binaries need, and links nothing), one
binary, example, test and benchmark. So adding, renaming or moving a target changes nothing in it, and no stub can
ever lie where a real artifact belongs. The price is that cargo's flags must be translated: a dependency build uses
the flags that `Skeleton.selection` returns, never those of the real build.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import tomli_w

from pytest_dagger_rust import selection, stubs
from pytest_dagger_rust.cargo_config import CargoConfig, read_configs
from pytest_dagger_rust.masking import Masks, has_lto, real_manifest, resolver_of, root_tables
from pytest_dagger_rust.sources import content_digest, files_below
from pytest_dagger_rust.toolchain import read_toolchain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_dagger_rust.local import Local
    from pytest_dagger_rust.lockfile import Lock
    from pytest_dagger_rust.membership import Manifests
    from pytest_dagger_rust.packages import Package
    from pytest_dagger_rust.toml_values import Table
    from pytest_dagger_rust.tree import Tree


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The files a dependency build is made from.

    `files` has the text of each generated file by its path, relative to the workspace's root; `sources` are the
    files to copy as they are, likewise. `digest` changes exactly when dependencies must be compiled again.
    """

    files: Mapping[str, str]
    sources: tuple[str, ...]
    digest: str
    _members: tuple[Package, ...] = field(repr=False, compare=False)
    _default: tuple[Package, ...] = field(repr=False, compare=False)

    def selection(
        self,
        packages: Sequence[str] = (),
        bins: Sequence[str] = (),
        examples: Sequence[str] = (),
        tests: Sequence[str] = (),
        benches: Sequence[str] = (),
        *,
        workspace: bool = False,
        exclude: Sequence[str] = (),
        all_targets: bool = False,
    ) -> tuple[str, ...]:
        """Translate what a real `cargo build` selects into the flags for this skeleton.

        The arguments mean what cargo's flags `--package`, `--bin`, `--example`, `--test`, `--bench`, `--workspace`,
        `--exclude` and `--all-targets` mean, patterns included; features, profile and target are the same flags for
        both builds. Raises WorkspaceError for a package or target that is not there, with those that are.
        """
        wanted = selection.Wanted(
            tuple(packages), tuple(bins), tuple(examples), tuple(tests), tuple(benches),
            workspace=workspace, exclude=tuple(exclude), all_targets=all_targets,
        )  # fmt: skip
        return selection.translate(wanted, self._members, self._default)


def make_skeleton(
    manifests: Manifests,
    root: str,
    locals_: Mapping[str, Local],
    default: tuple[Package, ...],
    lock: Lock | None,
) -> Skeleton:
    """Make the skeleton of the workspace at the absolute folder `root`."""
    return _Maker(manifests, root, locals_, default, lock).make()


class _Maker:
    def __init__(
        self,
        manifests: Manifests,
        root: str,
        locals_: Mapping[str, Local],
        default: tuple[Package, ...],
        lock: Lock | None,
    ) -> None:
        self._tree: Tree = manifests.tree
        self._manifest = manifests.read(f"{root}/Cargo.toml")
        self._root = root
        self._locals = locals_
        self._default = default
        self._lock = lock
        self._configs = read_configs(self._tree, root)
        configured = [item.document for item in self._configs]
        self._masks = Masks(root, locals_, has_lto(self._manifest.document, *configured))

    def make(self) -> Skeleton:
        files = dict(sorted(self._files().items()))
        sources = tuple(sorted({self._relative(path) for path in self._sources()} - files.keys()))
        members = tuple(item.package for item in self._locals.values() if item.is_member)
        return Skeleton(files, sources, self._digest(files, sources), members, self._default)

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self._root)

    def _files(self) -> dict[str, str]:
        files = {name: text for name, text in stubs.SOURCES.items()}
        documents = {path: self._document(path, item) for path, item in self._locals.items()}
        root_path = f"{self._root}/Cargo.toml"
        documents[root_path] = {**documents.get(root_path, {}), **self._root_tables()}
        files.update({self._relative(path): tomli_w.dumps(document) for path, document in documents.items()})
        if self._lock is not None:
            files["Cargo.lock"] = self._lock.masked(self._stub_versions())
        files.update({self._relative(item.path): tomli_w.dumps(item.document) for item in self._configs})
        toolchain = read_toolchain(self._tree, self._root)
        if toolchain.path is not None and toolchain.table is not None:
            files[self._relative(toolchain.path)] = tomli_w.dumps({"toolchain": toolchain.table})
        return files

    def _document(self, path: str, local: Local) -> Table:
        return self._masks.stub(path) if local.is_stub else real_manifest(local, self._root)

    def _stub_versions(self) -> dict[str, str]:
        return {item.package.name: item.package.version for item in self._locals.values() if item.is_stub}

    def _root_tables(self) -> Table:
        own = self._locals.get(self._manifest.path)
        edition = own.package.edition if own is not None else "2015"
        resolver = resolver_of(self._manifest.document, edition, is_virtual=self._manifest.is_virtual)
        tables = root_tables(self._manifest.document, resolver, frozenset(self._stub_versions()))
        folders = {True: [], False: []}
        for path, item in self._locals.items():
            folder = self._relative(os.path.dirname(path))
            if folder != ".":
                folders[item.is_member].append(folder)
        tables["workspace"]["members"] = sorted(folders[True])
        inside = sorted(folder for folder in folders[False] if not folder.startswith("../"))
        if inside:
            tables["workspace"]["exclude"] = inside
        return tables

    def _sources(self) -> set[str]:
        found: set[str] = set()
        stub_folders = {os.path.dirname(path) for path, item in self._locals.items() if item.is_stub}
        for path, item in self._locals.items():
            if not item.is_stub:
                folder = os.path.dirname(path)
                found.update(files_below(self._tree, folder, without=stub_folders - {folder}))
        for config in self._configs:
            found.update(self._named_by(config))
        return found

    def _named_by(self, config: CargoConfig) -> set[str]:
        found = {
            path
            for path in config.named_files()
            if self._tree.admits(path) and self._tree.kind(path) == "file"
        }
        for folder in config.vendored_folders():
            self._tree.require(folder, named_by=config.path)
            found.update(files_below(self._tree, folder))
        return found

    def _digest(self, files: Mapping[str, str], sources: tuple[str, ...]) -> str:
        digest = hashlib.sha256()
        for path, text in files.items():
            digest.update(f"{path}\0{hashlib.sha256(text.encode()).hexdigest()}\n".encode())
        for path in sources:
            content = content_digest(self._tree, os.path.normpath(f"{self._root}/{path}"))
            digest.update(f"{path}\0{content}\n".encode())
        return digest.hexdigest()
