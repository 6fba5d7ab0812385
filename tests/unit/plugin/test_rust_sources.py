"""Tests of which files and folders pytest looks at for Rust tests: no engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import RustWorkspace
from pytest_dagger_rust.plugin.rust_sources import RustSources
from tests.pytest.conftest import lay_out

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "Cargo.toml": '[workspace]\nmembers = ["build", "crates/*"]\n',
    "build/Cargo.toml": '[package]\nname = "a"\nversion = "0.1.0"\n',
    "build/src/lib.rs": "",
    "build/src/inner.rs": "",
    "build/test_python.py": "",
    "elsewhere/Cargo.toml": '[package]\nname = "b"\nversion = "0.1.0"\n',
    "elsewhere/src/lib.rs": "",
    "elsewhere/tests/it.rs": "",
    "dist/other.py": "",
}


@pytest.fixture
def sources(pytester: pytest.Pytester) -> RustSources:
    """The sources of a workspace in a folder called build, and in one that is a link."""
    folder = lay_out(pytester.path, FILES)
    (folder / "crates").mkdir()
    (folder / "crates/linked").symlink_to("../elsewhere")
    (folder / "elsewhere/tests/other.rs").symlink_to("it.rs")
    return RustSources(RustWorkspace.load(folder), pytester.parseconfig())


def test_a_link_is_a_source_of_its_own(sources: RustSources, pytester: pytest.Pytester) -> None:
    """By the name that cargo has for it; other files of a crate are none."""
    root: Path = pytester.path
    for name in ("crates/linked/src/lib.rs", "crates/linked/tests/it.rs", "crates/linked/tests/other.rs"):
        assert sources.find(root / name) == root / name
    assert sources.find(root / "build/src/inner.rs") is None


def test_a_folder_is_not_left_out_for_its_name(sources: RustSources, pytester: pytest.Pytester) -> None:
    """Where there are sources below it; of what else is in there, nothing is collected."""
    root: Path = pytester.path
    assert sources.is_ignored(root / "build", ignored=True) is False
    assert not sources.is_ignored(root / "build/src", ignored=None)
    assert not sources.is_ignored(root / "build/src/lib.rs", ignored=None)
    assert sources.is_ignored(root / "build/test_python.py", ignored=None)
    assert sources.is_ignored(root / "dist", ignored=True)
    assert not sources.is_ignored(root / "crates", ignored=None)


def test_a_folder_that_the_user_leaves_out_stays_out(pytester: pytest.Pytester) -> None:
    """Whatever is in it."""
    folder = lay_out(pytester.path, {**FILES, "Cargo.toml": '[workspace]\nmembers = ["build"]\n'})
    config = pytester.parseconfig(f"--ignore={folder / 'build'}")
    assert RustSources(RustWorkspace.load(folder), config).is_ignored(folder / "build", ignored=True)
