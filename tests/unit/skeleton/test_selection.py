"""Flags for the real workspace become flags for its skeleton."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.builds.options import CargoOptions
from pytest_dagger_rust.errors import WorkspaceError
from pytest_dagger_rust.workspace import RustWorkspace
from tests.cargo.builds import Wanted
from tests.cargo.layouts import LIB, MAIN, package

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_dagger_rust.skeleton.skeleton import Skeleton


FILES = {
    "Cargo.toml": '[workspace]\nmembers = ["bare", "cli", "core", "suite", "web"]\ndefault-members = ["cli", "core", "suite"]\nresolver = "2"\n',
    "cli/Cargo.toml": package("cli"),
    "cli/src/main.rs": MAIN,
    "cli/src/bin/helper.rs": MAIN,
    "core/Cargo.toml": package("core"),
    "core/src/lib.rs": LIB,
    "core/examples/shown.rs": MAIN,
    "suite/Cargo.toml": package("suite"),
    "suite/tests/all.rs": "",
    "bare/Cargo.toml": package("bare"),
    "bare/src/main.rs": "#![no_std]\n#![no_main]\n",
    "web/Cargo.toml": package("web"),
    "web/src/main.rs": MAIN,
}
P = "--package"


@pytest.fixture
def skeleton(tree: Callable[[Mapping[str, str]], Path]) -> Skeleton:
    """The skeleton of a workspace with binaries, a library and a package of tests only."""
    return RustWorkspace.load(tree(FILES)).skeleton()


@pytest.mark.parametrize(
    ("wanted", "flags"),
    [
        (Wanted(), (P, "cli", P, "core", P, "suite", "--lib")),
        (Wanted(packages=("web",)), (P, "web", "--lib")),
        (Wanted(packages=("web", "cli", "core", "suite", "bare")), ("--workspace", "--lib")),
        (Wanted(packages=("*",)), ("--workspace", "--lib")),
        (Wanted(packages=("suite",)), (P, "suite")),
        (Wanted(packages=("web@0.1.0",)), (P, "web", "--lib")),
        (Wanted(packages=("path+file:///x/web#0.1.0",)), (P, "web", "--lib")),
        (Wanted(packages=("path+file:///x#web@0.1.0",)), (P, "web", "--lib")),
        (Wanted(packages=("web", "serde")), (P, "web", P, "serde", "--lib")),
        (Wanted(bins=("cli",)), (P, "cli", P, "core", P, "suite", "--bin", "skeleton-cli")),
        (Wanted(packages=("cli",), bins=("cli", "helper")), (P, "cli", "--lib")),
        (Wanted(packages=("cli", "web"), bins=("*",)), (P, "cli", P, "web", "--lib")),
        (Wanted(packages=("bare", "web"), bins=("bare",)), (P, "bare", P, "web", "--lib")),
        (Wanted(examples=("shown",)), (P, "cli", P, "core", P, "suite", "--example", "skeleton-core")),
        (
            Wanted(packages=("core", "web"), bins=("web",), examples=("sh*",)),
            (P, "core", P, "web", "--bin", "skeleton-web", "--example", "skeleton-core"),
        ),
    ],
)
def test_translation(skeleton: Skeleton, wanted: Wanted, flags: tuple[str, ...]) -> None:
    """The packages stay, as features are unified over them; targets become those of the stubs."""
    assert skeleton.selection(wanted) == flags


@pytest.mark.parametrize(
    ("wanted", "flags"),
    [
        (Wanted(packages=("*",)), ("--workspace", "--lib", "--examples")),
        (Wanted(packages=("suite",)), (P, "suite", "--examples")),
    ],
)
def test_tests_need_development_dependencies(
    skeleton: Skeleton, wanted: Wanted, flags: tuple[str, ...]
) -> None:
    """The stub examples get them compiled, also for a package that has nothing but tests."""
    assert skeleton.selection(wanted, tests=True) == flags


@pytest.mark.parametrize(
    ("wanted", "words", "there"),
    [
        (Wanted(bins=("web",)), "no bin named `web`", "cli, helper"),
        (Wanted(examples=("other",)), "no example named `other`", "shown"),
        (Wanted(packages=("core",), bins=("x",)), "no bin named `x`", "none"),
        (Wanted(packages=("x*",)), "matches `x*`", "bare, cli, core, suite, web"),
    ],
)
def test_what_is_not_there_is_said(skeleton: Skeleton, wanted: Wanted, words: str, there: str) -> None:
    """A target that the selected packages do not have is an error that names those they have."""
    with pytest.raises(WorkspaceError) as caught:
        skeleton.selection(wanted)
    assert words in caught.value.message
    assert there in (caught.value.hint or "")


def test_the_options_of_a_build_are_a_selection(skeleton: Skeleton) -> None:
    """What a user configures for a build can be handed over as it is."""
    assert skeleton.selection(CargoOptions(packages=("web",))) == (P, "web", "--lib")
