"""Reduces manifests to what the compilation of dependencies depends on."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_dagger_rust.manifests.lockfile import STUB_VERSION
from pytest_dagger_rust.manifests.toml_values import Table, string, strings, table
from pytest_dagger_rust.skeleton import stubs

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_dagger_rust.manifests.dependencies import Dependency
    from pytest_dagger_rust.manifests.local_packages import Local
    from pytest_dagger_rust.manifests.packages import Package
    from pytest_dagger_rust.manifests.patches import Patches

_SWITCHES = ("autobins", "autoexamples", "autotests", "autobenches")
# The targets that no other package can depend on.
_OWN_TARGETS = frozenset({"bin", "example", "test", "bench"})
# What a package says to its own compilation only, or what only the root may say.
_NOT_IN_REAL = frozenset({"workspace", "profile", "patch", "replace", "badges"})


def stub_name(package: str) -> str:
    """Return the name of the stub targets of `package`, which no real target should have."""
    return f"skeleton-{package}"


def has_program(package: Package) -> bool:
    """Return whether `cargo build` makes anything of the package, and so whether its stub has a library."""
    return package.library is not None or bool(package.of_kind("bin"))


@dataclass(frozen=True, slots=True)
class Masks:
    """The masked manifests of one workspace with the packages `packages_by_path`, by absolute manifest path.

    `artifacts` says what others ask of a package, by its folder: "" for its library, and for artifact
    dependencies what they name, as in "bin:name" or "cdylib".
    """

    root: str
    packages_by_path: Mapping[str, Local]
    patches: Patches
    has_lto: bool
    has_lock: bool
    has_abort: bool
    artifacts: Mapping[str, frozenset[str]]

    def manifest_for_stub(self, path: str) -> Table:
        """Make the manifest of the stub of the package at `path`."""
        local = self.packages_by_path[path]
        document: Table = {}
        if unstable := strings(local.manifest.document.get("cargo-features")):
            document["cargo-features"] = sorted(unstable)
        document["package"] = self._package(local)
        document.update(self._targets(local))
        if features := table(local.manifest.document.get("features")):
            document["features"] = {name: sorted(set(strings(features[name]))) for name in sorted(features)}
        document.update(self._dependencies(local))
        return document

    def manifest_for_real(self, path: str) -> Table:
        """Make the manifest of a package that stays real: everything its compilation could look at."""
        local = self.packages_by_path[path]
        document = {key: value for key, value in local.manifest.document.items() if key not in _NOT_IN_REAL}
        for name in ("dependencies", "dev-dependencies", "build-dependencies", "target"):
            document.pop(name, None)
        package = dict(table(document["package"]))
        package.pop("workspace", None)
        if pointer := self._pointer(local):
            package["workspace"] = pointer
        if local.is_member:
            package.update(dict.fromkeys(_SWITCHES, False))
            document = {key: value for key, value in document.items() if key not in _OWN_TARGETS}
            document.update(self._programs(local, frozenset()))
        return _sorted({**document, "package": package, **self._dependencies(local)})

    def _pointer(self, local: Local) -> str | None:
        if not local.is_member or local.manifest.path.startswith(f"{self.root}/"):
            return None
        return posixpath.relpath(self.root, local.manifest.directory)

    def _package(self, local: Local) -> Table:
        package: Table = {"name": local.package.name, "version": STUB_VERSION, "edition": "2018"}
        package["build"] = self._path(local, stubs.SCRIPT) if _needs_script(local) else False
        package.update(dict.fromkeys(_SWITCHES, False))
        # Without a lock file, the versions of dependencies are chosen by what Rust the members want.
        kept = ("default-target", "forced-target", *([] if self.has_lock else ["rust-version"]))
        package.update({key: local.manifest.package[key] for key in kept if key in local.manifest.package})
        if pointer := self._pointer(local):
            package["workspace"] = pointer
        return package

    def _path(self, local: Local, stub: str) -> str:
        if local.package.manifest_path.startswith("../"):
            return posixpath.relpath(f"{self.root}/{stub}", local.manifest.directory)
        return "../" * local.package.manifest_path.count("/") + stub

    def _targets(self, local: Local) -> Table:
        artifacts = self.artifacts.get(local.manifest.directory, frozenset[str]())
        found: Table = {}
        if library := self._library(local, artifacts):
            found["lib"] = library
        return {**found, **self._programs(local, artifacts)}

    def _programs(self, local: Local, artifacts: frozenset[str]) -> Table:
        """Make the targets other than the library, which a member that stays real gets in the place of its own."""
        name = stub_name(local.package.name)
        found: Table = {}
        if has_program(local.package):
            bins = [name, *sorted(item.removeprefix("bin:") for item in artifacts if item.startswith("bin:"))]
            source = self._path(local, stubs.BIN)
            found["bin"] = [{"name": item, "path": source} for item in bins]
        # A library among the examples gets the development dependencies compiled, and links nothing either.
        found["example"] = [{"name": name, "path": self._path(local, stubs.EXAMPLE), "crate-type": ["lib"]}]
        if self.has_abort:
            found["test"] = [{"name": name, "path": self._path(local, stubs.TEST)}]
        return found

    def _library(self, local: Local, artifacts: frozenset[str]) -> Table | None:
        if not has_program(local.package):
            return None
        # A package of binaries only gets a library too: it needs the same dependencies, and is not linked.
        library: Table = {"name": _library_name(local.package.name)}
        real = local.package.library
        kinds = set(real.crate_types) if real is not None else {"lib"}
        if "proc-macro" in kinds:
            return {**library, "path": self._path(local, stubs.MACRO), "proc-macro": True}
        kept = ["lib"] if local.needs_no_std_stub else self._crate_types(local, kinds, artifacts)
        source = stubs.LIBRARY if kept == ["lib"] else stubs.LIBRARY_WITH_STD
        return {**library, "path": self._path(local, source), "crate-type": kept}

    def _crate_types(self, local: Local, kinds: set[str], artifacts: frozenset[str]) -> list[str]:
        asked = artifacts & {"cdylib", "staticlib"}
        found = {"lib" if kind == "rlib" else kind for kind in kinds}
        if "dylib" in found and local.package.of_kind("bin"):
            # Beside it, the binaries need dependencies as a library for Rust does.
            found.add("lib")
        # What a library is linked into matters to dependencies with link-time optimisation only, and then
        # only for a library of several kinds, or of the kind that is loaded by Rust programs.
        matters = self.has_lto and (len(found) > 1 or "dylib" in found)
        return sorted(found | asked) if matters or asked else ["lib"]

    def _dependencies(self, local: Local) -> Table:
        found: Table = {}
        for dependency in sorted(
            local.needed, key=lambda item: (item.platform or "", item.table_name, item.key)
        ):
            holder = found
            if dependency.platform is not None:
                holder = found.setdefault("target", {}).setdefault(dependency.platform, {})
            holder.setdefault(dependency.table_name, {})[dependency.key] = self._dependency(dependency, local)
        return found

    def _dependency(self, dependency: Dependency, local: Local) -> Table:
        spec = dict(dependency.spec)
        folder = dependency.path or self.patches.stub_folder(dependency)
        if folder is not None:
            # The version of a local package is its own affair: it may change without anything being compiled.
            for key in ("version", "registry", "registry-index", "git", "branch", "tag", "rev"):
                spec.pop(key, None)
            spec["path"] = posixpath.relpath(folder, local.manifest.directory)
        return _canonical(spec)


def _library_name(package: str) -> str:
    # rustc takes only ASCII for the name of a library, cargo takes any letters for that of a package.
    letters = (letter if letter.isascii() else f"u{ord(letter):x}" for letter in stub_name(package))
    return "".join(letters).replace("-", "_")


def artifacts_of(packages_by_path: Iterable[Local]) -> dict[str, frozenset[str]]:
    """Collect what artifact dependencies ask of local packages, for `Masks`."""
    found: dict[str, set[str]] = {}
    for item in packages_by_path:
        for dependency in item.dependencies:
            if dependency.path is not None and "artifact" in dependency.spec:
                asked = dependency.spec["artifact"]
                found.setdefault(dependency.path, set()).update(strings([asked]) or strings(asked))
    return {folder: frozenset(names) for folder, names in found.items()}


def _canonical(spec: Table) -> Table:
    masked = {key: spec[key] for key in sorted(spec)}
    if "features" in masked:
        masked["features"] = sorted(set(strings(masked["features"])))
    defaults: Table = {"features": [], "default-features": True, "optional": False}
    return {key: value for key, value in masked.items() if key not in defaults or value != defaults[key]}


def _needs_script(local: Local) -> bool:
    if not local.package.of_kind("custom-build"):
        return False
    return any(item.table_name == "build-dependencies" for item in local.dependencies)


def root_tables(root: Table, patches: Patches, own: frozenset[str]) -> Table:
    """Make what the root says of all dependencies; `own` are the names that only stubbed packages have."""
    found: Table = {}
    profiles = {name: _profile(table(profile), own) for name, profile in table(root.get("profile")).items()}
    if profiles:
        found["profile"] = _sorted(profiles)
    kept = patches.kept(table(root.get("patch")))
    if kept:
        found["patch"] = _sorted(kept)
    if table(root.get("replace")):
        found["replace"] = _sorted(table(root["replace"]))
    return found


def _profile(profile: Table, own: frozenset[str]) -> Table:
    overrides = table(profile.get("package"))
    # Settings for own packages reach no dependency.
    kept = {spec: value for spec, value in overrides.items() if _bare_name(spec) not in own}
    rest = {key: value for key, value in profile.items() if key != "package"}
    return {**rest, "package": kept} if kept else rest


def _bare_name(spec: str) -> str:
    return spec.partition("@")[0].partition(":")[0]


def member_patterns(members: Iterable[str], excluded: Iterable[str]) -> list[str]:
    """Return what to write into `members`, so that the folders in `excluded` can be below those of members.

    cargo lets an entry of `members` outweigh `exclude` for everything below it, unless it is a pattern.
    """
    above = {folder for folder in members if any(other.startswith(f"{folder}/") for other in excluded)}
    return sorted(_as_pattern(folder) if folder in above else folder for folder in members)


def _as_pattern(folder: str) -> str:
    parent, slash, name = folder.rpartition("/")
    return f"{parent}{slash}[{name[0]}]{name[1:]}"


def resolver_of(root: Table, edition: str, *, is_virtual: bool) -> str:
    """Return the version of cargo's resolver that the root chooses, by itself or by its edition."""
    said = table(root.get("workspace")).get("resolver") or table(root.get("package")).get("resolver")
    if (chosen := string(said)) is not None:
        return chosen
    if is_virtual:
        return "1"
    return {"2015": "1", "2018": "1", "2021": "2"}.get(edition, "3")


def asks_for_lto(*documents: Table) -> bool:
    """Return whether any profile in manifests or configuration asks for link-time optimisation."""
    profiles = [table(item) for document in documents for item in table(document.get("profile")).values()]
    return any(profile.get("lto", False) not in {False, "off"} for profile in profiles)


def asks_for_abort(*documents: Table) -> bool:
    """Return whether any profile in manifests or configuration asks for panics that abort."""
    profiles = [table(item) for document in documents for item in table(document.get("profile")).values()]
    return any(profile.get("panic") == "abort" for profile in profiles)


def _sorted(value: Table) -> Table:
    return {
        key: _sorted(table(item)) if isinstance(item, dict) else item for key, item in sorted(value.items())
    }
