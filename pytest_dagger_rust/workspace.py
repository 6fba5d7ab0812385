"""The model of a Cargo workspace: its packages and their targets, as cargo sees them.

Reading is pure: manifests in, model out. cargo is not called, and no file outside the boundary is read.
"""

from __future__ import annotations

import os
import posixpath
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dagger_rust.errors import WorkspaceError
from pytest_dagger_rust.manifests.boundary import Tree, contains, included
from pytest_dagger_rust.manifests.cargo_config import LOCK_VARIABLE, lock_path, read_configs
from pytest_dagger_rust.manifests.checks import rules
from pytest_dagger_rust.manifests.crate_attributes import lacks_std_or_main
from pytest_dagger_rust.manifests.local_packages import Local, check_graph, reachable, stubbed
from pytest_dagger_rust.manifests.lockfile import Lock
from pytest_dagger_rust.manifests.manifest import read_manifest
from pytest_dagger_rust.manifests.members import Members
from pytest_dagger_rust.manifests.packages import Package, Target
from pytest_dagger_rust.manifests.patches import local_patches
from pytest_dagger_rust.manifests.reader import Manifests
from pytest_dagger_rust.manifests.targets import Discovery
from pytest_dagger_rust.manifests.toml_values import string
from pytest_dagger_rust.manifests.toolchain import read_toolchain
from pytest_dagger_rust.skeleton.skeleton import Plan, Skeleton, make_skeleton

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_dagger_rust.manifests.manifest import Manifest
    from pytest_dagger_rust.manifests.toolchain import Toolchain

__all__ = ["Package", "RustWorkspace", "Skeleton", "Target"]


@dataclass(frozen=True, slots=True)
class RustWorkspace:
    """A Cargo workspace, or a single package, which cargo treats as a workspace of one.

    `packages` are the members. `local_packages` are packages in the repository that are no members, reached by path,
    `[patch]` or `[replace]`. `default_members` are what cargo builds if no package is named. `lock` is the text of
    `Cargo.lock`, None if there is none. `toolchain` is the channel that `rust-toolchain.toml` names. `includes` are
    files and folders beside the root that builds get, too. Nothing outside the folder `boundary` is read.
    """

    root: Path
    boundary: Path
    packages: tuple[Package, ...]
    local_packages: tuple[Package, ...]
    default_members: tuple[Package, ...]
    lock: str | None
    toolchain: str | None
    _plan: Plan = field(repr=False, compare=False)
    includes: tuple[str, ...] = ()

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        boundary: str | os.PathLike[str] | None = None,
        project: str | os.PathLike[str] | None = None,
    ) -> RustWorkspace:
        """Read the workspace that the package or workspace at `path` belongs to.

        `path` is a folder or a Cargo.toml. `boundary` is the folder that holds everything the workspace may
        read: by default the enclosing git repository; if there is none, the folder `project` if the workspace's
        root is in it; otherwise the root. Raises WorkspaceError with file and line if cargo would reject the
        workspace, or if it leads out of the boundary.
        """
        return _Loader(os.fspath(path), boundary, project).load()

    def including(self, paths: Iterable[str]) -> RustWorkspace:
        """Return the workspace with files and folders beside it that builds get, too, in the same relative place.

        The paths are relative to the root, such as "../proto".

        Raises ConfigurationError for a path that is not there, and for one outside the boundary.
        """
        return replace(self, includes=(*self.includes, *included(self.root, self.boundary, paths)))

    def package(self, name: str) -> Package:
        """Return the member named `name`; raise KeyError if there is none."""
        for package in self.packages:
            if package.name == name:
                return package
        raise KeyError(name)

    @property
    def toolchain_file(self) -> Toolchain:
        """What the toolchain file says that counts for the workspace; it is empty where there is none."""
        return self._plan.toolchain

    @property
    def lock_file(self) -> Path:
        """The path of Cargo.lock, which cargo's configuration may put elsewhere than into the root."""
        return Path(self._plan.lock_path)

    def with_variables(self, variables: Mapping[str, str]) -> RustWorkspace:
        """Return the workspace as cargo sees it with these variables set: one of them names another lock file."""
        path = variables.get(LOCK_VARIABLE)
        if path is None:
            return self
        # As for cargo, a relative path begins where it is called.
        absolute = posixpath.normpath(posixpath.join(self._plan.root.directory, path))
        plan = replace(self._plan, lock_path=absolute)
        return replace(self, lock=_lock_text(plan), _plan=plan)

    def skeleton(self, lock: str | None = None) -> Skeleton:
        """Return the skeleton that its dependencies are compiled from.

        `lock` is the text of a generated Cargo.lock, for a workspace that has none of its own.
        """
        text = self.lock if lock is None else lock
        parsed = None if text is None else Lock(text, self.lock_file)
        stubs = stubbed(self._plan.packages_by_path, self._needed_outside(parsed))
        packages_by_path = {
            path: replace(item, is_stub=path in stubs) for path, item in self._plan.packages_by_path.items()
        }
        return make_skeleton(replace(self._plan, packages_by_path=packages_by_path), parsed)

    def _needed_outside(self, lock: Lock | None) -> list[str]:
        """Return the local packages that packages from elsewhere may depend on, through `[patch]`."""
        if lock is None:
            return [f"{patch.folder}/Cargo.toml" for patch in self._plan.patches]
        replaced = {f"{patch.folder}/Cargo.toml" for patch in self._plan.patches if patch.source is None}
        needed = lock.needed_by_others()
        named = [path for path, item in self._plan.packages_by_path.items() if item.package.name in needed]
        return [*named, *replaced]


class _Loader:
    """One reading of a workspace."""

    def __init__(
        self, path: str, boundary: str | os.PathLike[str] | None, project: str | os.PathLike[str] | None
    ) -> None:
        self._start = _manifest_path(path)
        self._project = None if project is None else posixpath.realpath(project)
        outer = _boundary(self._start) if boundary is None else posixpath.realpath(boundary)
        self._is_bounded = outer is not None
        self._tree = Tree(outer or "/")
        self._manifests = Manifests(self._tree)

    def load(self) -> RustWorkspace:
        """Read the root, then everything below it."""
        self._tree.require(self._start)
        start = self._manifests.read(self._start)
        root = self._manifests.find_root(self._start) or self._start
        if not self._is_bounded:
            folder = posixpath.dirname(root)
            has_root = self._project is not None and contains(self._project, folder)
            self._tree.boundary = self._project if self._project and has_root else folder
            self._tree.forget()
        members = Members(self._manifests, root)
        paths = members.find()
        if start.path not in paths and start.path != root:
            hint = f"Add it to `members` or `exclude` in {root}, or give it an empty [workspace] table."
            raise start.error(
                "the package believes it is in a workspace when it is not", "package", hint=hint
            )
        if not paths:
            hint = "Name the folders of its packages in `members`."
            raise start.error("the workspace has no members", "workspace", "members", hint=hint)
        plan = self._plan(self._manifests.read(root), paths, members.default(start.path, paths))
        return self._workspace(plan)

    def _plan(self, root: Manifest, members: list[str], default: list[str]) -> Plan:
        configs = tuple(read_configs(self._tree, root.directory))
        patches = local_patches(root, configs)
        others = reachable(self._manifests, members, root, patches)
        packages_by_path = {
            **{path: self._local(path, root, is_member=True) for path in members},
            **{path: self._local(path, root, is_member=False) for path in others},
        }
        check_graph(packages_by_path)
        return Plan(
            tree=self._tree,
            root=root,
            packages_by_path=packages_by_path,
            default=tuple(packages_by_path[path].package for path in default if path in packages_by_path),
            patches=patches,
            configs=configs,
            toolchain=read_toolchain(self._tree, root.directory),
            lock_path=lock_path(configs, root.directory),
        )

    def _local(self, path: str, root: Manifest, *, is_member: bool) -> Local:
        manifest = self._manifests.resolved(path)
        package = read_package(self._tree, manifest, root.directory, is_member=is_member)
        rules.check_default_run(manifest, package)
        return Local(
            package,
            manifest,
            self._manifests.dependencies(path),
            is_member,
            needs_no_std_stub=any(self._needs_no_std_stub(target, root) for target in package.targets),
        )

    def _needs_no_std_stub(self, target: Target, root: Manifest) -> bool:
        # A library for Rust programs is never linked, and its stub is without std whatever the real one is.
        if target.crate_types in {("lib",), ("rlib",), ("proc-macro",)} or target.kind not in {"lib", "bin"}:
            return False
        path = posixpath.normpath(f"{root.directory}/{target.src_path}")
        return self._tree.kind(path) == "file" and lacks_std_or_main(
            self._tree.read(path).decode("utf-8", "replace")
        )

    def _workspace(self, plan: Plan) -> RustWorkspace:
        return RustWorkspace(
            root=Path(plan.root.directory),
            boundary=Path(self._tree.boundary),
            packages=plan.members,
            local_packages=tuple(
                item.package for item in plan.packages_by_path.values() if not item.is_member
            ),
            default_members=plan.default,
            lock=_lock_text(plan),
            toolchain=plan.toolchain.channel,
            _plan=plan,
        )


def _lock_text(plan: Plan) -> str | None:
    has_lock = plan.tree.kind(plan.lock_path) is not None
    return read_manifest(plan.tree, plan.lock_path).text if has_lock else None


def read_package(tree: Tree, manifest: Manifest, root: str, *, is_member: bool) -> Package:
    """Make the model of one package from its manifest without inheritance; paths are relative to `root`."""
    package = manifest.package
    edition = string(package.get("edition")) or "2015"
    prefix = posixpath.relpath(manifest.directory, root)
    return Package(
        name=manifest.name,
        version=string(package.get("version")) or "0.0.0",
        manifest_path=posixpath.normpath(f"{prefix}/Cargo.toml"),
        targets=Discovery(tree, manifest, edition, is_member=is_member).targets(prefix),
        edition=edition,
        default_run=string(package.get("default-run")),
    )


def _manifest_path(path: str) -> str:
    real = posixpath.realpath(path)
    if posixpath.isdir(real) and posixpath.basename(real) != "Cargo.toml":
        real = f"{real}/Cargo.toml"
    if not posixpath.lexists(real):
        hint = "Name the folder of a Cargo package or workspace."
        raise missing_manifest(Path(real.removesuffix("/Cargo.toml")), hint)
    return real


def missing_manifest(folder: Path, hint: str) -> WorkspaceError:
    """Return the error for a folder without a Cargo.toml, with the nearest ones below it."""
    found = [
        path.parent.relative_to(folder)
        for level in ("*", "*/*")
        for path in folder.glob(f"{level}/Cargo.toml")
    ]
    shown = [path.as_posix() for path in found if not any(_is_no_source(part) for part in path.parts)]
    near = f"There is one in {', '.join(sorted(shown, key=_by_depth)[:3])}. " if shown else ""
    return WorkspaceError("there is no Cargo.toml here", file=folder, hint=near + hint)


def _is_no_source(folder: str) -> bool:
    return folder.startswith(".") or folder in {"target", "node_modules"}


def _by_depth(folder: str) -> tuple[int, str]:
    return folder.count("/"), folder


def _boundary(manifest: str) -> str | None:
    folder = posixpath.dirname(manifest)
    while True:
        if posixpath.lexists(f"{folder}/.git"):
            return folder
        if folder == posixpath.dirname(folder):
            return None
        folder = posixpath.dirname(folder)
