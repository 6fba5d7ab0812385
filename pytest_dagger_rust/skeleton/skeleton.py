"""Makes the skeleton of a workspace: the smallest tree that cargo compiles the same dependencies from.

The skeleton is canonical. The targets in it do not bear the names of the real ones, and each package gets the same
few, whatever it has: a library, which also gets everything compiled that binaries need and links nothing, a binary,
and an example, which gets the development dependencies compiled. So adding, renaming or moving a target changes
nothing in it, and no stub can ever lie where a real artifact belongs. The price is that cargo's flags must be
translated: a dependency build uses the flags that `Skeleton.selection` returns, never those of the real build.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import tomli_w

from pytest_dagger_rust.manifests.lockfile import STUB_VERSION
from pytest_dagger_rust.manifests.patches import Patches
from pytest_dagger_rust.skeleton import selection, stubs
from pytest_dagger_rust.skeleton.masking import (
    Masks,
    artifacts_of,
    asks_for_abort,
    asks_for_lto,
    member_patterns,
    resolver_of,
    root_tables,
)
from pytest_dagger_rust.skeleton.real_sources import content_digest, files_below
from pytest_dagger_rust.skeleton.stubs import STUB_MARKER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_dagger_rust.manifests.boundary import Tree
    from pytest_dagger_rust.manifests.cargo_config import CargoConfig
    from pytest_dagger_rust.manifests.local_packages import Local
    from pytest_dagger_rust.manifests.lockfile import Lock
    from pytest_dagger_rust.manifests.manifest import Manifest
    from pytest_dagger_rust.manifests.packages import Package
    from pytest_dagger_rust.manifests.patches import Patch
    from pytest_dagger_rust.manifests.toml_values import Table
    from pytest_dagger_rust.manifests.toolchain import Toolchain
    from pytest_dagger_rust.skeleton.selection import Selection


__all__ = ["STUB_MARKER", "STUB_VERSION", "Plan", "Skeleton", "make_skeleton"]


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The files a dependency build is made from.

    `files` has the text of each generated file by its path, relative to the workspace's root; `sources` are
    the files to copy as they are, likewise. `digest` changes exactly when dependencies must be compiled
    again. `has_dependencies` is False where nothing is compiled but stubs.
    """

    files: Mapping[str, str]
    sources: tuple[str, ...]
    digest: str
    has_dependencies: bool
    _members: tuple[Package, ...] = field(repr=False, compare=False)
    _default: tuple[Package, ...] = field(repr=False, compare=False)
    _bare: frozenset[str] = field(repr=False, compare=False)
    _specs: Mapping[str, str] = field(repr=False, compare=False)
    _has_abort: bool = field(repr=False, compare=False)

    def selection(self, wanted: Selection, *, tests: bool = False) -> tuple[str, ...]:
        """Translate what a real `cargo build` selects into the flags for this skeleton.

        Features, profile and target are the same flags for both builds. With `tests`, the packages' tests are
        what is built. Raises WorkspaceError for a target that is not there, naming those that are.
        """
        return selection.translate(wanted, self._members, self._default, self._bare, self._specs, tests=tests)

    def command(self, wanted: Selection, *, tests: bool = False) -> tuple[str, ...]:
        """Return cargo's subcommand and the flags that select targets of this skeleton."""
        if not (tests and self._has_abort):
            return ("build", *self.selection(wanted, tests=tests))
        # Panics unwind in tests and in what they depend on, and abort in the programs that tests run.
        flags = selection.test_flags(wanted, self._members, self._default, self._bare, self._specs)
        return ("test", "--no-run", *flags)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a skeleton is made of: the local packages by manifest path, and all that surrounds them."""

    tree: Tree
    root: Manifest
    packages_by_path: Mapping[str, Local]
    default: tuple[Package, ...]
    patches: tuple[Patch, ...]
    configs: tuple[CargoConfig, ...]
    toolchain: Toolchain
    lock_path: str

    @property
    def members(self) -> tuple[Package, ...]:
        """The workspace's members."""
        return tuple(item.package for item in self.packages_by_path.values() if item.is_member)

    @property
    def stubs(self) -> list[Local]:
        """The packages of which the skeleton has a stub."""
        return [item for item in self.packages_by_path.values() if item.is_stub]

    def relative(self, path: str) -> str:
        """Make an absolute path relative to the workspace's root."""
        return posixpath.relpath(path, self.root.directory)


def make_skeleton(plan: Plan, lock: Lock | None) -> Skeleton:
    """Make the skeleton of a workspace, with what is known of its Cargo.lock."""
    folders = {item.manifest.directory for item in plan.stubs}
    patches = Patches(tuple(patch for patch in plan.patches if patch.source and patch.folder in folders))
    files = dict(sorted(_files(plan, patches, lock).items()))
    bare = frozenset(item.package.name for item in plan.stubs if item.needs_no_std_stub)
    sources = tuple(sorted({plan.relative(path) for path in _sources(plan)} - files.keys()))
    return Skeleton(
        files,
        sources,
        _digest(plan, files, sources),
        _has_dependencies(plan),
        plan.members,
        plan.default,
        bare,
        _specs(plan, lock),
        _has_abort(plan),
    )


def _has_dependencies(plan: Plan) -> bool:
    locals_ = plan.packages_by_path.values()
    return any(not item.is_stub for item in locals_) or any(
        dependency.path is None for item in locals_ for dependency in item.dependencies
    )


def _has_abort(plan: Plan) -> bool:
    return asks_for_abort(plan.root.document, *(item.document for item in plan.configs))


def _specs(plan: Plan, lock: Lock | None) -> dict[str, str]:
    """Return how cargo must be told of members that share their name with a dependency."""
    shared = frozenset[str]() if lock is None else lock.names_from_elsewhere()
    found = [
        item for item in plan.packages_by_path.values() if item.is_member and item.package.name in shared
    ]
    versions = {item.package.name: STUB_VERSION if item.is_stub else item.package.version for item in found}
    return {name: f"{name}@{version}" for name, version in versions.items()}


def _files(plan: Plan, patches: Patches, lock: Lock | None) -> dict[str, str]:
    documents = _manifests(plan, patches, lock)
    documents.update({item.path: patches.without_stubs(item.document) for item in plan.configs})
    if plan.toolchain.path is not None:
        documents[plan.toolchain.path] = {"toolchain": plan.toolchain.table}
    files = {**stubs.SOURCES, **(stubs.TEST_SOURCES if _has_abort(plan) else {})}
    files.update({plan.relative(path): tomli_w.dumps(document) for path, document in documents.items()})
    if lock is not None:
        versions = {item.package.name: item.package.version for item in plan.stubs}
        files[plan.relative(plan.lock_path)] = lock.masked(versions, patches.unused())
    return files


def _manifests(plan: Plan, patches: Patches, lock: Lock | None) -> dict[str, Table]:
    masks = Masks(
        plan.root.directory,
        plan.packages_by_path,
        patches,
        has_lto=asks_for_lto(plan.root.document, *(item.document for item in plan.configs)),
        has_lock=lock is not None,
        has_abort=_has_abort(plan),
        artifacts=artifacts_of(plan.packages_by_path.values()),
    )
    documents = {
        path: masks.manifest_for_stub(path) if item.is_stub else masks.manifest_for_real(path)
        for path, item in plan.packages_by_path.items()
    }
    root = documents.get(plan.root.path, {})
    # Who chooses a resolver in [package] chooses it for the workspace; here it is always said there.
    package = {"package": {k: v for k, v in root["package"].items() if k != "resolver"}} if root else {}
    elsewhere = frozenset[str]() if lock is None else lock.names_from_elsewhere()
    own = frozenset(item.package.name for item in plan.stubs) - elsewhere
    shared = root_tables(plan.root.document, patches, own)
    documents[plan.root.path] = {**root, **package, "workspace": _workspace(plan), **shared}
    return documents


def _workspace(plan: Plan) -> Table:
    members = {
        plan.relative(item.manifest.directory) for item in plan.packages_by_path.values() if item.is_member
    }
    others = {
        plan.relative(item.manifest.directory)
        for item in plan.packages_by_path.values()
        if not item.is_member
    }
    inside = sorted(folder for folder in others if not folder.startswith("../"))
    own = plan.packages_by_path.get(plan.root.path)
    edition = "2015" if own is None else own.package.edition
    workspace: Table = {"members": member_patterns(members - {"."}, inside)}
    if inside:
        workspace["exclude"] = inside
    workspace["resolver"] = resolver_of(plan.root.document, edition, is_virtual=own is None)
    return workspace


def _sources(plan: Plan) -> set[str]:
    found: set[str] = set()
    stub_folders = {item.manifest.directory for item in plan.stubs}
    for item in plan.packages_by_path.values():
        if not item.is_stub:
            found.update(files_below(plan.tree, item.manifest.directory, without=stub_folders))
    for config in plan.configs:
        files = (path for path in config.named_files() if plan.tree.admits(path))
        found.update(path for path in files if plan.tree.kind(path) == "file")
        for folder in config.vendored_folders():
            plan.tree.require(folder, named_by=config.path)
            found.update(files_below(plan.tree, folder))
    return found | set(_toolchain_files(plan))


def _toolchain_files(plan: Plan) -> Iterable[str]:
    """Return the files of a toolchain that lies in the repository; any other is the image's."""
    folder = plan.toolchain.folder
    if folder is None or not plan.tree.admits(folder) or plan.tree.kind(folder) != "folder":
        return ()
    return files_below(plan.tree, folder)


def _digest(plan: Plan, files: Mapping[str, str], sources: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for path, text in files.items():
        digest.update(_line(path, hashlib.sha256(text.encode()).hexdigest()))
    for path in sources:
        absolute = posixpath.normpath(f"{plan.root.directory}/{path}")
        digest.update(_line(path, content_digest(plan.tree, absolute)))
    return digest.hexdigest()


def _line(path: str, content: str) -> bytes:
    # The names of files may have any bytes.
    return os.fsencode(path) + f"\0{content}\n".encode()
