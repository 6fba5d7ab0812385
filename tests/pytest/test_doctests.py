"""Tests of doctests as items of pytest: how they are collected, run and reported."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.pytest.conftest import PYTEST_INI, Project, lay_out
from tests.pytest.rust_workspace import manifest

if TYPE_CHECKING:
    from pathlib import Path

LIBRARY = r"""
//! Documented by examples, which are tests.
//!
//! ```
//! cfg_if::cfg_if! { if #[cfg(unix)] { assert_eq!(documented::deep::one(), 1); } }
//! assert!(!std::path::Path::new("left.txt").exists(), "left by an earlier run");
//! std::fs::write("left.txt", "behind").unwrap();
//! ```

/// ```
/// println!("printed by the doctest");
/// assert_eq!(documented::deep::one(), 2, "sums");
/// ```
/// ```should_panic
/// assert!(!std::path::Path::new("src/lib.rs").exists());
/// ```
/// ```no_run
/// loop {}
/// ```
/// ```compile_fail
/// let number: i32 = "";
/// ```
/// ```ignore
/// nothing that compiles
/// ```
/// ```
/// nowhere();
/// ```
pub fn two() {}

pub mod deep;

#[test]
fn beside_them() {}
"""
DEEP = r"""
/// ```
/// assert_eq!(documented::deep::one(), 1);
/// ```
pub fn one() -> i32 { 1 }
"""
FILES = {
    "Cargo.toml": '[workspace]\nmembers = ["documented"]\nresolver = "2"\n',
    "documented/Cargo.toml": manifest("documented", '[dev-dependencies]\ncfg-if = "1"\n'),
    "documented/src/lib.rs": LIBRARY,
    "documented/src/deep.rs": DEEP,
    "pytest.ini": f"{PYTEST_INI}dagger_rust_collect_rust_tests = true\n",
}
ROOT = "documented/src/lib.rs::doctests"
ENDS = {
    "documented/src/lib.rs::beside_them": "passed",
    f"{ROOT}::(line 4)": "passed",
    f"{ROOT}::deep::one (line 2)": "passed",
    f"{ROOT}::two (line 10)": "failed",
    f"{ROOT}::two (line 14)": "passed",
    f"{ROOT}::two (line 17)": "passed",
    f"{ROOT}::two (line 20)": "passed",
    f"{ROOT}::two (line 23)": "skipped",
    f"{ROOT}::two (line 26)": "failed",
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace no test changes, so that its doctests are listed once."""
    return lay_out(tmp_path_factory.mktemp("doctests"), FILES)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workspace: Path) -> Project:
    """The workspace's folder, as the rootdir of pytest runs."""
    monkeypatch.chdir(workspace)
    return Project(pytester)


def outcomes(result: pytest.RunResult) -> dict[str, str]:
    """Return the outcome of each test by its node id, from a run with -v."""
    lines = re.findall(r"^(\S+\.rs::.+) (PASSED|FAILED|SKIPPED)", result.stdout.str(), re.MULTILINE)
    return {name: outcome.lower() for name, outcome in lines}


def test_every_doctest_is_an_item(project: Project) -> None:
    """Each with its own outcome and output, below its library, and run in the folder of the package."""
    result = project.pytest("-v", "-rs", "documented")
    assert outcomes(result) == ENDS
    result.stdout.fnmatch_lines(
        [
            "*_ doctests::two (line 10) _*",
            "assertion `left == right` failed: sums",
            "*printed by the doctest*",
            "*_ doctests::two (line 26) _*",
            "error?E0425?: cannot find function `nowhere` in this scope",
            "SKIPPED * documented/src/lib.rs: ```ignore",
        ]
    )
    assert result.stdout.str().count("printed by the doctest") == 1
    assert ".py" not in result.stdout.str().partition("collected")[2]


def test_doctests_are_selected(project: Project) -> None:
    """By node id, expression and marker, as any test, and really run again: nothing is left of the first run."""
    deep = f"{ROOT}::deep::one (line 2)"
    first = f"{ROOT}::(line 4)"
    assert outcomes(project.pytest("-v", deep, first)) == {deep: "passed", first: "passed"}
    ran = outcomes(project.pytest("-v", "--dagger-rust-ignored-tests=only", "documented"))
    assert ran == {f"{ROOT}::two (line 23)": "failed"}


PROGRAM = {"Cargo.toml": manifest("program"), "src/main.rs": "fn main() {}\n#[test]\nfn fine() {}\n"}


def test_packages_without_a_library_have_none(bare_project: Project) -> None:
    """Cargo would refuse to look for doctests there."""
    lay_out(bare_project.folder, PROGRAM)
    result = bare_project.pytest("--dagger-rust-collect-rust-tests", "src/main.rs")
    result.assert_outcomes(passed=1)
