"""Checks a manifest against cargo's rules, beyond the types of its values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_dagger_rust.manifests.checks import editions, features, versions
from pytest_dagger_rust.manifests.toml_values import Table, is_table, string, strings, table, tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_dagger_rust.manifests.dependencies import Dependency
    from pytest_dagger_rust.manifests.manifest import Manifest
    from pytest_dagger_rust.manifests.packages import Package

_RESOLVERS = frozenset({"1", "2", "3"})
_NEEDS_PACKAGE = (
    "lib", "bin", "example", "test", "bench", "dependencies", "dev-dependencies", "dev_dependencies",
    "build-dependencies", "build_dependencies", "features", "target", "badges", "lints",
)  # fmt: skip
_OVERRIDE_LACKS = ("package", "build-override", "panic", "lto", "rpath")
_LINT_TOOLS = frozenset({"cargo", "clippy", "rust", "rustdoc"})


def check_written(manifest: Manifest) -> None:
    """Raise WorkspaceError for a manifest that breaks a rule before anything is inherited."""
    document = manifest.document
    if manifest.is_virtual and "workspace" not in document:
        raise manifest.error("there is neither a [package] nor a [workspace]", hint="Add one of them.")
    if manifest.is_virtual:
        _check_virtual(manifest)
    else:
        _check_named(manifest)
    _check_workspace(manifest)
    _check_profiles(manifest)
    _check_replacements(manifest)
    _check_lints(manifest, table(table(document.get("workspace")).get("lints")), ("workspace", "lints"))


def _check_virtual(manifest: Manifest) -> None:
    for key in _NEEDS_PACKAGE:
        if key in manifest.document:
            hint = "Move it into a member, or add a [package]."
            raise manifest.error(f"a workspace without a package cannot have [{key}]", key, hint=hint)


def _check_named(manifest: Manifest) -> None:
    name = string(manifest.package.get("name"))
    if name is None:
        raise manifest.error("the package has no name", "package", hint="Add `name` to [package].")
    if not versions.is_package_name(name):
        hint = "Use letters, digits, `-` and `_`, and no digit first."
        raise manifest.error(f"`{name}` cannot be the name of a package", "package", "name", hint=hint)
    if "workspace" in manifest.package and "workspace" in manifest.document:
        message = "a package cannot be a workspace's root and name another root"
        raise manifest.error(message, "package", "workspace", hint="Remove one of the two.")
    if "cargo-features" in manifest.package:
        hint = "Move it to the top of the file, above every table."
        raise manifest.error("`cargo-features` is in [package]", "package", "cargo-features", hint=hint)


def _check_workspace(manifest: Manifest) -> None:
    workspace = table(manifest.document.get("workspace"))
    said = [(key, table(manifest.document.get(key)).get("resolver")) for key in ("package", "workspace")]
    chosen = [(key, value) for key, value in said if value is not None]
    if len(chosen) > 1:
        message = "`resolver` is in both [package] and [workspace]"
        raise manifest.error(message, "workspace", "resolver", hint="Remove one of the two.")
    for key, value in chosen:
        if value not in _RESOLVERS:
            hint = 'Choose "1", "2" or "3".'
            raise manifest.error(f"there is no resolver `{value}`", key, "resolver", hint=hint)
    shared = table(workspace.get("package"))
    _check_version(manifest, string(shared.get("version")), "workspace", "package", "version")
    if (said_rust := string(shared.get("rust-version"))) is not None:
        editions.check_rust_version(manifest, said_rust, "workspace", "package", "rust-version")
    for name, spec in table(workspace.get("dependencies")).items():
        for key in ("optional", "public"):
            if table(spec).get(key) is True:
                message = f"`{name}` is {key}, which a dependency of a whole workspace cannot be"
                hint = f"Write `{key}` where a member inherits it."
                raise manifest.error(message, "workspace", "dependencies", name, hint=hint)


def _check_profiles(manifest: Manifest) -> None:
    for name, profile in table(manifest.document.get("profile")).items():
        keys = ("profile", name)
        if not versions.is_profile_name(name):
            raise manifest.error(
                f"`{name}` cannot be the name of a profile", *keys, hint="Choose another name."
            )
        if profile.get("panic", "unwind") not in {"unwind", "abort", "immediate-abort"}:
            message = f"`{profile['panic']}` is no way to panic"
            raise manifest.error(message, *keys, "panic", hint='Choose "unwind" or "abort".')
        if profile.get("lto") in ("true", "false"):
            raise manifest.error("`lto` has a boolean in quotes", *keys, "lto", hint="Remove the quotes.")
        overrides: dict[tuple[str, ...], object] = {("build-override",): profile.get("build-override")}
        overrides.update({("package", spec): item for spec, item in table(profile.get("package")).items()})
        for path, override in overrides.items():
            for key in _OVERRIDE_LACKS:
                if key in table(override):
                    message = f"`{key}` cannot be set for single packages or build scripts"
                    raise manifest.error(message, *keys, *path, key, hint="Set it for the whole profile.")


def _check_replacements(manifest: Manifest) -> None:
    if "patch" in manifest.document and "replace" in manifest.document:
        hint = "Write all of them as [patch]."
        raise manifest.error("[patch] and [replace] cannot be together", "replace", hint=hint)
    for spec, replacement in table(manifest.document.get("replace")).items():
        version = spec.replace("@", ":").rpartition(":")[2]
        if not versions.is_version(version):
            message = f"`{spec}` does not say which version is replaced"
            raise manifest.error(message, "replace", spec, hint='Write it as "name:1.2.3".')
        if not is_table(replacement) or "version" in replacement:
            message = "a replacement cannot have a version requirement"
            raise manifest.error(message, "replace", spec, hint="Give a path or a git repository only.")
        _check_source(manifest, spec, replacement, ("replace", spec))
    for source, entries in table(manifest.document.get("patch")).items():
        if source != "crates-io" and not versions.is_url(source) and not versions.is_package_name(source):
            hint = "Write the registry's name or URL; crates.io is `crates-io` here."
            raise manifest.error(f"`{source}` is no registry", "patch", source, hint=hint)
        for name, spec in table(entries).items():
            _check_source(
                manifest, name, {"version": spec} if isinstance(spec, str) else spec, ("patch", source, name)
            )


def _check_lints(manifest: Manifest, lints: Table, keys: tuple[str, ...]) -> None:
    for tool, entries in lints.items():
        for lint in table(entries) if tool in _LINT_TOOLS else ():
            if "::" in lint:
                hint = "Write the lint's name alone, below the tool it belongs to."
                raise manifest.error(f"`{lint}` cannot be the name of a lint", *keys, tool, lint, hint=hint)


def _check_version(manifest: Manifest, version: str | None, *keys: str) -> None:
    if version is not None and not versions.is_version(version):
        message = f"`{version}` is not a version"
        raise manifest.error(message, *keys, hint="Write all three numbers, as 1.0.0.")


def check_resolved(manifest: Manifest, dependencies: Sequence[Dependency]) -> None:
    """Raise WorkspaceError for a package that breaks a rule, once everything is inherited."""
    package = manifest.package
    version = string(package.get("version"))
    _check_version(manifest, version, "package", "version")
    if version is None and package.get("publish") not in {None, False}:
        raise manifest.error(
            "a package without a version cannot be published", "package", "publish", hint="Add one."
        )
    editions.check(manifest)
    _check_lints(manifest, table(manifest.document.get("lints")), ("lints",))
    _check_library(manifest)
    _check_platforms(manifest)
    for dependency in dependencies:
        _check_dependency(manifest, dependency)
    _check_same_sources(manifest, dependencies)
    features.check(manifest, dependencies)


def _check_library(manifest: Manifest) -> None:
    library = table(manifest.document.get("lib"))
    kinds = strings(library.get("crate-type", library.get("crate_type")))
    if {"dylib", "cdylib"} <= set(kinds):
        raise manifest.error(
            "a library cannot be both dylib and cdylib", "lib", "crate-type", hint="Choose one."
        )
    if "proc-macro" in kinds and len(kinds) > 1:
        message = "a procedural macro cannot be another kind of library too"
        raise manifest.error(
            message, "lib", "crate-type", hint="Move the macros into a package of their own."
        )
    for binary in tables(manifest.document.get("bin")):
        if strings(binary.get("crate-type", binary.get("crate_type"))):
            raise manifest.error(
                "a binary cannot have crate types", "bin", "crate-type", hint="Remove the key."
            )
        if binary.get("proc-macro", binary.get("proc_macro")) is True:
            raise manifest.error(
                "a binary cannot be a procedural macro", "bin", "proc-macro", hint="Remove the key."
            )


def _check_platforms(manifest: Manifest) -> None:
    for platform in table(manifest.document.get("target")):
        if not versions.is_platform(platform):
            message = f"`{platform}` is neither a target nor a cfg(…) expression"
            raise manifest.error(message, "target", platform, hint="Correct the expression.")


def _check_dependency(manifest: Manifest, dependency: Dependency) -> None:
    keys = dependency.keys
    for name in (dependency.key, dependency.package):
        if not versions.is_package_name(name):
            raise manifest.error(f"`{name}` cannot be the name of a package", *keys, hint="Correct the name.")
    if dependency.is_development and dependency.spec.get("optional") is True:
        raise manifest.error("a development dependency cannot be optional", *keys, hint="Remove `optional`.")
    _check_source(manifest, dependency.key, dependency.spec, keys)
    for feature in strings(dependency.spec.get("features")):
        if "/" in feature or feature.startswith("dep:"):
            message = f"`{feature}` is no feature that a dependency itself has"
            hint = "Name a feature of the dependency, without a slash and without `dep:`."
            raise manifest.error(message, *keys, "features", hint=hint)
    if "artifact" not in dependency.spec:
        for key in ("lib", "target"):
            if key in dependency.spec:
                raise manifest.error(
                    f"`{key}` needs `artifact` beside it", *keys, key, hint="Remove the key."
                )


def _check_source(manifest: Manifest, name: str, spec: Table, keys: tuple[str, ...]) -> None:
    for message, hint in _source_errors(name, spec):
        raise manifest.error(message, *keys, hint=hint)


def _source_errors(name: str, spec: Table) -> Iterator[tuple[str, str]]:
    if not {"version", "path", "git"}.intersection(spec):
        yield f"`{name}` has no version, path or git repository", "Add one of them."
    if {"git", "path"} <= spec.keys():
        yield f"`{name}` has both a git repository and a path", "Keep one of them."
    if {"registry", "registry-index"} <= spec.keys():
        yield f"`{name}` has both `registry` and `registry-index`", "Keep one of them."
    pinned = [key for key in ("branch", "tag", "rev") if key in spec]
    if len(pinned) > 1:
        yield f"`{name}` has {' and '.join(pinned)}", "Keep one of them."
    if pinned and "git" not in spec:
        yield f"`{pinned[0]}` means nothing without `git`", "Add `git`, or remove the key."
    repository = string(spec.get("git"))
    if repository is not None and not versions.is_url(repository):
        yield f"`{repository}` is not a URL", 'Write it with its scheme, as "https://" or "ssh://".'
    version = string(spec.get("version"))
    if version is not None and not versions.is_requirement(version):
        yield f"`{version}` is not a version requirement", 'Write it as "1.2" or ">=1, <3".'


def _check_same_sources(manifest: Manifest, dependencies: Sequence[Dependency]) -> None:
    known: dict[str, tuple[object, ...]] = {}
    for item in dependencies:
        places = ("git", "branch", "tag", "rev", "registry", "registry-index")
        source = (item.path, *(item.spec.get(key) for key in places))
        if known.setdefault(item.key, source) != source:
            message = f"`{item.key}` comes from different places"
            raise manifest.error(message, *item.keys, hint="Rename one of them with `package`.")


def check_default_run(manifest: Manifest, package: Package) -> None:
    """Raise WorkspaceError when `default-run` or `links` name a target that is not there."""
    bins = [target.name for target in package.of_kind("bin")]
    if package.default_run is not None and package.default_run not in bins:
        hint = f"The binaries are: {', '.join(bins) or 'none'}."
        message = f"there is no binary `{package.default_run}` to run"
        raise manifest.error(message, "package", "default-run", hint=hint)
    if "links" in manifest.package and not package.of_kind("custom-build"):
        message = "`links` needs a build script"
        raise manifest.error(message, "package", "links", hint="Add build.rs, or remove the key.")
