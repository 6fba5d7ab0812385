"""Published Rust as test input: trees assembled from crates that cargo fetches, never from sources kept here.

Every function returns a pristine tree in a cache folder that later runs and other test workers share. Its
files are read-only; `copy` makes a tree to edit. Fetching is cargo's own: whatever registry, mirror or proxy
cargo is configured for is used, and a crate that cargo has already unpacked needs no network.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tomli

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

RIPGREP_VERSION = "14.1.1"
RIPGREP_MEMBERS: Mapping[str, str] = {
    "crates/cli": "grep-cli",
    "crates/globset": "globset",
    "crates/grep": "grep",
    "crates/ignore": "ignore",
    "crates/matcher": "grep-matcher",
    "crates/pcre2": "grep-pcre2",
    "crates/printer": "grep-printer",
    "crates/regex": "grep-regex",
    "crates/searcher": "grep-searcher",
}
RIPGREP_DEV_DEPENDENCIES: Mapping[str, str] = {
    "crossbeam-channel": "0.5.13",
    "glob": "0.3.1",
    "regex": "1.10.6",
}
"""What only the members' own tests need: the lock file in ripgrep's package leaves it out."""

_RECIPE = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
"""Part of every cache key: what this module assembles differently gets a tree of its own."""
_NOT_SOURCES = frozenset({".cargo-ok", ".cargo_vcs_info.json", "Cargo.toml.orig"})


class PublishedError(Exception):
    """A published crate cannot be turned into a tree to build."""


@dataclass(frozen=True)
class Application:
    """A published application that ships its lock file; `binary` is the program it builds."""

    name: str
    version: str
    binary: str

    def tree(self, cache: Path | None = None) -> Path:
        """Return the application's pristine tree."""
        return single(self.name, self.version, cache)


HEXYL = Application("hexyl", "0.16.0", "hexyl")
SD = Application("sd", "1.0.0", "sd")
MDBOOK = Application("mdbook", "0.4.52", "mdbook")
JJ = Application("jj-cli", "0.31.0", "jj")


def default_cache() -> Path:
    """Return the folder that trees are kept in between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pytest-dagger-rust" / "published"


def ripgrep(cache: Path | None = None) -> Path:
    """Return ripgrep's workspace as upstream lays it out: a root package with its libraries as members."""
    return _kept("ripgrep-workspace", RIPGREP_VERSION, cache, _assemble_ripgrep)


def single(name: str, version: str, cache: Path | None = None) -> Path:
    """Return one published package that carries its own Cargo.lock."""

    def assemble(tree: Path) -> None:
        _copy_sources(_fetch(name, version), tree)
        if not (tree / "Cargo.lock").is_file():
            raise PublishedError(f"{name} {version} was published without a Cargo.lock")

    return _kept(name, version, cache, assemble)


def library(name: str, version: str, cache: Path | None = None) -> Path:
    """Return one published package, with a lock file of cargo's where it carries none."""

    def assemble(tree: Path) -> None:
        _copy_sources(_fetch(name, version), tree)
        if not (tree / "Cargo.lock").is_file():
            _cargo("generate-lockfile", "--quiet", cwd=tree)

    return _kept(f"library-{name}", version, cache, assemble)


def copy(tree: Path, destination: Path) -> Path:
    """Copy a pristine tree to `destination`, which must not exist, as files that may be edited."""
    shutil.copytree(tree, destination, symlinks=True)
    _set_writable(destination, writable=True)
    return destination


def _kept(name: str, version: str, cache: Path | None, assemble: Callable[[Path], None]) -> Path:
    """Return the cached tree of this name and version, assembled first if nobody has done so."""
    folder = default_cache() if cache is None else cache
    tree = folder / f"{name}-{version}-{_RECIPE}"
    if tree.is_dir():
        return tree
    with _scratch(folder) as scratch:
        assemble(scratch)
        _set_writable(scratch, writable=False)
        _publish(scratch, tree)
    return tree


@contextmanager
def _scratch(folder: Path) -> Generator[Path, None, None]:
    """Return a folder beside the trees, so that a whole tree appears by one rename and a broken one never."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".assembling-", dir=folder) as parent:
        scratch = Path(parent) / "tree"
        scratch.mkdir()
        yield scratch


def _publish(scratch: Path, tree: Path) -> None:
    """Move a finished tree to its name; another worker that was faster assembled the same one."""
    try:
        scratch.rename(tree)
    except OSError:
        if not tree.is_dir():
            raise


def _set_writable(tree: Path, *, writable: bool) -> None:
    """Return the owner the right to write every file in a tree, or take it from everyone."""
    for path in tree.rglob("*"):
        if path.is_file() and not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o200 if writable else mode & ~0o222)


def _fetch(name: str, version: str) -> Path:
    """Return the folder in which cargo has unpacked this package, asking cargo to fetch it if need be."""
    if (unpacked := _unpacked(name, version)) is None:
        with tempfile.TemporaryDirectory() as nowhere:
            _cargo("info", "--quiet", f"{name}@{version}", cwd=Path(nowhere))
        unpacked = _unpacked(name, version)
    if unpacked is None:
        raise PublishedError(
            f"cargo fetched {name} {version} but did not unpack it below {_registry_sources()}"
        )
    return unpacked


def _unpacked(name: str, version: str) -> Path | None:
    """Return cargo's unpacked copy of a package, if its marker file says that unpacking was finished."""
    markers = sorted(_registry_sources().glob(f"*/{name}-{version}/.cargo-ok"))
    return markers[0].parent if markers else None


def _registry_sources() -> Path:
    """Return the folder below which cargo unpacks every registry's packages."""
    home = os.environ.get("CARGO_HOME") or Path.home() / ".cargo"
    return Path(home) / "registry" / "src"


def _cargo(*arguments: str, cwd: Path) -> None:
    """Run cargo quietly; its own words become the error."""
    try:
        result = subprocess.run(["cargo", *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise PublishedError("cargo is needed on PATH to fetch published crates") from error
    if result.returncode != 0:
        raise PublishedError(f"cargo {' '.join(arguments)} failed:\n{result.stderr.strip()}")


def _copy_sources(package: Path, destination: Path) -> None:
    """Copy what the author published, with its timestamps, but not what cargo added when packing it."""
    ignore = shutil.ignore_patterns(*_NOT_SOURCES)
    shutil.copytree(package, destination, symlinks=True, ignore=ignore, dirs_exist_ok=True)


def _copy_upstream(package: Path, destination: Path) -> None:
    """Copy a package with the manifest its author wrote, whose path dependencies packing had removed."""
    _copy_sources(package, destination)
    shutil.copy2(package / "Cargo.toml.orig", destination / "Cargo.toml")


def _assemble_ripgrep(tree: Path) -> None:
    """Lay ripgrep and its library crates out as one workspace with one lock file."""
    _copy_upstream(_fetch("ripgrep", RIPGREP_VERSION), tree)
    lock = tomli.loads((tree / "Cargo.lock").read_text(encoding="utf-8"))
    versions: dict[str, str] = {package["name"]: package["version"] for package in lock["package"]}
    for folder, name in RIPGREP_MEMBERS.items():
        _copy_upstream(_fetch(name, versions[name]), tree / folder)
        (tree / folder / "Cargo.lock").unlink(missing_ok=True)
    _lock_workspace(tree)


def _lock_workspace(tree: Path) -> None:
    """Let cargo turn the packaged lock into the workspace's, moving nothing that is locked already."""
    _cargo("update", "--quiet", "--workspace", cwd=tree)
    for name, version in RIPGREP_DEV_DEPENDENCIES.items():
        _cargo("update", "--quiet", name, "--precise", version, cwd=tree)
