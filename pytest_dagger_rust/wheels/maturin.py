"""Downloads the maturin program for a Linux container from PyPI, with this environment's pip or with uv."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from pytest_dagger_rust.errors import DaggerRustError

if TYPE_CHECKING:
    from pathlib import Path

REQUIREMENT = "maturin>=1.9,<2"

# PyPI's wheel holds a program that is linked statically, so it runs in any image of its architecture.
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_HINT = "Or put maturin into the builder image: one that is on its PATH is used."


def download(platform: str, folder: Path) -> Path:
    """Return the path of maturin for a Dagger platform such as "linux/amd64".

    Raises DaggerRustError when it cannot be had.
    """
    machine = _MACHINES.get(platform.split("/")[1], platform.split("/")[1])
    options = ["--quiet", "--no-deps", "--only-binary=:all:", f"--target={folder / 'maturin'}", REQUIREMENT]
    command = [*_installer(machine), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - pip or uv
    if done.returncode != 0:
        msg = f"maturin could not be downloaded from PyPI: {done.stderr.strip()}\n  {_HINT}"
        raise DaggerRustError(msg)
    return folder / "maturin" / "bin" / "maturin"


def _installer(machine: str) -> list[str]:
    """Return the command that installs for a machine; environments that uv makes have no pip."""
    if importlib.util.find_spec("pip") is not None:
        pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
        return [*pip, f"--platform=manylinux2014_{machine}", f"--platform=manylinux_2_12_{machine}"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", f"--python-platform={machine}-manylinux2014"]
    msg = f"maturin cannot be downloaded: this environment has no pip, and uv is not on PATH.\n  {_HINT}"
    raise DaggerRustError(msg)
