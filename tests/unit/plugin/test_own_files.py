"""Tests of which files of a run are no sources."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust.builds.archive import disk_entries
from pytest_dagger_rust.plugin.own_files import with_own_files
from pytest_dagger_rust.plugin.settings import resolve
from pytest_dagger_rust.plugin.state import SETTINGS_KEY

if TYPE_CHECKING:
    from pathlib import Path


def _config(folder: Path, options: dict[str, Any], **settings: str) -> Any:
    stash = pytest.Stash()
    stash[SETTINGS_KEY] = resolve(settings, {}, {})
    place = SimpleNamespace(dir=folder)
    return SimpleNamespace(invocation_params=place, stash=stash, getoption=options.get)


def _sent(root: Path, excludes: tuple[str, ...]) -> set[str]:
    return {entry.path for entry in disk_entries(root, root, excludes)}


def test_what_a_run_writes_into_the_workspace_is_no_source(tmp_path: Path) -> None:
    """Reports of pytest, of pytest-cov and of this plugin, wherever pytest is started."""
    written = [
        "out/junit.xml",
        "page[1].html",
        ".coverage",
        "out/.coverage.host.1",
        "coverage.xml",
        "htmlcov/index.html",
    ]
    for name in (*written, "main.rs", "page1.html", "junit.xml", "out/coverage.xml", "tests/a.rs"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    options = {
        "xmlpath": "../out/junit.xml",
        "cov_report": {"xml": "../coverage.xml", "html": "../htmlcov", "term": None},
    }
    config = _config(tmp_path / "tests", options, html_report=str(tmp_path / "page[1].html"))
    excludes = with_own_files(["*.md"], config, tmp_path)
    assert excludes[0] == "*.md"
    assert _sent(tmp_path, excludes) == {
        "main.rs",
        "page1.html",
        "junit.xml",
        "out/coverage.xml",
        "tests/a.rs",
    }


def test_reports_of_coverage_have_names_of_their_own(tmp_path: Path) -> None:
    """Where pytest-cov is given none."""
    config = _config(tmp_path, {"cov_report": {"xml": None, "html": None, "term-missing": None}})
    assert with_own_files([], config, tmp_path)[2:] == ("/coverage.xml", "/htmlcov")


def test_files_elsewhere_need_no_pattern(tmp_path: Path) -> None:
    """Nor does the workspace itself become one."""
    (tmp_path / "rust").mkdir()
    config = _config(
        tmp_path, {"xmlpath": "junit.xml", "cov_report": {"html": "rust"}}, gitlab_report="a.json"
    )
    assert with_own_files([], config, tmp_path / "rust") == (".coverage", ".coverage.*")
