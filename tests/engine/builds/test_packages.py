"""Downloaded packages: what one project does to them is in no other, and no build is slower for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.engine.scenario import Scenario

    MakeScenario = Callable[[Mapping[str, str]], Scenario]

MANIFEST = (
    '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\ncfg-if = "=1.0.0"\n'
)
LOCK = """\
version = 3

[[package]]
name = "app"
version = "0.1.0"
dependencies = [
 "cfg-if",
]

[[package]]
name = "cfg-if"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "baf1de4339761588bc0619e3cbc0120ee582ebb74b53b4efbf79117bd2da40fd"
"""
MAIN = 'cfg_if::cfg_if! { if #[cfg(unix)] { fn main() { println!("clean"); } } else { fn main() {} } }\n'
FILES = {"Cargo.toml": MANIFEST, "Cargo.lock": LOCK, "src/main.rs": MAIN}

# Changes each source and each download that it finds, and says in a binary of its own how many these were.
HOSTILE = """\
use std::{fs, io::Write, path::Path};
fn damage(folder: &Path, found: &mut u32) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let name = path.to_string_lossy().into_owned();
        let write = |text: &[u8]| fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(text).unwrap();
        if path.is_dir() && !path.is_symlink() {
            damage(&path, found);
        } else if name.contains("cfg-if") && name.ends_with("lib.rs") {
            write(b"compile_error!(\\"POISONED\\");");
            *found += 1;
        } else if name.ends_with(".crate") {
            fs::write(&path, "POISONED").unwrap();
            *found += 1;
        }
    }
}
fn main() {
    let mut found = 0;
    for entry in fs::read_dir("/").unwrap().flatten() {
        if entry.file_name().to_string_lossy().contains("pytest-dagger-rust") {
            damage(&entry.path(), &mut found);
        }
    }
    println!("cargo:rustc-env=FOUND={found}");
}
"""


def test_what_a_build_script_does_to_packages_is_in_no_other_build(make_scenario: MakeScenario) -> None:
    """It finds sources and archives, and changes them: another project's build, and the next of its own, are right."""
    attacker = make_scenario(FILES)
    attacker.write(
        {"build.rs": HOSTILE, "src/bin/found.rs": 'fn main() { println!("{}", env!("FOUND")); }\n'}
    )
    assert int(attacker.output("found")) >= 2
    assert make_scenario(FILES).output(locked=True) == "clean\n"
    attacker.remove("build.rs")
    attacker.remove("src/bin/found.rs")
    assert attacker.output("app", profile="release") == "clean\n"
