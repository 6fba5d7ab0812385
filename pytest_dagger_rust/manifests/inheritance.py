"""Writes out what a manifest inherits from its workspace's root, so that it stands on its own."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from pytest_dagger_rust.manifests.manifest import Manifest
from pytest_dagger_rust.manifests.toml_values import Table, boolean, string, strings, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_dagger_rust.errors import WorkspaceError

DEPENDENCY_TABLES = ("dependencies", "dev-dependencies", "build-dependencies")
_INHERITABLE = frozenset({
    "authors", "categories", "description", "documentation", "edition", "exclude", "homepage", "include",
    "keywords", "license", "license-file", "publish", "readme", "repository", "rust-version", "version",
})  # fmt: skip
_PATHS = ("license-file", "readme")


def resolve(manifest: Manifest, root: Callable[[], Manifest | None]) -> Manifest:
    """Return `manifest` with every `workspace = true` replaced by what `root` says.

    `root` finds the manifest of the workspace's root and is asked only when something is inherited. Raises
    WorkspaceError when there is no root or the root does not say it.
    """
    resolver = _Resolver(manifest, root)
    document = dict(manifest.document)
    if not manifest.is_virtual:
        document.pop("project", None)
        document["package"] = resolver.package()
        document = resolver.holder(document, ())
        if table(document.get("lints")).get("workspace") is True:
            document["lints"] = resolver.lints()
        if "target" in document:
            document["target"] = {
                platform: resolver.holder(table(item), ("target", platform))
                for platform, item in table(document["target"]).items()
            }
    return Manifest(path=manifest.path, text=manifest.text, document=document)


class _Resolver:
    """The resolution of one manifest."""

    def __init__(self, manifest: Manifest, root: Callable[[], Manifest | None]) -> None:
        self._manifest = manifest
        self._find_root = root

    def _workspace(self, *keys: str) -> tuple[Manifest, Table]:
        root = self._find_root()
        if root is None:
            hint = "Write the value out, or make the package a member of a workspace."
            raise self._manifest.error("a value is inherited, but no workspace was found", *keys, hint=hint)
        return root, table(root.document.get("workspace"))

    def _undefined(self, root: Manifest, what: str, *keys: str) -> WorkspaceError:
        message = f"`{what}` is inherited, but not defined in the workspace's root"
        return self._manifest.error(message, *keys, hint=f"Define it in {root.path}, or write the value out.")

    def package(self) -> Table:
        """Return the `[package]` table with its inherited values."""
        package = dict(self._manifest.package)
        for key, value in package.items():
            if key in _INHERITABLE and isinstance(value, dict):
                package[key] = self._field(key)
        return package

    def _field(self, key: str) -> object:
        root, workspace = self._workspace("package", key)
        fields = table(workspace.get("package"))
        if key not in fields:
            raise self._undefined(root, f"workspace.package.{key}", "package", key)
        value = fields[key]
        if key in _PATHS and isinstance(value, str):
            return _relocate(value, root, self._manifest)
        return value

    def lints(self) -> Table:
        """Return the `[lints]` of the workspace; raises WorkspaceError when it has none."""
        root, workspace = self._workspace("lints")
        if "lints" not in workspace:
            raise self._undefined(root, "workspace.lints", "lints")
        if len(table(self._manifest.document["lints"])) > 1:
            hint = "Remove the others, or write all lints out."
            raise self._manifest.error("inherited lints cannot be overridden", "lints", hint=hint)
        return table(workspace["lints"])

    def holder(self, holder: Table, keys: tuple[str, ...]) -> Table:
        """Return a table that has dependency tables with those written out, under their present names."""
        found = dict(holder)
        for name in DEPENDENCY_TABLES:
            old_name = name.replace("-", "_")
            declared = table(holder.get(name, holder.get(old_name)))
            found.pop(old_name, None)
            if declared:
                found[name] = {
                    key: self._dependency(key, spec, (*keys, name, key)) for key, spec in declared.items()
                }
        return found

    def _dependency(self, name: str, spec: object, keys: tuple[str, ...]) -> Table:
        if isinstance(spec, str):
            return {"version": spec}
        own = dict(table(spec))
        if "default_features" in own:
            own.setdefault("default-features", own.pop("default_features"))
        # With any other value, the key is one of those that cargo does not know.
        return self._inherited(name, own, keys) if isinstance(own.get("workspace"), bool) else own

    def _inherited(self, name: str, own: Table, keys: tuple[str, ...]) -> Table:
        if own["workspace"] is not True:
            raise self._manifest.error("`workspace` cannot be false", *keys, hint="Remove the key.")
        root, workspace = self._workspace(*keys)
        shared = table(workspace.get("dependencies"))
        if name not in shared:
            raise self._undefined(root, f"workspace.dependencies.{name}", *keys)
        spec = shared[name]
        merged: Table = {"version": spec} if isinstance(spec, str) else dict(table(spec))
        if "default_features" in merged:
            merged.setdefault("default-features", merged.pop("default_features"))
        path = string(merged.get("path"))
        if path is not None and "base" not in merged:
            merged["path"] = _relocate(path, root, self._manifest)
        if "features" in merged or "features" in own:
            merged["features"] = [
                *strings(merged.get("features")),
                *strings(own.get("features")),
            ]
        if "default-features" in own and self._overrides_default_features(own, merged):
            merged["default-features"] = own["default-features"]
        merged.pop("optional", None)
        merged.update({key: own[key] for key in ("optional", "public") if key in own})
        return merged

    def _overrides_default_features(self, own: Table, shared: Table) -> bool:
        # Before the 2024 edition a member could turn default features on again, but not off. In that edition, cargo
        # either lets it have its way or rejects the manifest, depending on cargo's version.
        is_on_again = own["default-features"] is True and boolean(shared.get("default-features")) is False
        return is_on_again or self.package().get("edition") == "2024"


def _relocate(path: str, root: Manifest, manifest: Manifest) -> str:
    return posixpath.relpath(posixpath.normpath(posixpath.join(root.directory, path)), manifest.directory)
