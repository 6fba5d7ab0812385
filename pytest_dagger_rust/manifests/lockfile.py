"""Reads Cargo.lock and writes it with the versions of stubbed packages masked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import tomli_w

from pytest_dagger_rust.manifests.manifest import parse
from pytest_dagger_rust.manifests.toml_values import Table, string, strings, table, tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# A version no real package has: what is compiled from a stub can then never be taken for the real package,
# because cargo derives the names of its files from name, version and source.
STUB_VERSION = "0.0.0-skeleton"


class Lock:
    """A parsed Cargo.lock of any format version."""

    def __init__(self, text: str, file: Path) -> None:
        self._document = parse(text, file)
        self._packages = tables(self._document.get("package"))
        root = table(self._document.get("root"))
        if root:
            self._packages.append(root)
        self._by_name: dict[str, list[Table]] = {}
        for package in self._packages:
            self._by_name.setdefault(str(package.get("name")), []).append(package)

    def names_from_elsewhere(self) -> frozenset[str]:
        """Return the names of all packages that come from a registry or from git."""
        return frozenset(str(item.get("name")) for item in self._packages if "source" in item)

    def dependencies(self) -> dict[str, frozenset[str]]:
        """Return the names of what each package depends on; packages of one name are merged."""
        found: dict[str, set[str]] = {}
        for package in self._packages:
            names = (reference.partition(" ")[0] for reference in strings(package.get("dependencies")))
            found.setdefault(str(package.get("name")), set()).update(names)
        return {name: frozenset(needed) for name, needed in found.items()}

    def needed_by_others(self) -> frozenset[str]:
        """Return the name of every local package that one from a registry or git depends on."""
        found: set[str] = set()
        for package in self._packages:
            if "source" not in package:
                continue
            for reference in strings(package.get("dependencies")):
                target = self._target(reference)
                if target is not None and "source" not in target:
                    found.add(str(target.get("name")))
        return frozenset(found)

    def _target(self, reference: str) -> Table | None:
        name, _, rest = reference.partition(" ")
        version, _, source = rest.partition(" ")
        candidates = self._by_name.get(name, [])
        if version:
            candidates = [item for item in candidates if item.get("version") == version]
        if source:
            return next((item for item in candidates if item.get("source") == source.strip("()")), None)
        # Without a source the reference is to the only candidate, or else to the local one.
        local = [item for item in candidates if "source" not in item]
        return next(iter(local or candidates), None)

    def masked(self, stubs: Mapping[str, str], unused_patches: Iterable[str] = ()) -> str:
        """Write the lock with the version of each stub masked; `stubs` has each one's version by name."""
        fresh = {id(item): self._masked_package(item, stubs) for item in self._packages}
        packages = sorted(
            fresh.values(), key=lambda item: (item["name"], item["version"], item.get("source", ""))
        )
        document: Table = {
            key: self._document[key] for key in ("version", "metadata") if key in self._document
        }
        document["package"] = packages
        dropped = set(unused_patches)
        unused = [
            item
            for item in tables(table(self._document.get("patch")).get("unused"))
            if item.get("name") not in dropped
        ]
        if unused:
            document["patch"] = {"unused": unused}
        return tomli_w.dumps(document)

    def _masked_package(self, package: Table, stubs: Mapping[str, str]) -> Table:
        masked = dict(package)
        masked["version"] = self._version(package, stubs)
        references = strings(package.get("dependencies"))
        if references:
            masked["dependencies"] = sorted(self._reference(item, stubs) for item in references)
        return masked

    def _version(self, package: Table, stubs: Mapping[str, str]) -> str:
        version = str(package.get("version"))
        return STUB_VERSION if self._is_stub(package, stubs) else version

    def _is_stub(self, package: Table, stubs: Mapping[str, str]) -> bool:
        name = str(package.get("name"))
        if "source" in package or name not in stubs:
            return False
        local = [item for item in self._by_name[name] if "source" not in item]
        # A lock written before the last version bump still means this package, unless another bears the name.
        return len(local) == 1 or package.get("version") == stubs[name]

    def _reference(self, reference: str, stubs: Mapping[str, str]) -> str:
        target = self._target(reference)
        if target is None:
            return reference
        # Always in full, because the short form of one package depends on the versions of others.
        source = string(target.get("source"))
        text = f"{target.get('name')} {self._version(target, stubs)}"
        return text if source is None else f"{text} ({source})"
