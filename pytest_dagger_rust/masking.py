"""Reduces manifests to what the compilation of dependencies depends on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pytest_dagger_rust import stubs
from pytest_dagger_rust.inheritance import DEPENDENCY_TABLES
from pytest_dagger_rust.lockfile import STUB_VERSION
from pytest_dagger_rust.toml_values import Table, array, string, strings, table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_dagger_rust.local import Local

_SWITCHES = ("autobins", "autoexamples", "autotests", "autobenches")
_LINKABLE = frozenset({"lib", "rlib"})


def stub_name(package: str) -> str:
    """The name of the stub targets of `package`: no real target's, so that none can take the other's place."""
    return f"skeleton-{package}"


class Masks:
    """The masked manifests of one workspace; `locals_` are its local packages by absolute manifest path."""

    def __init__(self, root: str, locals_: Mapping[str, Local], has_lto: bool) -> None:
        self._root = root
        self._locals = locals_
        self._has_lto = has_lto
        self._artifacts = _artifacts(locals_)
        self._depended_on = {
            f"{dependency.path}/Cargo.toml" for item in locals_.values() for dependency in item.dependencies
        }

    def stub(self, path: str) -> Table:
        """The manifest of the stub of the package whose manifest is at `path`."""
        local = self._locals[path]
        document: Table = {}
        if features := local.manifest.document.get("cargo-features"):
            document["cargo-features"] = sorted(strings(features))
        document["package"] = self._package(path, local)
        document.update(self._targets(path, local))
        if features := table(local.manifest.document.get("features")):
            document["features"] = {name: sorted(set(strings(features[name]))) for name in sorted(features)}
        document.update(self._dependencies(local))
        return document

    def _package(self, path: str, local: Local) -> Table:
        package: Table = {"name": local.package.name, "version": STUB_VERSION, "edition": "2018"}
        package["build"] = self._path(path, stubs.SCRIPT) if _needs_script(local) else False
        package.update(dict.fromkeys(_SWITCHES, False))
        for key in ("default-target", "forced-target"):
            if key in local.manifest.package:
                package[key] = local.manifest.package[key]
        if not path.startswith(f"{self._root}/"):
            package["workspace"] = os.path.relpath(self._root, os.path.dirname(path))
        return package

    def _path(self, manifest: str, stub: str) -> str:
        return os.path.relpath(f"{self._root}/{stub}", os.path.dirname(manifest))

    def _targets(self, path: str, local: Local) -> Table:
        name = stub_name(local.package.name)
        program: Table = {"name": name, "path": self._path(path, stubs.BIN), "test": False, "bench": False}
        found: Table = {}
        has_bins = bool(local.package.of_kind("bin"))
        if library := self._library(path, local):
            found["lib"] = library
        if has_bins or library:
            found["bin"] = [program, *({**program, "name": item} for item in self._artifact_bins(path))]
        # A library under examples/ gets the development dependencies compiled without linking anything.
        found["example"] = [{"name": name, "path": self._path(path, stubs.EXAMPLE), "crate-type": ["lib"]}]
        found["test"] = [{"name": name, "path": self._path(path, stubs.TEST), "harness": False}]
        found["bench"] = [{"name": name, "path": self._path(path, stubs.BENCH), "harness": False}]
        return found

    def _artifact_bins(self, path: str) -> list[str]:
        asked = self._artifacts.get(path, set())
        return sorted(item.removeprefix("bin:") for item in asked if item.startswith("bin:"))

    def _library(self, path: str, local: Local) -> Table | None:
        real = local.package.library
        if real is None:
            # The binaries of a package need what a library of it would need, and a library is not linked. But
            # whoever depends on a package without a library gets nothing compiled from it.
            if not local.package.of_kind("bin") or path in self._depended_on:
                return None
            kinds = frozenset({"lib"})
        else:
            kinds = frozenset("lib" if kind == "rlib" else kind for kind in real.crate_types)
        library: Table = {"name": stub_name(local.package.name).replace("-", "_")}
        library.update(dict.fromkeys(("test", "doctest", "bench", "doc"), False))
        if "proc-macro" in kinds:
            return {**library, "path": self._path(path, stubs.MACRO), "proc-macro": True}
        kept = self._crate_types(path, kinds)
        source = stubs.LIBRARY if kept == ["lib"] else stubs.LIBRARY_WITH_STD
        return {**library, "path": self._path(path, source), "crate-type": kept}

    def _crate_types(self, path: str, kinds: frozenset[str]) -> list[str]:
        asked = self._artifacts.get(path, set()) & {"cdylib", "staticlib"}
        # Only with link-time optimisation does it matter to dependencies what they are linked into, and then only
        # when it is a library of several kinds or one for Rust programs to load.
        matters = (self._has_lto and len(kinds) > 1) or kinds == {"dylib"}
        if asked or (matters and self._has_lto):
            return sorted(kinds | asked)
        return ["lib"]

    def _dependencies(self, local: Local) -> Table:
        found: Table = {}
        for dependency in sorted(local.dependencies, key=lambda item: (item.platform or "", item.keys)):
            holder = found
            if dependency.platform is not None:
                holder = found.setdefault("target", {}).setdefault(dependency.platform, {})
            spec = self.dependency(dependency.spec, dependency.path, local)
            holder.setdefault(dependency.table_name, {})[dependency.key] = spec
        return found

    def dependency(self, spec: Table, path: str | None, local: Local) -> Table:
        """One dependency in canonical form; on a local package without a version."""
        masked: Table = {}
        for key in sorted(spec):
            value = spec[key]
            if key == "features":
                value = sorted(set(strings(value)))
                if not value:
                    continue
            if (key == "version" and path is not None) or value is (key == "default-features"):
                continue
            if key == "optional" and value is False:
                continue
            masked[key] = value
        if path is not None:
            masked["path"] = os.path.relpath(path, local.manifest.directory)
        return masked


def _needs_script(local: Local) -> bool:
    if not local.package.of_kind("custom-build"):
        return False
    return any(item.table_name == "build-dependencies" for item in local.dependencies)


def _artifacts(locals_: Mapping[str, Local]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in locals_.values():
        for dependency in item.dependencies:
            if dependency.path is not None and "artifact" in dependency.spec:
                asked = dependency.spec["artifact"]
                names = [asked] if isinstance(asked, str) else strings(array(asked))
                found.setdefault(f"{dependency.path}/Cargo.toml", set()).update(names)
    return found


def real_manifest(local: Local, root: str) -> Table:
    """The manifest of a package that stays real: all of it but what only a workspace's root may say."""
    document = {
        key: value
        for key, value in local.manifest.document.items()
        if key not in {"workspace", "profile", "patch", "replace", "badges", "lints"}
    }
    if not local.is_member:
        document.pop("dev-dependencies", None)
    package = dict(table(document["package"]))
    package.pop("workspace", None)
    if local.is_member and not local.manifest.path.startswith(f"{root}/"):
        package["workspace"] = os.path.relpath(root, local.manifest.directory)
    return _sorted({**document, "package": package})


def root_tables(root: Table, resolver: str, own: frozenset[str]) -> Table:
    """What the root's manifest says of all dependencies: resolver, profiles, patches and replacements."""
    found: Table = {"workspace": {"resolver": resolver}}
    for key in ("profile", "patch", "replace"):
        if table(root.get(key)):
            found[key] = _sorted(table(root[key]))
    for profile in table(found.get("profile")).values():
        overrides = table(profile.get("package"))
        for spec in list(overrides):
            # Settings for own packages do not reach any dependency.
            if spec.partition("@")[0].partition(":")[0] in own:
                del overrides[spec]
        if "package" in profile and not overrides:
            del profile["package"]
    return found


def resolver_of(root: Table, edition: str, *, is_virtual: bool) -> str:
    """The version of cargo's resolver that the root's manifest chooses, by itself or by its edition."""
    said = table(root.get("workspace")).get("resolver") or table(root.get("package")).get("resolver")
    if (chosen := string(said)) is not None:
        return chosen
    if is_virtual:
        return "1"
    return {"2015": "1", "2018": "1", "2021": "2"}.get(edition, "3")


def has_lto(*documents: Table) -> bool:
    """Tell whether any profile asks for link-time optimisation."""
    return any(
        table(profile).get("lto", False) not in {False, "off"}
        for document in documents
        for profile in table(document.get("profile")).values()
    )


def _sorted(value: Table) -> Table:
    return {
        key: _sorted(table(item)) if isinstance(item, dict) else item for key, item in sorted(value.items())
    }


__all__ = [
    "DEPENDENCY_TABLES",
    "Masks",
    "has_lto",
    "real_manifest",
    "resolver_of",
    "root_tables",
    "stub_name",
]
