"""Cargo.lock of every format version is read, and written with nothing in it that own versions could change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tomli

from pytest_dagger_rust.manifests.lockfile import STUB_VERSION, Lock

if TYPE_CHECKING:
    from typing import Any

REGISTRY = "registry+https://example.invalid/index"


def _packages(text: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {(item["name"], item["version"]): item for item in tomli.loads(text)["package"]}


def _entry(name: str, version: str, *needs: str, source: str | None = None) -> str:
    lines = ["[[package]]", f'name = "{name}"', f'version = "{version}"']
    lines += [f'source = "{source}"'] if source else []
    return "\n".join([*lines, f"dependencies = {list(needs)!r}", ""])


def test_the_version_of_a_stub_is_masked() -> None:
    """The entry of a stub and what refers to it have the one version of all stubs."""
    text = "version = 4\n" + _entry("a", "1.0.0", "b 2.0.0") + _entry("b", "2.0.0")
    found = _packages(Lock(text, Path("Cargo.lock")).masked({"a": "1.0.0", "b": "2.0.0"}))
    assert set(found) == {("a", STUB_VERSION), ("b", STUB_VERSION)}
    assert found["a", STUB_VERSION]["dependencies"] == [f"b {STUB_VERSION}"]


def test_a_package_of_the_same_name_from_elsewhere_is_not_masked() -> None:
    """A registry's package keeps its version, and references say which of the two they mean."""
    text = (
        "version = 3\n"
        + _entry("a", "1.0.0", f"a 1.0.0 ({REGISTRY})")
        + _entry("a", "1.0.0", source=REGISTRY)
    )
    found = _packages(Lock(text, Path("Cargo.lock")).masked({"a": "1.0.0"}))
    assert set(found) == {("a", STUB_VERSION), ("a", "1.0.0")}
    assert found["a", STUB_VERSION]["dependencies"] == [f"a 1.0.0 ({REGISTRY})"]


def test_of_two_local_packages_of_a_name_only_the_stub_is_masked() -> None:
    """A member and another package of the repository may share a name; the version tells them apart."""
    text = "version = 4\n" + _entry("a", "1.0.0", "a 2.0.0") + _entry("a", "2.0.0")
    found = _packages(Lock(text, Path("Cargo.lock")).masked({"a": "1.0.0"}))
    assert set(found) == {("a", STUB_VERSION), ("a", "2.0.0")}


def test_a_lock_that_is_behind_is_masked_too() -> None:
    """A lock written before the last version bump of a member still means that member."""
    text = "version = 4\n" + _entry("a", "1.0.0")
    assert set(_packages(Lock(text, Path("Cargo.lock")).masked({"a": "1.1.0"}))) == {("a", STUB_VERSION)}


def test_the_order_does_not_depend_on_own_versions() -> None:
    """Entries and references are sorted after masking, because a bump can change their order in the original."""
    early = _entry("a", "0.1.0") + _entry("a", "0.5.0", source=REGISTRY)
    late = _entry("a", "0.5.0", source=REGISTRY) + _entry("a", "0.9.0")
    texts = [Lock(f"version = 4\n{text}", Path("Cargo.lock")) for text in (early, late)]
    assert texts[0].masked({"a": "0.1.0"}) == texts[1].masked({"a": "0.9.0"})


@pytest.mark.parametrize("head", ["", "version = 3\n", "version = 4\n"], ids=["1 or 2", "3", "4"])
def test_checksums_and_format_stay(head: str) -> None:
    """What a lock says of other packages stays, in the place its format version has for it."""
    checksum = f'"checksum b 1.0.0 ({REGISTRY})" = "00"'
    text = (
        head + _entry("a", "1.0.0", "b") + _entry("b", "1.0.0", source=REGISTRY) + f"[metadata]\n{checksum}\n"
    )
    before, after = tomli.loads(text), tomli.loads(Lock(text, Path("Cargo.lock")).masked({"a": "1.0.0"}))
    assert after.get("version") == before.get("version")
    assert after["metadata"] == before["metadata"]


def test_the_oldest_format() -> None:
    """A lock with its own package under [root] is read like any other."""
    text = f'[root]\nname = "a"\nversion = "1.0.0"\ndependencies = ["b 1.0.0 ({REGISTRY})"]\n\n'
    lock = Lock(text + _entry("b", "1.0.0", source=REGISTRY), Path("Cargo.lock"))
    assert ("a", STUB_VERSION) in _packages(lock.masked({"a": "1.0.0"}))


def test_what_others_need_is_known() -> None:
    """A local package that one from a registry depends on is found, by a short reference and by a long one."""
    text = _entry("a", "1.0.0", "b") + _entry("b", "1.0.0", "c", source=REGISTRY) + _entry("c", "1.0.0")
    text += (
        _entry("d", "1.0.0")
        + _entry("d", "2.0.0", source=REGISTRY)
        + _entry("e", "1.0.0", "d 1.0.0", source=REGISTRY)
    )
    assert Lock(text, Path("Cargo.lock")).needed_by_others() == {"c", "d"}


def test_patches_that_are_not_used_stay() -> None:
    """The list of unused patches is part of a lock, but for patches with stubs."""
    text = _entry("a", "1.0.0") + '[[patch.unused]]\nname = "b"\nversion = "1.0.0"\n'
    text += '[[patch.unused]]\nname = "c"\nversion = "1.0.0"\n'
    after = tomli.loads(Lock(text, Path("Cargo.lock")).masked({"a": "1.0.0"}, unused_patches=["c"]))
    assert [item["name"] for item in after["patch"]["unused"]] == ["b"]
