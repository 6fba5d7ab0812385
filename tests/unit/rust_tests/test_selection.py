"""Tests of which packages are tested, and which of them have tests that take turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import RustWorkspace
from pytest_dagger_rust.errors import ConfigurationError
from pytest_dagger_rust.rust_tests.selection import selected_packages, serial_packages
from tests.pytest.conftest import lay_out

if TYPE_CHECKING:
    from pathlib import Path

SERIAL = {
    "plain": "[dev-dependencies]\n",
    "serial": '[dev-dependencies]\nserial_test = "3"\n',
    "renamed": '[dev-dependencies]\ns = { package = "serial_test", version = "3" }\n',
    "unix": "[target.'cfg(unix)'.dev-dependencies]\nserial_test = { version = \"3\" }\n",
}


@pytest.fixture
def workspace(tmp_path: Path) -> RustWorkspace:
    """A workspace in which cargo takes only some members by itself."""
    files = {"Cargo.toml": '[workspace]\nmembers = ["*"]\ndefault-members = ["plain", "serial"]\n'}
    for name, rest in SERIAL.items():
        files[f"{name}/Cargo.toml"] = f'[package]\nname = "{name}"\nversion = "0.1.0"\n{rest}'
        files[f"{name}/src/lib.rs"] = ""
    return RustWorkspace.load(lay_out(tmp_path, files))


def test_cargo_chooses_where_nobody_else_does(workspace: RustWorkspace) -> None:
    """The default members; what is left out is left out of them, or of those that were named."""
    assert selected_packages(workspace, (), ()) == ()
    assert selected_packages(workspace, ("*",), ()) == ("*",)
    assert selected_packages(workspace, (), ("serial",)) == ("plain",)
    assert selected_packages(workspace, ("*",), ("*r*",)) == ("plain", "unix")


def test_a_name_that_leaves_out_nothing_is_refused(workspace: RustWorkspace) -> None:
    """And so is leaving out everything."""
    with pytest.raises(ConfigurationError, match="'serail', and no member of the workspace has that name"):
        selected_packages(workspace, (), ("serail",))
    with pytest.raises(ConfigurationError, match="leaves no package"):
        selected_packages(workspace, (), ("*",))


def test_packages_with_serial_tests_are_found(workspace: RustWorkspace) -> None:
    """By their dependencies, whatever these are called there."""
    assert serial_packages(workspace) == {"serial", "renamed", "unix"}
