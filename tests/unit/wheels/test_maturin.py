"""Tests of how maturin is had where the builder image has none."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import DaggerRustError
from pytest_dagger_rust.wheels import maturin

if TYPE_CHECKING:
    from pathlib import Path

INSTALLER = """#!/bin/sh
printf '%s\\n' "$@" > "{log}"
for word; do case $word in --target=*) mkdir -p "${{word#--target=}}/bin"; : > "${{word#--target=}}/bin/maturin";; esac; done
"""


@pytest.fixture
def without_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without pip, and a folder that is all of PATH besides the system's."""

    def find_nothing(_: str) -> None:
        pass

    monkeypatch.setattr(importlib.util, "find_spec", find_nothing)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return tmp_path


def test_uv_takes_the_place_of_pip(without_pip: Path) -> None:
    """It installs for the container's machine."""
    uv, log = without_pip / "bin/uv", without_pip / "log"
    uv.write_text(INSTALLER.format(log=log))
    uv.chmod(0o755)
    assert maturin.download("linux/arm64", without_pip).is_file()
    words = log.read_text().splitlines()
    assert words[:3] == ["pip", "install", "--python-platform=aarch64-manylinux2014"]
    assert maturin.REQUIREMENT in words


def test_neither_pip_nor_uv(without_pip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to do is said."""
    monkeypatch.setenv("PATH", str(without_pip / "bin"))
    with pytest.raises(
        DaggerRustError, match=r"no pip, and uv is not on PATH\.\n  Or put maturin into the builder"
    ):
        maturin.download("linux/amd64", without_pip)
