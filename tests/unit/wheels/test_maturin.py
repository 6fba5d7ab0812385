"""Tests of the tools that download maturin."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.errors import DaggerRustError
from pytest_dagger_rust.wheels import maturin

if TYPE_CHECKING:
    from pathlib import Path

# Writes what it was asked for in place of maturin, as uv does.
UV = """#!{python}
import pathlib, sys
(target,) = (word.partition("=")[2] for word in sys.argv if word.startswith("--target="))
if "aarch64-unknown-linux-musl" not in " ".join(sys.argv):
    sys.exit("error: no such platform")
pathlib.Path(target, "bin").mkdir(parents=True)
pathlib.Path(target, "bin/maturin").write_text(" ".join(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An environment without pip, and the only folder on its PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(maturin, "find_spec", lambda _name: None)
    return folder


def install_uv(programs: Path) -> None:
    """Put a uv on PATH that needs no index."""
    (programs / "uv").write_text(UV.format(python=sys.executable))
    (programs / "uv").chmod(0o755)


def test_uv_downloads_it_where_there_is_no_pip(programs: Path, tmp_path: Path) -> None:
    """The environments that uv makes have no pip."""
    install_uv(programs)
    program = maturin.download("linux/arm64", tmp_path)
    assert program.read_text().startswith("pip install")
    assert maturin.REQUIREMENT in program.read_text()
    assert program.stat().st_mode & 0o777 == 0o755


def test_what_uv_says_is_in_the_error(programs: Path, tmp_path: Path) -> None:
    """With the way that needs no download."""
    install_uv(programs)
    with pytest.raises(
        DaggerRustError, match=r"PyPI: error: no such platform\n  Or put maturin into the builder image"
    ):
        maturin.download("linux/riscv64", tmp_path)


def test_without_pip_and_uv_one_sentence_says_what_to_do(tmp_path: Path) -> None:
    """Not that Python has no module of some name."""
    with pytest.raises(
        DaggerRustError, match=r"has no pip, and there is no uv on PATH\.\n  Install one of them\."
    ):
        maturin.download("linux/amd64", tmp_path)
