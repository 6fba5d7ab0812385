"""Newer Dagger SDKs beside the installed one; `python -m dev.newest_sdk` checks the package's types against each."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import tomli

from dev.stack.settings import CHECKOUT, Settings, content_key
from dev.stack.shell import main, run

# Groups of pyproject.toml: the newest that is released, and the one of the engine to come.
NEWEST, BETA = "newest-sdk", "beta-sdk"
PYTHON = Path(sys.executable)


def folder(group: str) -> Path:
    """Return the folder to put first on the path of imports; fetch the group's SDK into it unless that is done."""
    groups = tomli.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["dependency-groups"]
    where = Settings.from_environment(os.environ).cache / "sdk" / content_key(*groups[group])
    if not where.is_dir():
        where.parent.mkdir(parents=True, exist_ok=True)
        _fetch(group, where)
    return where


def _fetch(group: str, where: Path) -> None:
    with tempfile.TemporaryDirectory(dir=where.parent) as unfinished:
        target = Path(unfinished) / "sdk"
        # Its dependencies are those of the installed one, which the constraints pin.
        pip: list[str | Path] = [PYTHON, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        run([*pip, "--no-deps", "--group", group, "--target", target], cwd=CHECKOUT)
        try:
            target.rename(where)
        except OSError:
            # Another process was quicker.
            if not where.is_dir():
                raise


def check_types() -> None:
    """Run pyright on the package, with each SDK in front of the installed one."""
    for group in (NEWEST, BETA):
        _check_types(folder(group))


def _check_types(sdk: Path) -> None:
    config = {
        "extends": _relative(CHECKOUT / "pyproject.toml", sdk),
        "include": [_relative(CHECKOUT / "pytest_dagger_rust", sdk)],
        "extraPaths": [".", _relative(CHECKOUT, sdk)],
    }
    file = sdk / f"pyright-{content_key(str(CHECKOUT))}.json"
    file.write_text(json.dumps(config), "utf-8")
    run([PYTHON.parent / "pyright", "--project", file])


def _relative(path: Path, start: Path) -> str:
    # pyright takes no absolute paths here.
    return os.path.relpath(path, start)


if __name__ == "__main__":
    main("newer SDKs", check_types)
