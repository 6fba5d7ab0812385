"""The project's virtual environment, made and kept up to date by `python -m dev.venv`."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from dev.stack import packages
from dev.stack.settings import CHECKOUT, StackError, content_key
from dev.stack.shell import main, run, step

FOLDER = CHECKOUT / ".venv"
STAMP = FOLDER / "installed"
CONSTRAINTS = CHECKOUT / "constraints.txt"


def wanted() -> str:
    """Name what should be installed: it changes with the requirements and with the checkout's place."""
    return content_key(str(CHECKOUT), (CHECKOUT / "pyproject.toml").read_bytes(), CONSTRAINTS.read_bytes())


def ensure() -> None:
    """Install the project and its tools, unless exactly that is already done."""
    if STAMP.is_file() and STAMP.read_text() == wanted() and (FOLDER / "bin" / "python").exists():
        return
    with step("installing the project and its tools into .venv"):
        STAMP.unlink(missing_ok=True)
        if not _has_pip():
            _create()
        _install()
        STAMP.write_text(wanted())


def _has_pip() -> bool:
    try:
        run([FOLDER / "bin" / "python", "-m", "pip", "--version"])
    except StackError:
        return False
    return True


def _create() -> None:
    if importlib.util.find_spec("ensurepip") is None:
        packages.install(["python3-venv"])
    run([Path(sys.executable), "-m", "venv", "--clear", FOLDER])


def _install() -> None:
    pip: list[str | Path] = [
        FOLDER / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--constraint",
        CONSTRAINTS,
    ]
    run([*pip, "pip"], cwd=CHECKOUT)
    run([*pip, "--build-constraint", CONSTRAINTS, "--group", "dev", "--editable", "."], cwd=CHECKOUT)


if __name__ == "__main__":
    main("venv", ensure)
