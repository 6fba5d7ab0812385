"""What newer versions of cargo take is read, whatever the builder's cargo says of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.workspace import RustWorkspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_PACKAGE = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'
_LOCK = 'version = 4\n\n[[package]]\nname = "app"\nversion = "0.1.0"\n'
_CONFIG = '[resolver]\nlockfile-path = "locks/Cargo.lock"\n'


@pytest.mark.parametrize(
    "rest",
    [
        "\n[profile.debug]\nopt-level = 1\n",
        '\n[dependencies]\nalpha = {\n    version = "1", # why\n    default-features = false,\n}\n',
    ],
    ids=["profile debug", "TOML 1.1"],
)
def test_manifests(tree: Callable[[Mapping[str, str]], Path], rest: str) -> None:
    """A profile named debug, and an inline table over several lines."""
    root = tree({"Cargo.toml": _PACKAGE + rest, "src/main.rs": "fn main() {}\n"})
    assert RustWorkspace.load(root).package("app").version == "0.1.0"


def test_a_lock_file_elsewhere(tree: Callable[[Mapping[str, str]], Path]) -> None:
    """The lock file is read where `resolver.lockfile-path` says, and the skeleton has it there too."""
    root = tree({
        "Cargo.toml": _PACKAGE,
        "src/main.rs": "fn main() {}\n",
        ".cargo/config.toml": _CONFIG,
        "locks/Cargo.lock": _LOCK,
    })  # fmt: skip
    workspace = RustWorkspace.load(root)
    assert workspace.lock == _LOCK
    files = workspace.skeleton().files
    assert "0.0.0-skeleton" in files["locks/Cargo.lock"]
    assert "lockfile-path" in files[".cargo/config.toml"]
    assert "Cargo.lock" not in files


def test_a_variable_names_the_lock_file(tree: Callable[[Mapping[str, str]], Path]) -> None:
    """It goes before the configuration; a relative path begins in the workspace's root."""
    other = _LOCK.replace("0.1.0", "0.2.0")
    root = tree({
        "Cargo.toml": _PACKAGE,
        "src/main.rs": "fn main() {}\n",
        ".cargo/config.toml": _CONFIG,
        "locks/Cargo.lock": _LOCK,
        "other/Cargo.lock": other,
    })  # fmt: skip
    workspace = RustWorkspace.load(root)
    assert workspace.with_variables({"OTHER": "x"}) is workspace
    for path in ("other/Cargo.lock", str(root / "other/Cargo.lock")):
        named = workspace.with_variables({"CARGO_RESOLVER_LOCKFILE_PATH": path})
        assert (named.lock, named.lock_file) == (other, root / "other/Cargo.lock")
        assert "other/Cargo.lock" in named.skeleton().files
    none = workspace.with_variables({"CARGO_RESOLVER_LOCKFILE_PATH": "new/Cargo.lock"})
    assert none.lock is None
