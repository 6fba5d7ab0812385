"""Patterns of members with character classes, as cargo expands them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_dagger_rust import RustWorkspace, WorkspaceError
from tests.cargo import oracle

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("a", "c", "z", "a-", "^", "aa")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with packages of short names."""
    root = tmp_path_factory.mktemp("packages")
    for number, name in enumerate(NAMES):
        (root / name / "src").mkdir(parents=True)
        (root / name / "src/lib.rs").touch()
        (root / name / "Cargo.toml").write_text(
            f'[package]\nname = "p{number}"\nversion = "0.1.0"\nedition = "2021"\n'
        )
    return root


@given(inner=st.text("ac-z!^]&~", min_size=0, max_size=5), rest=st.sampled_from(["", "*", "?"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_classes_of_characters(packages: Path, inner: str, rest: str) -> None:
    """The same members, or an error of both."""
    (packages / "Cargo.toml").write_text(f"[workspace]\nresolver = '2'\nmembers = ['[{inner}]{rest}']\n")
    try:
        expected = {package.name for package in oracle.facts_of_cargo(packages)}
    except oracle.CargoFailed:
        expected = None
    try:
        found = {package.name for package in RustWorkspace.load(packages).packages}
    except WorkspaceError:
        found = None
    assert found == expected
