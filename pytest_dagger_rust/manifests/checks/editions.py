"""Checks that editions and Rust versions are known, and that a manifest follows the rules of its edition."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_dagger_rust.manifests.checks import versions
from pytest_dagger_rust.manifests.toml_values import is_table, string, strings, table, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_dagger_rust.manifests.manifest import Manifest

# Each edition with the version of Rust that brought it; the first was always there.
_EDITIONS = {"2015": None, "2018": (1, 31), "2021": (1, 56), "2024": (1, 85)}
_DEPENDENCIES = (
    "dependencies",
    "dev-dependencies",
    "dev_dependencies",
    "build-dependencies",
    "build_dependencies",
)
_KINDS = ("bin", "example", "test", "bench")


def check(manifest: Manifest) -> None:
    """Raise WorkspaceError for an unknown edition, or a version of Rust that does not know it."""
    edition = string(manifest.package.get("edition")) or "2015"
    _check_known(manifest, edition, "package")
    _check_known(manifest, string(table(manifest.document.get("lib")).get("edition")), "lib")
    for kind in _KINDS:
        for target in tables(manifest.document.get(kind)):
            _check_known(manifest, string(target.get("edition")), kind)
    _check_rust_version(manifest, edition)


def _check_known(manifest: Manifest, edition: str | None, place: str) -> None:
    # A feature of a nightly cargo may bring an edition that nobody knows yet.
    if edition is None or edition in _EDITIONS or strings(manifest.document.get("cargo-features")):
        return
    hint = f"Choose one of {', '.join(_EDITIONS)}."
    raise manifest.error(f"there is no edition `{edition}`", place, "edition", hint=hint)


def _check_rust_version(manifest: Manifest, edition: str) -> None:
    said = string(manifest.package.get("rust-version"))
    if said is None:
        return
    check_rust_version(manifest, said, "package", "rust-version")
    first = _EDITIONS.get(edition)
    if first is not None and not first <= _minor(said) < (2, 0):
        hint = "Raise `rust-version`, or choose an older edition."
        message = f"Rust {said} does not know the edition {edition}"
        raise manifest.error(message, "package", "rust-version", hint=hint)


def check_rust_version(manifest: Manifest, said: str, *keys: str) -> None:
    """Raise WorkspaceError when what is `said` at `keys` is not a version of Rust."""
    if not versions.is_rust_version(said):
        raise manifest.error(f"`{said}` is not a version of Rust", *keys, hint="Write it as 1.85.")


def _minor(version: str) -> tuple[int, int]:
    numbers = [int(number) for number in version.split(".")]
    return (numbers[0], numbers[1] if len(numbers) > 1 else 0)


def check_spellings(written: Manifest, edition: object) -> None:
    """Raise WorkspaceError for spellings that are gone since the edition 2024, in a manifest as it is written."""
    if edition != "2024":
        return
    for keys in _old_spellings(written):
        hint = "Write it with a hyphen; `project` is `package` now."
        raise written.error(f"`{keys[-1]}` is gone since the edition 2024", *keys, hint=hint)


def _old_spellings(written: Manifest) -> Iterator[tuple[str, ...]]:
    document = written.document
    if "project" in document:
        yield ("project",)
    yield from _in_dependencies(document, ())
    for platform, holder in table(document.get("target")).items():
        yield from _in_dependencies(table(holder), ("target", platform))
    for kind in ("lib", *_KINDS):
        for target in [table(document.get(kind)), *tables(document.get(kind))]:
            yield from ((kind, key) for key in ("crate_type", "proc_macro") if key in target)


def _in_dependencies(holder: dict[str, object], place: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name in _DEPENDENCIES:
        if name in holder and "_" in name:
            yield (*place, name)
        for key, spec in table(holder.get(name)).items():
            if is_table(spec) and "default_features" in spec:
                yield (*place, name, key, "default_features")
