"""Tests of whether a skeleton has anything to compile but stubs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.workspace import RustWorkspace
from tests.cargo.layouts import LIB, MAIN, package

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

CASES: dict[str, tuple[str, bool]] = {
    "none": ("", False),
    "a member": ('[dependencies]\nlibrary = { path = "library" }\n', False),
    "a member, as the workspace says": ("[dependencies]\nlibrary.workspace = true\n", False),
    "from a registry": ('[dependencies]\nlog = "0.4"\n', True),
    "from a registry, as the workspace says": ("[dependencies]\nlog.workspace = true\n", True),
    "from a repository": ('[dependencies]\nlog = { git = "https://example.invalid/log" }\n', True),
    "of tests": ('[dev-dependencies]\nlog = "0.4"\n', True),
    "of the build script": ('[build-dependencies]\nlog = "0.4"\n', True),
    "for one platform": ('[target."cfg(windows)".dependencies]\nlog = "0.4"\n', True),
    "a package that is no member": ('[dependencies]\nbeside = { path = "beside" }\n', True),
}


@pytest.mark.parametrize("case", CASES)
def test_something_is_to_be_compiled(tree: Callable[[Mapping[str, str]], Path], case: str) -> None:
    """Any dependency that is no stub counts, whoever needs it."""
    rest, expected = CASES[case]
    shared = '[workspace.dependencies]\nlog = "0.4"\nlibrary = { path = "library" }\n'
    root = tree(
        {
            "Cargo.toml": f'{package("app")}{rest}[workspace]\nmembers = ["library"]\nexclude = ["beside"]\n{shared}',
            "src/main.rs": MAIN,
            "library/Cargo.toml": package("library"),
            "library/src/lib.rs": LIB,
            "beside/Cargo.toml": package("beside"),
            "beside/src/lib.rs": LIB,
        }
    )
    assert RustWorkspace.load(root).skeleton().has_dependencies is expected
