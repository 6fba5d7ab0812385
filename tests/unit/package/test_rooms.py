"""The rooms are what CONTRIBUTING says they are, and the public names what type checkers are told."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest_dagger_rust

PACKAGE = Path(pytest_dagger_rust.__file__).parent
CONTRIBUTING = Path(__file__).parents[3] / "CONTRIBUTING.md"
_ROW = re.compile(r"\| `(?P<room>[a-z_/]+)/` \| (?P<sentence>.+) \|")


def first_sentences() -> dict[str, str]:
    """Return the first line of each room's docstring."""
    found: dict[str, str] = {}
    for path in PACKAGE.rglob("__init__.py"):
        room = path.parent.relative_to(PACKAGE).as_posix()
        if room != ".":
            found[room] = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
    return found


def test_contributing_has_every_room_with_its_sentence() -> None:
    """The table of rooms is made of the packages' docstrings."""
    rows = {row["room"]: row["sentence"] for row in _ROW.finditer(CONTRIBUTING.read_text())}
    assert rows == first_sentences()


def test_type_checkers_see_the_public_names() -> None:
    """What is imported for type checkers is what can be imported."""
    (block,) = (
        node for node in ast.parse((PACKAGE / "__init__.py").read_text()).body if isinstance(node, ast.If)
    )
    seen = {
        alias.name: node.module.removeprefix("pytest_dagger_rust.")
        for node in ast.walk(block)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    assert seen == pytest_dagger_rust._MODULES  # pyright: ignore[reportPrivateUsage]


def test_public_names_can_be_imported_and_are_kept() -> None:
    """Each name is there, listed, and looked up once."""
    for name in pytest_dagger_rust.__all__:
        assert getattr(pytest_dagger_rust, name) is getattr(pytest_dagger_rust, name)
        assert name in vars(pytest_dagger_rust)
        assert name in dir(pytest_dagger_rust)
