"""Tests of the documentation: its examples run, its tables are complete, its links lead somewhere."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tomli

import pytest_dagger_rust
from pytest_dagger_rust import DaggerRustError, plugin
from pytest_dagger_rust.plugin.settings import SETTINGS, Setting
from tests.images import python_image
from tests.pytest.terminal import FEWER_PLUGINS

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
PAGES = tuple(sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]))

_BLOCK = re.compile(
    r"^(?:<!-- (?P<note>.*) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE
)
_FILE_NAME = re.compile(r"(?:#|//) (?P<name>[\w./-]+\.\w+)\n")
_LINK = re.compile(r"\]\((?P<file>[^)#\s]*)(?P<anchor>#[^)\s]+)?\)")
_HEADING = re.compile(r"^#+ (?P<title>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code on a page; `file` is the name its first line gives it, `note` the comment above it."""

    language: str
    text: str
    note: str

    @property
    def file(self) -> str | None:
        """The file the block shows, None for a block that only illustrates."""
        name = _FILE_NAME.match(self.text)
        return name["name"] if name else None

    @property
    def runs(self) -> bool:
        """Whether the block is part of an example that can be run here."""
        return self.file is not None and not self.note.startswith("not run")


def blocks_of(page: Path) -> list[Block]:
    """Read all blocks of code of a page."""
    return [Block(m["language"], m["text"], m["note"] or "") for m in _BLOCK.finditer(page.read_text())]


def project_of(page: Path) -> dict[str, str]:
    """Put the blocks of a page together: one project, with a file for each name."""
    files: dict[str, str] = {}
    for block in blocks_of(page):
        if block.file is not None and block.runs:
            assert block.file not in files, f"{page.name} shows {block.file} twice"
            files[block.file] = block.text
    return files


def in_our_images(text: str) -> str:
    """Replace the default images by those the tests are told to use."""
    for image, variable in (("rust:1-trixie", "BUILDER_IMAGE"), ("debian:trixie-slim", "RUNTIME_IMAGE")):
        text = text.replace(image, os.environ.get(f"PYTEST_DAGGER_RUST_{variable}", image))
    return text.replace("python:3.13-slim", python_image()) if "python:3.13-slim" in text else text


PROJECTS = {page: files for page in PAGES if (files := project_of(page))}


def test_there_are_examples() -> None:
    """The pages with runnable examples are found, and none of them has lost its tests."""
    names = {page.name for page in PROJECTS}
    assert {"README.md", "configuration.md", "writing-tests.md"} <= names
    for page, files in PROJECTS.items():
        assert any(name.startswith("tests/") for name in files), page


@pytest.mark.parametrize("page", PROJECTS, ids=lambda page: page.name)
def test_examples_run(page: Path, pytester: pytest.Pytester) -> None:
    """The examples of a page are one project, whose tests pass and whose scripts run."""
    lay_out(pytester.path, PROJECTS[page])
    uses_hypothesis = any("hypothesis" in text for text in PROJECTS[page].values())
    result = pytester.runpytest_subprocess(
        *(FEWER_PLUGINS[:-2] if uses_hypothesis else FEWER_PLUGINS), timeout=300
    )
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed"}, result.stdout.str()
    # A parametrized test passes more than once.
    assert outcomes["passed"] >= sum(map(count_tests, PROJECTS[page].values()))
    for name in PROJECTS[page]:
        if name.endswith(".py") and "/" not in name and name != "conftest.py":
            subprocess.run([sys.executable, name], cwd=pytester.path, check=True)


def count_tests(text: str) -> int:
    """Count the tests of a file, Rust's as well."""
    return text.count("def test_") + text.count("#[test]")


def lay_out(folder: Path, files: Mapping[str, str]) -> None:
    """Write the files of a project."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(in_our_images(text) if name.endswith(".py") else text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_is_well_formed(page: Path) -> None:
    """Blocks of Python compile, and blocks of TOML can be read, the ones that are not run as well."""
    for block in blocks_of(page):
        if block.language == "python":
            compile(block.text, page.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        elif block.language == "toml":
            tomli.loads(block.text)


def rows_below(page: Path, first_cell: str) -> list[list[str]]:
    """Return the cells of the table whose first column has this title."""
    _, _, rest = page.read_text().partition(f"\n| {first_cell} |")
    table = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table]


def default_of(setting: Setting) -> str | None:
    """Return a default as the documentation shows it, None for one that depends on other things."""
    if setting.default is None:
        return None
    if setting.kind == "switch":
        return f"`{str(setting.default).lower()}`"
    return "none" if setting.default == () else f"`{setting.default}`"


def test_the_table_of_settings_is_complete() -> None:
    """Names in all three places, and defaults, are those of the code, in its order."""
    rows = rows_below(ROOT / "docs/configuration.md", "setting")
    assert [row[0] for row in rows] == [f"`{setting.name}`" for setting in SETTINGS]
    for setting, row in zip(SETTINGS, rows, strict=True):
        assert row[1:4] == [f"`{name}`" for name in (setting.option, setting.env, setting.ini)]
        assert row[4] == (default_of(setting) or row[4])
        assert row[4]


def test_the_table_of_old_names_is_complete() -> None:
    """Each setting that had another name is in the table, with the name to write."""
    rows = rows_below(ROOT / "docs/configuration.md", "old ini option")
    renamed = [(old.ini, setting.ini) for setting in SETTINGS if (old := setting.deprecated)]
    assert sorted(map(tuple, rows)) == sorted((f"`{old}`", f"`{new}`") for old, new in renamed)


def test_the_table_of_fixtures_is_complete() -> None:
    """Each fixture of the plugin is in the table, and no other."""
    rows = rows_below(ROOT / "docs/configuration.md", "fixture")
    fixtures = {f"`{name}`" for name in plugin.__all__ if not name.startswith("_")}
    assert sorted(row[0] for row in rows) == sorted(fixtures)


def test_the_reference_is_complete() -> None:
    """Each exported name has its place on the page that is made from docstrings, once."""
    named = re.findall(
        r"^::: pytest_dagger_rust\.(\w+)$", (ROOT / "docs/reference.md").read_text(), re.MULTILINE
    )
    # The version is a plain value, without a docstring.
    assert sorted(named) == sorted(set(pytest_dagger_rust.__all__) - {"__version__"})


def test_the_table_of_errors_is_complete() -> None:
    """Each error a user can catch is in the table, and no other."""
    rows = rows_below(ROOT / "docs/errors.md", "error")
    exported = (getattr(pytest_dagger_rust, name) for name in pytest_dagger_rust.__all__)
    errors = {
        f"`{item.__name__}`"
        for item in exported
        if isinstance(item, type) and issubclass(item, DaggerRustError)
    }
    assert sorted(row[0] for row in rows) == sorted(errors)


def anchors_of(page: Path) -> set[str]:
    """Return the anchors that a page's headings get on the hosting site."""
    titles = (heading["title"].lower() for heading in _HEADING.finditer(page.read_text()))
    return {"#" + re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links name files that exist, and anchors name headings."""
    for link in _LINK.finditer(page.read_text()):
        if "://" in link["file"]:
            continue
        target = (page.parent / link["file"]) if link["file"] else page
        assert target.exists(), f"{page.name} links to {link['file']}"
        if link["anchor"]:
            assert link["anchor"] in anchors_of(target), (
                f"{page.name} links to {link['file']}{link['anchor']}"
            )
