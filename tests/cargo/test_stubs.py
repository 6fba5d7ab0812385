"""Stubs compile under whatever the real files compile under, and can be told from them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.skeleton import stubs
from pytest_dagger_rust.skeleton.skeleton import STUB_MARKER
from pytest_dagger_rust.workspace import RustWorkspace
from tests.cargo import oracle
from tests.cargo.layouts import LIB, MACRO, MAIN, package

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(shutil.which("cargo") is None, reason="compiles with cargo"),
    pytest.mark.usefixtures("shelf_only"),
]

FILES: Mapping[str, str] = {
    "Cargo.toml": '[workspace]\nmembers = ["plain", "native", "macros", "scripted"]\nresolver = "2"\n\n'
    '[profile.release]\nlto = true\nstrip = true\npanic = "abort"\n',
    "plain/Cargo.toml": package("plain"),
    "plain/src/lib.rs": LIB,
    "plain/src/main.rs": MAIN,
    "native/Cargo.toml": package("native", '\n[lib]\ncrate-type = ["cdylib", "rlib"]\n'),
    "native/src/lib.rs": LIB,
    "macros/Cargo.toml": package("macros", "\n[lib]\nproc-macro = true\n"),
    "macros/src/lib.rs": MACRO,
    "scripted/Cargo.toml": package("scripted", '\n[build-dependencies]\nmacros = { path = "../macros" }\n'),
    "scripted/src/lib.rs": LIB,
    "scripted/build.rs": MAIN,
}


@pytest.fixture
def skeleton(tree: Callable[[Mapping[str, str]], Path], tmp_path: Path) -> Path:
    """The skeleton of a workspace with every kind of stub, laid out."""
    root = tree(FILES)
    oracle.cargo("generate-lockfile", "--offline", cwd=root)
    workspace = RustWorkspace.load(root)
    return oracle.lay(workspace.skeleton(), workspace, tmp_path / "skeleton")


# Of what optimisation at link time is done on, the libraries for Rust hold compressed bitcode, which nobody runs.
_LINKED = ("skeleton-plain", "libskeleton_native.so")
_FOR_RUST = ("libskeleton_plain.rlib", "libskeleton_native.rlib", "examples/libskeleton_plain.rlib")


@pytest.mark.parametrize(("profile", "names"), [("dev", (*_LINKED, *_FOR_RUST)), ("release", _LINKED)])
def test_the_marker_is_in_what_is_built(
    skeleton: Path, tmp_path: Path, profile: str, names: tuple[str, ...]
) -> None:
    """Programs and libraries made of stubs have the marker in them, optimised, linked and stripped as they may be."""
    flags = (
        "--profile",
        profile,
        "--package",
        "plain",
        "--package",
        "native",
        "--lib",
        "--bins",
        "--examples",
    )
    oracle.build(skeleton, tmp_path / "target", flags)
    folder = tmp_path / "target" / ("debug" if profile == "dev" else profile)
    assert not [name for name in names if STUB_MARKER.encode() not in (folder / name).read_bytes()]


def test_running_a_stub_fails(skeleton: Path, tmp_path: Path) -> None:
    """A stub that somebody runs after all fails, and shows what it is."""
    oracle.build(skeleton, tmp_path / "target", ("--bin", "skeleton-plain"))
    with pytest.raises(oracle.CargoFailed, match=STUB_MARKER):
        oracle.cargo(
            "run", "--offline", "--bin", "skeleton-plain", cwd=skeleton, target_dir=tmp_path / "target"
        )


@pytest.mark.parametrize(
    "flags",
    [
        "-D warnings",
        "-D warnings -D missing_docs -D unused_crate_dependencies -D unreachable_pub -D unsafe_code",
        "-D unused -D nonstandard_style -D rust_2018_idioms -D missing_debug_implementations",
    ],
)
def test_the_strictest_lints(skeleton: Path, tmp_path: Path, flags: str) -> None:
    """Lints that RUSTFLAGS denies for all crates do not fail on the stubs."""
    arguments = ("check", "--offline", "--locked", "--all-targets", "--workspace")
    oracle.cargo(*arguments, cwd=skeleton, target_dir=tmp_path / "target", env={"RUSTFLAGS": flags})


def test_a_second_build_does_nothing(skeleton: Path, tmp_path: Path) -> None:
    """Cargo finds every stub fresh, its build script too, whatever else lies in the folders of the packages."""
    flags = ("--workspace", "--lib")
    oracle.build(skeleton, tmp_path / "target", flags)
    oracle.write_tree(skeleton, {"scripted/newer.txt": ""})
    assert not oracle.build(skeleton, tmp_path / "target", flags).compiled


def test_stubs_are_alike_for_all_packages(skeleton: Path) -> None:
    """Nothing of a package is in its stubs: they are the same few files for all."""
    found = {path.relative_to(skeleton).as_posix() for path in skeleton.rglob("*.rs")}
    assert found == {*stubs.SOURCES, *stubs.TEST_SOURCES}


def test_a_target_without_std(tree: Callable[[Mapping[str, str]], Path], tmp_path: Path) -> None:
    """Firmware without std, with a linker script of its own, needs neither of them for its dependencies."""
    # cargo-chef #131, crane #444: stubs that were linked with the real linker script, or needed std, failed.
    files = {
        "Cargo.toml": package(
            "firmware", '\n[dependencies]\ngamma = "0.3"\n\n[profile.dev]\npanic = "abort"\n'
        ),
        "src/main.rs": "#![no_std]\n#![no_main]\n",
        "build.rs": 'fn main() { println!("cargo:rustc-link-arg=-Tmemory.x") }\n',
        ".cargo/config.toml": '[build]\nrustflags = ["-C", "link-arg=-Tlink.x", "-C", "link-arg=-nostartfiles"]\n',
    }
    root = tree(files)
    oracle.cargo("generate-lockfile", "--offline", cwd=root)
    workspace = RustWorkspace.load(root)
    skeleton = workspace.skeleton()
    place = oracle.lay(skeleton, workspace, tmp_path / "skeleton")
    # The variable would count instead of the configuration.
    flags = {"RUSTFLAGS": "-C link-arg=-Tlink.x -C link-arg=-nostartfiles"}
    output = oracle.cargo(
        "build", "--offline", "--locked", "--lib", cwd=place, target_dir=tmp_path / "t", env=flags
    )
    assert not output
