"""Names the files that this run of pytest writes: inside the workspace they would count as changed sources."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

from pytest_dagger_rust.plugin.settings import SETTINGS
from pytest_dagger_rust.plugin.state import SETTINGS_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pytest

# Options of pytest and of widely used plugins whose value is a file to write.
_OPTIONS = ("xmlpath", "log_file", "report_log", "htmlpath", "json_report_file")

# Data of coverage.py, and by kind of report where pytest-cov writes it unless a path is given.
_COVERAGE = (".coverage", ".coverage.*")
_REPORTS = {"xml": "coverage.xml", "html": "htmlcov", "json": "coverage.json", "lcov": "coverage.lcov"}


def with_own_files(excludes: Sequence[str], config: pytest.Config, root: Path) -> tuple[str, ...]:
    """Return the patterns with those for what this run writes into the workspace at `root`."""
    start = os.path.realpath(root)
    paths = (os.path.relpath(os.path.realpath(path), start) for path in _written(config))
    own = (
        "/" + re.sub(r"[*?\[\]\\ ]", r"\\\g<0>", path)
        for path in paths
        if not path.startswith(os.pardir) and path != os.curdir
    )
    return (*excludes, *_COVERAGE, *dict.fromkeys(own))


def _written(config: pytest.Config) -> Iterator[Path]:
    folder, settings = config.invocation_params.dir, config.stash[SETTINGS_KEY]
    named = [settings[setting.name] for setting in SETTINGS if setting.kind == "file"]
    named += [config.getoption(name, None) for name in _OPTIONS]
    named += list(_coverage_reports(config.getoption("cov_report", None)))
    for path in named:
        if path:
            yield folder / os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111 - as pytest reads it


def _coverage_reports(wanted: Any) -> Iterator[str]:
    if isinstance(wanted, dict):
        for kind, path in wanted.items():  # pyright: ignore[reportUnknownVariableType]
            yield str(path or _REPORTS.get(str(kind), ""))  # pyright: ignore[reportUnknownArgumentType]
