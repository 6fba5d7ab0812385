"""The toolchain file is found and read as rustup does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.builds import toolchains
from pytest_dagger_rust.builds.images import default_builder_image
from pytest_dagger_rust.builds.options import CargoOptions
from pytest_dagger_rust.workspace import RustWorkspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Tree = Callable[[Mapping[str, str]], Path]

_PACKAGE = {
    "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n',
    "src/main.rs": "fn main() {}\n",
}


@pytest.mark.parametrize(
    ("files", "channel"),
    [
        ({"rust-toolchain": "1.80\n"}, "1.80"),
        ({"rust-toolchain": '[toolchain]\nchannel = "1.81"\n'}, "1.81"),
        ({"rust-toolchain.toml": '[toolchain]\nchannel = "1.82"\n'}, "1.82"),
        ({"rust-toolchain": "1.80", "rust-toolchain.toml": '[toolchain]\nchannel = "1.82"\n'}, "1.80"),
        ({"rust-toolchain": "\n"}, None),
        ({"src/rust-toolchain.toml": '[toolchain]\nchannel = "1.82"\n'}, None),
        ({}, None),
    ],
)
def test_the_nearest_file_in_its_old_form_counts(
    tree: Tree, files: Mapping[str, str], channel: str | None
) -> None:
    """One without an ending goes before one with; what lies below the root is of no concern."""
    assert RustWorkspace.load(tree({**_PACKAGE, **files})).toolchain == channel


def test_a_file_above_the_workspace_counts(tree: Tree) -> None:
    """Up to the repository's root."""
    files = {f"inner/{path}": text for path, text in _PACKAGE.items()}
    root = tree({**files, "rust-toolchain": "1.80"})
    workspace = RustWorkspace.load(root / "inner")
    assert workspace.toolchain == "1.80"
    assert "../rust-toolchain" in workspace.skeleton().files


def test_a_toolchain_in_the_repository_is_part_of_the_skeleton(tree: Tree) -> None:
    """Its dependencies are compiled with it; rustup has nothing to install."""
    file = '[toolchain]\npath = "tools/rust"\n'
    root = tree({**_PACKAGE, "rust-toolchain.toml": file, "tools/rust/bin/rustc": "", "tools/other": ""})
    workspace = RustWorkspace.load(root)
    assert workspace.skeleton().sources == ("tools/rust/bin/rustc",)
    assert not toolchains.is_named(workspace, CargoOptions())
    (root / "rust-toolchain.toml").write_text('[toolchain]\npath = "/opt/rust"\n')
    assert RustWorkspace.load(root).skeleton().sources == ()


@pytest.mark.parametrize(
    ("channel", "image"),
    [
        ("1.91.0", "rust:1.91.0-trixie"),
        ("1.91-x86_64-unknown-linux-gnu", "rust:1.91-trixie"),
        ("1.80", "rust:1.80-bookworm"),
        ("1.80.1-beta.2", "rust:1-trixie"),
        ("nightly-2026-01-01", "rust:1-trixie"),
        ("stable", "rust:1-trixie"),
        (None, "rust:1-trixie"),
    ],
)
def test_a_version_chooses_the_image(channel: str | None, image: str) -> None:
    """Whatever platform stands behind it; any other channel is for rustup."""
    assert default_builder_image(channel) == image


def test_all_that_rustup_is_asked_for(tree: Tree) -> None:
    """The file's channel, profile, components and targets, and the variables that are rustup's."""
    file = '[toolchain]\nchannel = "1.80"\nprofile = "minimal"\ncomponents = ["a", "b"]\ntargets = ["t"]\n'
    workspace = RustWorkspace.load(tree({**_PACKAGE, "rust-toolchain.toml": file}))
    options = CargoOptions(env={"RUSTUP_HOME": "/r", "HTTPS_PROXY": "p", "OTHER": "x"})
    assert toolchains.words(workspace, options) == [
        "--into=/pytest-dagger-rust-toolchain/name",
        "--channel=1.80",
        "--profile=minimal",
        "--component=a",
        "--component=b",
        "--target=t",
        "--env=HTTPS_PROXY=p",
        "--env=RUSTUP_HOME=/r",
    ]
