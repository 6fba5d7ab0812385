"""Tests of the page about security: each promise names a test, and each test that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/security.md"

_TEST = re.compile(r"\[`(?P<file>tests/[^`:]+)(?:::(?P<name>\w+))?`\]\((?P<link>[^)]+)\)")
_ITEM = re.compile(r"^- .+\n(?: .+\n)*", re.MULTILINE)


def promises() -> list[str]:
    """Return the items of the list of promises."""
    _, _, rest = PAGE.read_text().partition("\n## What is promised\n")
    return _ITEM.findall(rest.partition("\n## ")[0])


def title_of(promise: str) -> str:
    """Return what a promise says in bold."""
    found = re.search(r"\*\*(.+?)\*\*", promise, re.DOTALL)
    assert found is not None, promise
    return found[1]


def test_there_are_promises() -> None:
    """The page has them in lists, below a heading for each of whom they are against."""
    assert len(promises()) > 20
    assert len(_TEST.findall(PAGE.read_text())) == sum(len(_TEST.findall(item)) for item in promises())


@pytest.mark.parametrize("promise", promises(), ids=title_of)
def test_each_promise_has_its_tests(promise: str) -> None:
    """Files and functions are there, and links lead to the files."""
    tests = list(_TEST.finditer(promise))
    assert tests, "no test is named"
    for test in tests:
        path = ROOT / test["file"]
        assert (PAGE.parent / test["link"]).resolve() == path
        assert path.is_file()
        tree = ast.parse(path.read_text())
        functions = {n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}
        assert test["name"] is None or test["name"] in functions, test["name"]
