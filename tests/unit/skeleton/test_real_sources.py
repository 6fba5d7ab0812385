"""Which files of a package that stays real are in the skeleton."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_dagger_rust.workspace import RustWorkspace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def _package(name: str, rest: str = "") -> str:
    return f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n{rest}'


def _helper(tree: Callable[[Mapping[str, str]], Path]) -> Path:
    return tree({
        "Cargo.toml": '[workspace]\nmembers = ["app"]\nexclude = ["helper"]\n',
        "app/Cargo.toml": _package("app", '\n[dependencies]\nhelper = { path = "../helper" }\n'),
        "app/src/main.rs": "fn main() {}\n",
        "helper/Cargo.toml": _package("helper"),
        "helper/src/lib.rs": "mod shared;\n",
        "common/mod.rs": "pub fn seven() -> u8 { 7 }\n",
        "words.txt": "words\n",
    })  # fmt: skip


def test_links_inside_the_boundary(tree: Callable[[Mapping[str, str]], Path]) -> None:
    """A linked folder is there with its files, a linked file with its target; a folder linked into itself ends."""
    root = _helper(tree)
    (root / "helper/src/shared").symlink_to("../../common")
    (root / "helper/words.txt").symlink_to("../words.txt")
    (root / "helper/src/above").symlink_to("..")
    assert RustWorkspace.load(root).skeleton().sources == (
        "helper/src/lib.rs",
        "helper/src/shared/mod.rs",
        "helper/words.txt",
        "words.txt",
    )


def test_links_out_of_the_boundary_and_virtual_environments(
    tree: Callable[[Mapping[str, str]], Path], tmp_path: Path
) -> None:
    """A link that leads out of the boundary is left out, and a virtual environment is no part of a package."""
    root = _helper(tree)
    (tmp_path / "python").write_text("elsewhere")
    for name in (".venv/bin/python", "environment/bin/python"):
        (root / "helper" / name).parent.mkdir(parents=True)
        (root / "helper" / name).symlink_to(tmp_path / "python")
    (root / "helper/.venv/pyvenv.cfg").write_text("home = /usr/bin\n")
    assert RustWorkspace.load(root).skeleton().sources == ("helper/src/lib.rs",)


def test_secrets_of_a_package_that_stays_real(tree: Callable[[Mapping[str, str]], Path]) -> None:
    """What is made to hold secrets is in no dependency build either; what only looks like it is."""
    root = _helper(tree)
    for name in (".env", ".ssh/id_rsa", "src/credentials.rs", "src/credentials/mod.rs"):
        (root / "helper" / name).parent.mkdir(exist_ok=True)
        (root / "helper" / name).write_text("")
    assert RustWorkspace.load(root).skeleton().sources == (
        "helper/src/credentials.rs",
        "helper/src/credentials/mod.rs",
        "helper/src/lib.rs",
    )
