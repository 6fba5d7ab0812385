"""A workspace with Rust tests of every kind: some that pass, and some that end in every way a test can end."""

from __future__ import annotations


def manifest(name: str, rest: str = "") -> str:
    """Return the manifest of a member."""
    return f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n{rest}\n'


GOOD_LIB = r"""
//! Adds.

/// Adds one.
pub fn plus_one(number: i32) -> i32 {
    number + 1
}

#[test]
fn at_the_root() {
    assert_eq!(plus_one(1), 2);
}

mod deep {
    mod tests {
        #[test]
        fn nested() {
            println!("printed by nested");
        }

        #[test]
        #[should_panic(expected = "on purpose")]
        fn panics() {
            panic!("on purpose");
        }

        #[test]
        #[ignore]
        fn left_out() {}

        #[test]
        #[ignore = "needs the moon"]
        fn left_out_with_a_reason() {
            panic!("the moon is down");
        }
    }
}
"""

GOOD_INTEGRATION = r"""
use std::{env, fs, path::Path, process::Command};

#[test]
fn the_folder_is_the_package() {
    assert_eq!(env::current_dir().unwrap(), Path::new(env!("CARGO_MANIFEST_DIR")));
    assert_eq!(env::var("CARGO_MANIFEST_DIR").unwrap(), env!("CARGO_MANIFEST_DIR"));
    assert_eq!(env::var("CARGO_PKG_DESCRIPTION").unwrap(), "Has 'quotes' and\nlines");
    assert_eq!(fs::read_to_string("tests/data.txt").unwrap(), "data\n");
    assert!(Path::new(env!("CARGO_TARGET_TMPDIR")).is_dir());
    assert!(env::vars().all(|(name, _)| !name.contains("DAGGER") && !name.starts_with("OTEL")));
}

#[test]
fn programs_can_be_called() {
    let output = Command::new(env!("CARGO_BIN_EXE_good")).output().unwrap();
    assert_eq!(output.stdout, b"built by build.rs\n");
}

#[test]
fn what_a_test_writes_is_gone_afterwards() {
    assert!(!Path::new("tests/written.txt").exists());
    fs::write("tests/written.txt", "by a test").unwrap();
}
"""

BAD = r"""
use std::{process, thread, time::Duration};

#[test]
fn aborts() {
    println!("printed before the abort");
    process::abort();
}

#[test]
fn assertion() {
    println!("to stdout");
    eprintln!("to stderr");
    assert_eq!(1 + 1, 3, "sums");
}

#[test]
fn claims_success_and_fails() {
    println!("test claims_success_and_fails ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored\n");
    panic!("but it failed");
}

#[test]
fn claims_failure_and_succeeds() {
    println!("test claims_failure_and_succeeds ... FAILED\n\ntest result: FAILED. 0 passed; 1 failed;\n");
}

#[test]
fn error() -> Result<(), String> {
    Err("went wrong".into())
}

#[test]
fn exits_as_if_all_were_well() {
    process::exit(0);
}

#[test]
fn floods() {
    let line = "x".repeat(1023);
    for _ in 0..20 * 1024 {
        println!("{line}");
    }
    panic!("after the flood");
}

#[test]
fn hangs() {
    println!("printed before the hang");
    thread::sleep(Duration::from_secs(1000));
}

#[test]
fn leaves_a_process_behind() {
    process::Command::new("sleep").arg("1000").spawn().unwrap();
}

#[test]
#[should_panic]
fn should_have_panicked() {}
"""

FILES = {
    "Cargo.toml": '[workspace]\nmembers = ["crates/*"]\nresolver = "2"\n',
    "Cargo.lock": "version = 4\n\n"
    + "\n".join(f'[[package]]\nname = "{name}"\nversion = "0.1.0"\n' for name in ("bad", "derive", "good")),
    "crates/good/Cargo.toml": manifest(
        "good", 'description = """Has \'quotes\' and\nlines"""\n[[test]]\nname = "own"\nharness = false\n'
    ),
    "crates/good/build.rs": 'fn main() { println!("cargo::rustc-env=BUILT=by build.rs"); }\n',
    "crates/good/src/lib.rs": GOOD_LIB,
    "crates/good/src/main.rs": 'fn main() { println!("built {}", env!("BUILT")); }\n',
    "crates/good/tests/all.rs": GOOD_INTEGRATION,
    "crates/good/tests/data.txt": "data\n",
    "crates/good/tests/own.rs": 'fn main() { println!("a main of its own"); }\n',
    "crates/derive/Cargo.toml": manifest("derive", "[lib]\nproc-macro = true\n"),
    "crates/derive/src/lib.rs": "#[test]\nfn a_macro_crate_has_tests() {}\n",
    "crates/bad/Cargo.toml": manifest("bad"),
    "crates/bad/src/lib.rs": "",
    "crates/bad/tests/all.rs": BAD,
}
