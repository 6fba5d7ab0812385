"""Files and packages of the repository beside the workspace: what builds read there, and what links lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.pytest.conftest import PYTEST_INI, lay_out
from tests.pytest.rust_workspace import manifest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pytest.conftest import Project

BUILD_SCRIPT = r"""
use std::{env, fs, path::Path};
fn main() {
    println!("cargo::rerun-if-changed=../../../proto");
    let words = fs::read_to_string("../../../proto/words.txt").unwrap();
    let text = format!("pub const WORDS: usize = {};", words.lines().count());
    fs::write(Path::new(&env::var("OUT_DIR").unwrap()).join("words.rs"), text).unwrap();
}
"""
MAIN = r"""
include!(concat!(env!("OUT_DIR"), "/words.rs"));
fn main() {
    println!("{WORDS} {} {}", include_str!("../../../../README.md"), shared::WORD);
}
"""
SETTINGS = """
testpaths = tests
dagger_rust_workspace = rust
dagger_rust_collect_rust_tests = true
dagger_rust_source_includes =
    ../proto
    ../README.md
"""
FILES = {
    "pytest.ini": PYTEST_INI + SETTINGS,
    "tests/test_app.py": "def test_app(rust_build):\n    print(rust_build.run('app').stdout)\n",
    "README.md": "readme",
    "proto/words.txt": "one\ntwo\n",
    "rust/Cargo.toml": '[workspace]\nmembers = ["crates/*"]\nresolver = "2"\n',
    "rust/Cargo.lock": 'version = 4\n\n[[package]]\nname = "app"\nversion = "0.1.0"\ndependencies = ["shared"]\n\n'
    '[[package]]\nname = "shared"\nversion = "0.1.0"\n',
    "rust/crates/app/Cargo.toml": manifest("app") + '[dependencies]\nshared = { path = "../shared" }\n',
    "rust/crates/app/build.rs": BUILD_SCRIPT,
    "rust/crates/app/src/main.rs": MAIN,
    "shared/Cargo.toml": manifest("shared"),
    "shared/src/lib.rs": 'mod inner;\npub use inner::WORD;\n#[test]\nfn a_word() { assert_eq!(WORD, "shared"); }\n',
    "shared/src/inner.rs": 'pub const WORD: &str = "shared";\n',
}


def laid_out(folder: Path) -> Path:
    """Write a project whose workspace needs three things beside it, a crate through a link among them."""
    lay_out(folder, FILES)
    (folder / "rust/crates/shared").symlink_to("../../shared")
    return folder


def test_what_a_build_needs_beside_the_workspace(bare_project: Project) -> None:
    """It is there, the linked crate's Rust tests are collected, and an edit of each of them rebuilds the program."""
    folder = laid_out(bare_project.folder)
    result = bare_project.pytest("-rP", "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*rust/crates/shared/src/lib.rs::a_word PASSED*", "2 readme shared"])
    edits = {
        "proto/words.txt": "one\n",
        "README.md": "edited",
        "shared/src/inner.rs": 'pub const WORD: &str = "linked";',
    }
    lay_out(folder, edits)
    result = bare_project.pytest("-rP", "--dagger-rust-no-collect-rust-tests")
    result.stdout.fnmatch_lines(["1 edited linked"])


def test_what_is_not_there(bare_project: Project) -> None:
    """A path that is wrong is one sentence, before anything is built."""
    lay_out(laid_out(bare_project.folder), {"pytest.ini": PYTEST_INI + SETTINGS.replace("proto", "protos")})
    result = bare_project.pytest("tests", "--dagger-rust-no-collect-rust-tests")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["ConfigurationError: source_includes: there is no `../protos` beside `*rust`."]
    )
