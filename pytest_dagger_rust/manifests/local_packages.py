"""Finds the repository's packages that are no workspace members, and decides which keep their sources."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_dagger_rust.manifests.checks import semver
from pytest_dagger_rust.manifests.toml_values import string

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_dagger_rust.manifests.dependencies import Dependency
    from pytest_dagger_rust.manifests.manifest import Manifest
    from pytest_dagger_rust.manifests.packages import Package
    from pytest_dagger_rust.manifests.patches import Patch
    from pytest_dagger_rust.manifests.reader import Manifests


@dataclass(frozen=True, slots=True)
class Local:
    """A package in the repository: its model, its manifest without inheritance, and its dependencies.

    `is_stub` says that the skeleton holds a stub of it and not its sources; `needs_no_std_stub` that its library or
    one of its binaries has no std or no main function, so that a stub with std could not be linked.
    """

    package: Package
    manifest: Manifest
    dependencies: tuple[Dependency, ...]
    is_member: bool
    needs_no_std_stub: bool = False
    is_stub: bool = True

    @property
    def needed(self) -> tuple[Dependency, ...]:
        """The dependencies that building it needs: development ones count for members only."""
        if self.is_member:
            return self.dependencies
        return tuple(item for item in self.dependencies if not item.is_development)


def reachable(
    manifests: Manifests, members: Iterable[str], root: Manifest, patches: Iterable[Patch]
) -> list[str]:
    """Find the manifests of local packages that are no members, along path dependencies and replacements.

    Raises WorkspaceError for a package that is not there.
    """
    known = set(members)
    steps = [(root, patch.keys, f"{patch.folder}/Cargo.toml") for patch in patches]
    for path in sorted(known):
        steps += _steps(manifests, path, with_development=True)
    found: list[str] = []
    while steps:
        named_by, keys, path = steps.pop()
        if path not in known:
            known.add(path)
            found.append(path)
            _check_package(manifests, named_by, keys, path)
            steps += _steps(manifests, path, with_development=False)
    return sorted(found)


def _steps(
    manifests: Manifests, path: str, *, with_development: bool
) -> list[tuple[Manifest, tuple[str, ...], str]]:
    return [
        (manifests.read(path), item.keys, item.manifest)
        for item in manifests.dependencies(path)
        if item.manifest is not None and (with_development or not item.is_development)
    ]


def _check_package(manifests: Manifests, named_by: Manifest, keys: tuple[str, ...], path: str) -> None:
    if manifests.named(path, named_by, keys).is_virtual:
        message = f"`{posixpath.dirname(path)}` is a workspace without a package"
        raise named_by.error(message, *keys, hint="Name the folder of a package.")


def stubbed(packages_by_path: Mapping[str, Local], needed_outside: Iterable[str]) -> set[str]:
    """Choose the packages to stub, by manifest path.

    Members are stubbed, and other local packages that depend on a stubbed one. What packages from a registry
    or git need (`needed_outside`), and all that needs in turn, cannot be a stub: they would not compile.
    """
    real = _closure(packages_by_path, needed_outside)
    stubs = {path for path, item in packages_by_path.items() if item.is_member and path not in real}
    while True:
        more = {
            path
            for path, item in packages_by_path.items()
            if path not in stubs and path not in real and any(d.manifest in stubs for d in item.needed)
        }
        if not more:
            return stubs
        stubs |= more


def _closure(packages_by_path: Mapping[str, Local], start: Iterable[str]) -> set[str]:
    found: set[str] = set()
    queue = list(start)
    while queue:
        path = queue.pop()
        if path not in found and path in packages_by_path:
            found.add(path)
            dependencies = (item for item in packages_by_path[path].dependencies if not item.is_development)
            queue += [item.manifest for item in dependencies if item.manifest is not None]
    return found


def check_graph(packages_by_path: Mapping[str, Local]) -> None:
    """Raise WorkspaceError for a dependency on another package than is there, and for packages that need each other."""
    for item in packages_by_path.values():
        for dependency in item.needed:
            target = packages_by_path.get(dependency.manifest or "")
            if target is not None:
                _check_is_meant(item, dependency, target.package)
    waiting = _stuck({path: _waits_for(item, packages_by_path) for path, item in packages_by_path.items()})
    if waiting:
        names = ", ".join(sorted(packages_by_path[item].package.name for item in waiting))
        raise packages_by_path[min(waiting)].manifest.error(
            f"these packages depend on each other in a circle: {names}",
            "dependencies",
            hint="Move what they share into a package of its own; development dependencies may stay.",
        )


def _check_is_meant(local: Local, dependency: Dependency, package: Package) -> None:
    if package.name != dependency.package:
        message = f"the package in `{dependency.path}` is named `{package.name}`"
        hint = f'Rename the dependency, or add `package = "{package.name}"`.'
        raise local.manifest.error(message, *dependency.keys, hint=hint)
    requirement = string(dependency.spec.get("version"))
    if requirement is not None and not semver.fits(package.version, requirement):
        message = (
            f"`{package.name}` in `{dependency.path}` has the version {package.version}, not {requirement}"
        )
        hint = "Correct the requirement, or remove it: the path says which package is meant."
        raise local.manifest.error(message, *dependency.keys, hint=hint)


def _stuck(needs: Mapping[str, set[str]]) -> set[str]:
    """Return what is on a circle, or between two: what is left without all that needs or serves nothing."""
    left = _without_ends(needs)
    served: dict[str, set[str]] = {path: set() for path in left}
    for path in left:
        for needed in needs[path] & left:
            served[needed].add(path)
    return _without_ends(served)


def _without_ends(needs: Mapping[str, set[str]]) -> set[str]:
    users: dict[str, list[str]] = {}
    for path, needed in needs.items():
        for other in needed:
            users.setdefault(other, []).append(path)
    open_needs = {path: len(needed) for path, needed in needs.items()}
    ready = [path for path, count in open_needs.items() if count == 0]
    while ready:
        path = ready.pop()
        del open_needs[path]
        for user in users.get(path, ()):
            open_needs[user] -= 1
            if open_needs[user] == 0:
                ready.append(user)
    return set(open_needs)


def _waits_for(item: Local, packages_by_path: Mapping[str, Local]) -> set[str]:
    needed = {d.manifest for d in item.dependencies if d.manifest is not None and not d.is_development}
    return needed & packages_by_path.keys()
