// The one program that works inside the containers. Each subcommand has a module that says what it does and which
// options it takes: `agent SUBCOMMAND --name value --name=value ... -- program arguments...`.
//
// Compiled by the builder's own rustc, from the standard library alone, so it runs wherever the programs do: in an
// image without a shell too, and as any user.
mod failure;
mod host;
mod options;
mod process;
mod pty;
mod run;
mod serve;
mod shell;
mod tunnel;

use std::env;
use std::ffi::OsString;
use std::process::exit;

use failure::{Failure, Outcome};
use options::Options;

/// A subcommand: its name, the options it takes, and what it does with them.
type Subcommand = (&'static str, &'static [&'static str], fn(&Options) -> Outcome<()>);

const SUBCOMMANDS: &[Subcommand] = &[
    ("run", run::OPTIONS, run::main),
    ("serve", serve::OPTIONS, serve::main),
    ("shell", shell::OPTIONS, shell::main),
];

fn main() {
    if let Err(failure) = called(env::args_os().skip(1)) {
        eprintln!("pytest-dagger-rust: {}", failure.message);
        exit(failure.code);
    }
}

fn called(mut words: impl Iterator<Item = OsString>) -> Outcome<()> {
    let name = words.next().unwrap_or_default();
    let known = SUBCOMMANDS.iter().find(|(known, _, _)| name == *known);
    let (_, names, function) = known
        .ok_or_else(|| Failure::from(format!("the agent has no subcommand {:?}", name.to_string_lossy())))?;
    function(&Options::read(words, names)?)
}
