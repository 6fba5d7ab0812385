// The one program that works inside the containers. Each subcommand has a module that says what it does and which
// options it takes: `agent SUBCOMMAND --name value --name=value ... -- program arguments...`.
//
// Compiled by the builder's own rustc, from the standard library alone, so it runs wherever the programs do: in an
// image without a shell too, and as any user.
mod build;
mod capture;
mod cargo;
mod dep_info;
mod failed;
mod failure;
mod files;
mod frames;
mod host;
mod jobs;
mod json;
mod messages;
mod options;
mod output_files;
mod outputs;
mod packages;
mod place;
mod process;
mod proofs;
mod pty;
mod record;
mod run;
mod serve;
mod shell;
mod sync;
mod tar;
mod tests;
mod tree;
mod tunnel;
mod unpack;
mod volume;
mod wheel;

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::exit;

use failure::{Failure, Outcome};
use options::Options;

/// A subcommand: its name, the options it takes, and what it does with them.
type Subcommand = (&'static str, &'static [&'static str], fn(&Options) -> Outcome<()>);

const SUBCOMMANDS: &[Subcommand] = &[
    ("build", build::OPTIONS, build::build),
    ("dependencies", build::OPTIONS, build::dependencies),
    ("find", wheel::FIND_OPTIONS, wheel::find),
    ("failure", failed::OPTIONS, failed::main),
    ("record", record::OPTIONS, record::main),
    ("run", run::OPTIONS, run::main),
    ("serve", serve::OPTIONS, serve::main),
    ("shell", shell::OPTIONS, shell::main),
    ("wheel", wheel::OPTIONS, wheel::main),
    ("tests", tests::OPTIONS, tests::main),
];

fn main() {
    if let Err(failure) = called(env::args_os()) {
        eprintln!("pytest-dagger-rust: {}", failure.message);
        exit(failure.code);
    }
}

fn called(mut words: impl Iterator<Item = OsString>) -> Outcome<()> {
    // Cargo takes a path in place of rustdoc's, maturin one in place of cargo's, and no arguments with it.
    let own_name = words.next().map(PathBuf::from).unwrap_or_default();
    match own_name.file_name().and_then(OsStr::to_str) {
        Some("rustdoc") => return record::rustdoc(words.collect()),
        Some("cargo") => return wheel::cargo(words.collect()),
        _ => {}
    }
    let name = words.next().unwrap_or_default();
    let known = SUBCOMMANDS.iter().find(|(known, _, _)| name == *known);
    let (_, names, function) = known
        .ok_or_else(|| Failure::from(format!("the agent has no subcommand {:?}", name.to_string_lossy())))?;
    function(&Options::read(words, names)?)
}
