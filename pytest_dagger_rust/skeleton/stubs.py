"""The few source files that replace all sources while dependencies are compiled.

One file serves every package: nothing of a package's own sources shows in them, so editing those, adding or
renaming targets cannot change them. They need no linker script, allocator or panic handler of the real
program, because a library is enough to get everything compiled that the programs of a package need.
"""

from __future__ import annotations

# Everything compiled from a stub contains it, so that it cannot be taken for the real artifact.
STUB_MARKER = "pytest-dagger-rust/stub/5f0c9a52d1e84b7bb6a3"

FOLDER = ".skeleton"
LIBRARY = f"{FOLDER}/library.rs"
LIBRARY_WITH_STD = f"{FOLDER}/library_with_std.rs"
MACRO = f"{FOLDER}/macro.rs"
SCRIPT = f"{FOLDER}/script.rs"
BIN = f"{FOLDER}/bin.rs"
# Like that of a library, but cargo warns when two targets of a package share a file.
EXAMPLE = f"{FOLDER}/example.rs"
TEST = f"{FOLDER}/test.rs"

# Lints can also be set for all crates at once, by RUSTFLAGS: the stubs must pass the strictest of them.
_LINTS = "#![allow(warnings, unused_crate_dependencies)]"
_STATIC = f"""\
/// Tells this file's machine code from that of the real crate.
#[used]
static MARKER: [u8; {len(STUB_MARKER)}] = *b"{STUB_MARKER}";
"""
_EXPORTED = f"""\
#![allow(unsafe_code)]

/// Tells this file's machine code from that of the real crate, in a library for other languages too.
#[no_mangle]
pub static PYTEST_DAGGER_RUST_STUB: [u8; {len(STUB_MARKER)}] = *b"{STUB_MARKER}";
"""


def _source(purpose: str, *parts: str) -> str:
    return "\n".join([f"//! Stands in for a {purpose} while dependencies are compiled.", _LINTS, *parts])


_FAILING_MAIN = f"""\
/// Fails, should anybody run it.
fn main() {{
    eprintln!("{STUB_MARKER}");
    std::process::exit(101)
}}
"""
# Without this line cargo would run the script again whenever any file of the package is newer.
_SILENT_MAIN = """\
/// Says nothing that a dependent could see.
fn main() {
    println!("cargo:rerun-if-changed=Cargo.toml");
}
"""

SOURCES = {
    LIBRARY: _source("library", "#![no_std]", _STATIC),
    LIBRARY_WITH_STD: _source("library", _EXPORTED),
    MACRO: _source("procedural macro", _STATIC),
    SCRIPT: _source("build script", _STATIC, _SILENT_MAIN),
    BIN: _source("binary", _FAILING_MAIN),
    EXAMPLE: _source("example", "#![no_std]", _STATIC),
}
# Where panics abort in programs: dependencies of tests are compiled with panics that unwind.
TEST_SOURCES = {TEST: _source("test", _STATIC)}
