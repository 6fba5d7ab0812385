"""Rust tests as `cargo test` has them: which packages, which surroundings, which names, and none lost in silence."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.pytest.conftest import PYTEST_INI, Project, lay_out
from tests.pytest.rust_workspace import manifest

if TYPE_CHECKING:
    from pathlib import Path

LIBRARY = r"""
#![doc = include_str!("../README.md")]
pub struct Wrapper<T>(pub T);
impl Wrapper<[u8; 2]> {
    /// ```
    /// assert_eq!(1 + 1, 2);
    /// ```
    pub fn two(&self) {}
}
#[test]
fn r#match() {}
#[test]
fn the_profile_is_that_of_tests() { assert!(!cfg!(debug_assertions)); }
"""

INTEGRATION = r"""
use std::{fs, path::Path, process::Command, thread, time::Duration};

#[test]
fn the_example_is_where_cargo_puts_it() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/examples/child");
    assert!(Command::new(program).status().unwrap().success());
}
fn takes_its_turn() {
    let made = fs::OpenOptions::new().write(true).create_new(true).open("/tmp/taken");
    thread::sleep(Duration::from_millis(700));
    made.unwrap();
    fs::remove_file("/tmp/taken").unwrap();
}
#[test]
fn turn_a() { takes_its_turn() }
#[test]
fn turn_b() { takes_its_turn() }
#[test]
fn turn_c() { takes_its_turn() }
"""

CLOSED = r"""
extern "C" { fn close(file: i32) -> i32; fn atexit(function: extern "C" fn()) -> i32; }
extern "C" fn talk() { for site in 0..100 { println!("allocation site {site}"); } }
#[test]
fn closes_stdout() { unsafe { close(1) }; }
#[test]
fn talks_at_exit() { unsafe { atexit(talk) }; }
"""

SETTINGS = """
dagger_rust_collect_rust_tests = true
dagger_rust_tests_alone = *::turn_*
testpaths = tests
"""

FILES = {
    "pytest.ini": PYTEST_INI + SETTINGS,
    "tests/test_any.py": "def test_any():\n    pass\n",
    "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\ndefault-members = ["crates/build"]\nresolver = "2"\n'
    "[profile.dev]\npanic = 'abort'\n[profile.test]\ndebug-assertions = false\n",
    "Cargo.lock": "version = 4\n\n"
    + "\n".join(f'[[package]]\nname = "{name}"\nversion = "0.1.0"\n' for name in ("firmware", "heart")),
    "crates/build/Cargo.toml": manifest("heart"),
    "crates/build/README.md": "A heart.\n\n```\nassert!(true);\n```\n",
    "crates/build/src/lib.rs": LIBRARY,
    "crates/build/examples/child.rs": "fn main() {}\n",
    "crates/build/tests/it.rs": INTEGRATION,
    "crates/build/closed.rs": CLOSED,
    "crates/build/test_of_python.py": "def test_not_collected():\n    pass\n",
    "crates/firmware/Cargo.toml": manifest("firmware"),
    "crates/firmware/src/main.rs": "#![no_std]\n#![no_main]\n#[panic_handler]\n"
    "fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }\n",
}
NAMES = {
    "crates/build/src/lib.rs::r#match",
    "crates/build/src/lib.rs::the_profile_is_that_of_tests",
    "crates/build/tests/it.rs::the_example_is_where_cargo_puts_it",
    *(f"crates/build/tests/it.rs::turn_{letter}" for letter in "abc"),
    "crates/build/tests/linked.rs::closes_stdout",
    "crates/build/tests/linked.rs::talks_at_exit",
}


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace no test changes, so that its tests are built once."""
    folder = lay_out(tmp_path_factory.mktemp("as-cargo"), FILES)
    (folder / "crates/build/tests/linked.rs").symlink_to("../closed.rs")
    return folder


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workspace: Path) -> Project:
    """The workspace's folder, as the rootdir of pytest runs."""
    monkeypatch.chdir(workspace)
    return Project(pytester)


def outcomes(result: pytest.RunResult) -> dict[str, str]:
    """Return the outcome of each test by its node id, which may have spaces, from a run with -v."""
    pattern = r"^(\S+\.(?:py|rs)::.+?) (PASSED|FAILED|SKIPPED)"
    return dict(re.findall(pattern, result.stdout.str(), re.MULTILINE))


def test_what_cargo_test_runs_passes_here(project: Project) -> None:
    """In a folder called build, by links, with output anywhere, one at a time; and each by its own id."""
    ran = outcomes(project.pytest("-v"))
    assert set(ran.values()) == {"PASSED"}
    doctests = {name for name in ran if "::doctests::" in name}
    assert len(doctests) == 2
    assert set(ran) - doctests == {*NAMES, "tests/test_any.py::test_any"}
    odd = sorted({*doctests, "crates/build/src/lib.rs::r#match"})
    assert any("[" in name for name in odd)
    result = project.pytest("-v", *odd)
    assert set(outcomes(result)) == set(odd)
    result.stdout.fnmatch_lines(["Rust tests: 3 of 10 collected; *"])


def test_a_selection_without_rust_tests_says_so(project: Project) -> None:
    """Where they were asked for."""
    result = project.pytest("tests")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["Rust tests: none collected; *"])


def test_the_tests_of_a_binary_share_a_process_where_that_is_asked_for(project: Project) -> None:
    """With the same outcomes, and one at a time where one thread is asked for."""
    result = project.pytest(
        "-v", "--dagger-rust-test-process=binary", "crates/build/tests/linked.rs", "-k", "talks"
    )
    result.assert_outcomes(passed=1, deselected=1)
