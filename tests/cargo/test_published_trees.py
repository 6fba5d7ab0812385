"""Published crates become the trees their authors build: laid out, locked and left untouched."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import tomli

from dev import published

APPLICATIONS = [published.HEXYL, published.SD, published.MDBOOK, published.JJ]


@pytest.fixture(scope="module")
def ripgrep() -> Path:
    """Return ripgrep's workspace from the cache that other tests use too."""
    return published.ripgrep()


def metadata(tree: Path) -> dict[str, Any]:
    """Return what cargo says about a tree's own packages."""
    command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version", "1"]
    result = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=True)
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def locked_versions(lock: Path) -> dict[tuple[str, str], str | None]:
    """Return each locked package's name and version with its source, which path members do not have."""
    document = tomli.loads(lock.read_text(encoding="utf-8"))
    return {(package["name"], package["version"]): package.get("source") for package in document["package"]}


def crate(folder: Path, manifest: str, **files: str) -> None:
    """Lay a package out as cargo unpacks it."""
    (folder / "src").mkdir(parents=True)
    for path, text in {
        ".cargo-ok": "",
        "Cargo.toml": manifest,
        "src/main.rs": "fn main() {}\n",
        **files,
    }.items():
        (folder / path).write_text(text, encoding="utf-8")


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point cargo at a home of its own and return the folder in which it unpacks packages."""
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "cargo"))
    return tmp_path / "cargo" / "registry" / "src" / "registry"


def test_ripgrep_members_are_path_dependencies(ripgrep: Path) -> None:
    """Every library crate of the family is a workspace member below the root package."""
    packages = {package["name"]: package for package in metadata(ripgrep)["packages"]}
    folders = {
        Path(package["manifest_path"]).parent.relative_to(ripgrep.resolve()).as_posix(): name
        for name, package in packages.items()
    }
    assert folders == {".": "ripgrep", **published.RIPGREP_MEMBERS}
    wanted = {entry["name"]: entry.get("path") for entry in packages["ripgrep"]["dependencies"]}
    assert Path(wanted["grep"]) == ripgrep.resolve() / "crates" / "grep"


def test_ripgrep_targets_are_where_upstream_has_them(ripgrep: Path) -> None:
    """The root package keeps its unusual program path, its build script and its one integration test."""
    (root,) = (package for package in metadata(ripgrep)["packages"] if package["name"] == "ripgrep")
    targets = {
        (target["kind"][0], target["name"]): Path(target["src_path"])
        .relative_to(ripgrep.resolve())
        .as_posix()
        for target in root["targets"]
    }
    assert targets == {
        ("bin", "rg"): "crates/core/main.rs",
        ("custom-build", "build-script-build"): "build.rs",
        ("test", "integration"): "tests/tests.rs",
    }


def test_ripgrep_lock_is_the_published_one_with_members(ripgrep: Path) -> None:
    """Members lose their registry source, the members' own test dependencies join, nothing else moves."""
    locked = locked_versions(ripgrep / "Cargo.lock")
    members = {*published.RIPGREP_MEMBERS.values(), "ripgrep"}
    assert {name for (name, _), source in locked.items() if source is None} == members
    packaged = published.single("ripgrep", published.RIPGREP_VERSION) / "Cargo.lock"
    assert locked.keys() == locked_versions(packaged).keys() | published.RIPGREP_DEV_DEPENDENCIES.items()


def test_cargo_accepts_the_ripgrep_lock(ripgrep: Path, tmp_path: Path) -> None:
    """Cargo would not change the lock file, so that a build with --locked starts."""
    tree = published.copy(ripgrep, tmp_path / "ripgrep")
    command = ["cargo", "update", "--workspace", "--locked"]
    result = subprocess.run(command, cwd=tree, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("application", APPLICATIONS, ids=lambda application: application.name)
def test_application_brings_its_lock_and_its_program(application: published.Application) -> None:
    """A published application is one package with a lock file and the program that tests run."""
    tree = application.tree()
    (package,) = metadata(tree)["packages"]
    assert (package["name"], package["version"]) == (application.name, application.version)
    assert application.binary in {target["name"] for target in package["targets"] if "bin" in target["kind"]}
    assert locked_versions(tree / "Cargo.lock")[application.name, application.version] is None


def test_benchmark_applications_are_large() -> None:
    """The two applications that benchmarks build have lock files of the promised sizes."""
    assert len(locked_versions(published.MDBOOK.tree() / "Cargo.lock")) >= 200
    assert len(locked_versions(published.JJ.tree() / "Cargo.lock")) >= 400


def test_second_call_reuses_the_tree(registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree that is there is handed out again without cargo."""
    crate(registry / "tiny-1.0.0", "[package]\n", **{"Cargo.lock": "version = 3\n"})
    first = published.single("tiny", "1.0.0", tmp_path / "cache")
    monkeypatch.setenv("PATH", "")
    (registry / "tiny-1.0.0" / ".cargo-ok").unlink()
    assert published.single("tiny", "1.0.0", tmp_path / "cache") == first
    assert sorted(path.name for path in first.iterdir()) == ["Cargo.lock", "Cargo.toml", "src"]


def test_failed_assembly_leaves_nothing(registry: Path, tmp_path: Path) -> None:
    """A package without a lock file is refused, and no half of a tree stays in the cache."""
    crate(registry / "unlocked-1.0.0", "[package]\n")
    with pytest.raises(
        published.PublishedError, match=r"unlocked 1\.0\.0 was published without a Cargo\.lock"
    ):
        published.single("unlocked", "1.0.0", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_half_unpacked_package_is_not_used(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A package that cargo has not finished unpacking is asked for again, and cargo's absence is named."""
    crate(registry / "tiny-1.0.0", "[package]\n")
    (registry / "tiny-1.0.0" / ".cargo-ok").unlink()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(published.PublishedError, match="cargo is needed on PATH"):
        published.single("tiny", "1.0.0", tmp_path / "cache")


def test_slower_worker_takes_the_other_tree(
    registry: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When another worker finishes the same tree first, its tree is used and ours is dropped."""
    crate(registry / "tiny-1.0.0", "[package]\n", **{"Cargo.lock": "version = 3\n"})
    theirs = published.single("tiny", "1.0.0", tmp_path / "theirs")
    ours = tmp_path / "ours" / theirs.name
    ours.parent.mkdir()
    rename = Path.rename

    def lose_the_race(scratch: Path, tree: Path) -> Path:
        if not tree.exists():
            rename(theirs, tree)
        return rename(scratch, tree)

    monkeypatch.setattr(Path, "rename", lose_the_race)
    assert published.single("tiny", "1.0.0", ours.parent) == ours
    assert list(ours.parent.iterdir()) == [ours]


def test_copies_are_writable_and_the_tree_is_not(registry: Path, tmp_path: Path) -> None:
    """A copy may be edited; the pristine files carry no write permission and keep the author's timestamps."""
    crate(registry / "tiny-1.0.0", "[package]\n", **{"Cargo.lock": "version = 3\n"})
    os.utime(registry / "tiny-1.0.0" / "src" / "main.rs", (0, 1_153_704_088))
    tree = published.single("tiny", "1.0.0", tmp_path / "cache")
    edited = published.copy(tree, tmp_path / "edited") / "src" / "main.rs"
    assert (tree / "src" / "main.rs").stat().st_mode & 0o222 == 0
    assert edited.stat().st_mode & 0o200
    assert edited.stat().st_mtime == 1_153_704_088


def test_cargo_says_what_it_could_not_fetch(tmp_path: Path) -> None:
    """A version that was never published is reported in cargo's own words."""
    with pytest.raises(published.PublishedError, match=r"could not find `hexyl@999\.0\.0`"):
        published.single("hexyl", "999.0.0", tmp_path / "cache")
