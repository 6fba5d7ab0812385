"""Downloads the maturin program for a Linux container from PyPI, with this environment's pip or with uv."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from typing import TYPE_CHECKING

from pytest_dagger_rust.errors import DaggerRustError

if TYPE_CHECKING:
    from collections.abc import Sequence
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
    if find_spec("pip") is not None:
        return _with_pip(machine, folder)
    # Environments made by uv have no pip.
    if uv := shutil.which("uv"):
        return _with_uv(uv, machine, folder)
    msg = (
        "maturin cannot be downloaded from PyPI: the environment that runs the tests has no pip, and there is no uv on "
        f"PATH.\n  Install one of them. {_HINT}"
    )
    raise DaggerRustError(msg)


def _with_pip(machine: str, folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    wanted = [f"--platform=manylinux2014_{machine}", f"--platform=manylinux_2_12_{machine}", REQUIREMENT]
    _run([*pip, "--disable-pip-version-check", f"--dest={folder}", *wanted])
    (wheel,) = folder.glob("maturin-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith("/scripts/maturin"))
        return _written(folder / "maturin", archive.read(name))


def _with_uv(uv: str, machine: str, folder: Path) -> Path:
    # uv cannot download only, but it installs for other platforms.
    install = [
        uv,
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        f"--python={sys.executable}",
    ]
    target = folder / "maturin-of-uv"
    _run([*install, f"--python-platform={machine}-unknown-linux-musl", f"--target={target}", REQUIREMENT])
    return _written(folder / "maturin", (target / "bin/maturin").read_bytes())


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - pip or uv
    if done.returncode != 0:
        msg = f"maturin could not be downloaded from PyPI: {done.stderr.strip()}\n  {_HINT}"
        raise DaggerRustError(msg)


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o755)
    return path
