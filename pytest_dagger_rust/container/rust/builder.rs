// The agent's half that builds, in the builder's container. Each subcommand has a module that says what it does and
// which options it takes.
//
// Compiled by the builder's own rustc, from the standard library alone. The other half is runner.rs: a first build need
// not wait until that is compiled.
#![allow(dead_code)] // Some modules are used by both halves.
mod build;
mod cargo;
mod credentials;
mod dep_info;
mod descendants;
mod failed;
mod failure;
mod fetch;
mod files;
mod index;
mod json;
mod locked;
mod messages;
mod network;
mod offline;
mod options;
mod outputs;
mod packages;
mod proofs;
mod record;
mod sets;
mod state;
mod subcommands;
mod sync;
mod tar;
mod toolchain;
mod tree;
mod variables;
mod volume;
mod wheel;

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;

use subcommands::{called, ended, Subcommand};

const SUBCOMMANDS: &[Subcommand] = &[
    ("build", build::OPTIONS, build::build),
    ("credential", credentials::OPTIONS, credentials::main),
    ("dependencies", build::OPTIONS, build::dependencies),
    ("failure", failed::OPTIONS, failed::main),
    ("fetch", fetch::OPTIONS, fetch::main),
    ("find", wheel::FIND_OPTIONS, wheel::find),
    ("record", record::OPTIONS, record::main),
    ("state", state::OPTIONS, state::copy_out),
    ("toolchain", toolchain::OPTIONS, toolchain::main),
    ("wheel", wheel::OPTIONS, wheel::main),
];

fn main() {
    let mut words = env::args_os();
    let own_name = words.next().map(PathBuf::from).unwrap_or_default();
    // Cargo takes a path in place of rustdoc's, maturin one in place of cargo's, and no arguments with it.
    ended(match own_name.file_name().and_then(OsStr::to_str) {
        Some("rustdoc") => record::rustdoc(words.collect()),
        Some("cargo") => wheel::cargo(words.collect()),
        _ => called(words, SUBCOMMANDS),
    });
}
