"""Tests of which wheels the running interpreter may import."""

from __future__ import annotations

import sys
import sysconfig
import zipfile
from typing import TYPE_CHECKING, Any, cast

import pytest
from packaging.tags import sys_tags

from pytest_dagger_rust import ConfigurationError
from pytest_dagger_rust.wheels.wheel import Wheel

if TYPE_CHECKING:
    from pathlib import Path

MINE = f"cp3{sys.version_info.minor}"
MACHINE = sysconfig.get_platform().replace("-", "_").replace(".", "_")
OTHER_MACHINE = "linux_aarch64" if "x86_64" in MACHINE else "linux_x86_64"


def unpack(tmp_path: Path, tags: str) -> Path:
    """Unpack an empty wheel with these tags."""
    name = f"fast_words-1.2.0-{tags}.whl"
    with zipfile.ZipFile(tmp_path / name, "w") as wheel:
        wheel.writestr("fast_words/__init__.py", "")
    return Wheel(name, tmp_path / name, cast("Any", None), cast("Any", None)).unpack(tmp_path / "out")


@pytest.mark.parametrize(
    "tags",
    [
        f"{MINE}-{MINE}-{MACHINE}",
        f"cp310-abi3-{MACHINE}",
        f"cp310.{MINE}-abi3.{MINE}-{OTHER_MACHINE}.{MACHINE}",
        "py3-none-any",
        str(next(sys_tags())),
    ],
)
def test_what_fits(tmp_path: Path, tags: str) -> None:
    """This Python, abi3 of an older one, and compressed tags of which one fits."""
    assert (unpack(tmp_path, tags) / "fast_words").is_dir()


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        (f"cp39-cp39-{MACHINE}", f"is for cp39-cp39, and this is Python 3.{sys.version_info.minor} ({MINE}-"),
        (f"cp399-abi3-{MACHINE}", "is for cp399-abi3, and this is"),
        (f"{MINE}-{MINE}t-{MACHINE}", f"is for {MINE}-{MINE}t, and this is"),
        (f"{MINE}-{MINE}-{OTHER_MACHINE}", f"is for {OTHER_MACHINE}, and this machine is"),
        (f"{MINE}-{MINE}-manylinux_2_999_x86_64.manylinux_2_998_x86_64", "is for manylinux_2_998_x86_64 or"),
    ],
    ids=["older", "newer abi3", "free-threaded", "architecture", "newer C library"],
)
def test_what_does_not_fit(tmp_path: Path, tags: str, words: str) -> None:
    """Another Python, a free-threaded one, another machine and a newer C library are told apart."""
    with pytest.raises(ConfigurationError) as error:
        unpack(tmp_path, tags)
    assert words in str(error.value)
