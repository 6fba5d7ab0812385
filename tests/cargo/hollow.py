"""A registry of the published packages without what is in them, so that cargo checks what depends on them in no time.

Every package keeps its name, version, features, dependencies and targets; their sources are one empty main function,
and nothing is run or linked. Packages that were not fetched, because nobody activates them, are made up.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import tomli
import tomli_w

from pytest_dagger_rust.manifests.checks.semver import fits
from tests.cargo import corpus, shelf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Manifest = dict[str, Any]
_TABLES = ("dependencies", "build-dependencies")


def without_development(package: Path) -> Manifest:
    """Return a package's manifest without what only its own tests need, and is not there."""
    manifest = tomli.loads((package / "Cargo.toml").read_text())
    manifest.pop("dev-dependencies", None)
    for holder in manifest.get("target", {}).values():
        holder.pop("dev-dependencies", None)
    known = {key for key, _ in _dependencies(manifest)}
    features = manifest.get("features", {})
    # For builds of the standard library, and asked even of packages that do not have it.
    features.pop("rustc-dep-of-std", None)
    for name, values in features.items():
        features[name] = [
            value for value in values if "/" not in value or re.split("[/?]", value)[0] in known
        ]
    return manifest


def fill(published: Path, folder: Path) -> Path:
    """Write all packages in `published` below `folder`, hollow, with those that are missing; return `folder`."""
    manifests = [without_development(package) for package in corpus.packages(published)]
    for package, manifest in zip(corpus.packages(published), manifests, strict=True):
        corpus.copy_layout(package, folder / package.name)
        manifest["package"]["build"] = False
        # A member of the same name may be linked to the same library.
        manifest["package"].pop("links", None)
        _write(folder / package.name, manifest)
    versions: dict[str, list[str]] = {}
    for manifest in manifests:
        versions.setdefault(manifest["package"]["name"], []).append(manifest["package"]["version"])
    for name, requirement in _missing(manifests, versions):
        _make_up(folder, name, requirement, sorted(_features_asked(manifests, name)))
    return folder


def _write(package: Path, manifest: Manifest) -> None:
    (package / "Cargo.toml").write_text(tomli_w.dumps(manifest))
    (package / ".cargo-checksum.json").write_text(json.dumps({"files": {}, "package": shelf.CHECKSUM}))


def _dependencies(manifest: Manifest) -> Iterator[tuple[str, Manifest]]:
    for holder in (manifest, *manifest.get("target", {}).values()):
        for table in _TABLES:
            for key, spec in holder.get(table, {}).items():
                yield key, {"version": spec} if isinstance(spec, str) else spec


def _missing(manifests: list[Manifest], versions: dict[str, list[str]]) -> set[tuple[str, str]]:
    wanted = {
        (spec.get("package", key), spec.get("version", "*"))
        for manifest in manifests
        for key, spec in _dependencies(manifest)
    }
    return {
        (name, requirement)
        for name, requirement in wanted
        if not any(fits(version, requirement) for version in versions.get(name, ()))
    }


def _features_asked(manifests: list[Manifest], name: str) -> set[str]:
    found: set[str] = set()
    for manifest in manifests:
        keys = {key for key, spec in _dependencies(manifest) if spec.get("package", key) == name}
        found.update(*(spec.get("features", ()) for key, spec in _dependencies(manifest) if key in keys))
        values = [value for feature in manifest.get("features", {}).values() for value in feature]
        found.update(
            feature
            for key, slash, feature in (value.partition("/") for value in values)
            if slash and key.removesuffix("?") in keys
        )
    return found


def _make_up(folder: Path, name: str, requirement: str, features: list[str]) -> None:
    numbers = re.findall(r"\d+(?:\.\d+)*", requirement) or ["1"]
    version = ".".join([*numbers[0].split("."), "0", "0"][:3])
    package = folder / f"{name}-{version}"
    (package / "src").mkdir(parents=True, exist_ok=True)
    (package / "src/lib.rs").touch()
    about = {"name": name, "version": version, "edition": "2021"}
    _write(package, {"package": about, "features": {feature: [] for feature in features}})
