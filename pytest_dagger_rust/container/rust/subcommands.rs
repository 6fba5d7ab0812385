//! Calls the subcommand that the command line names: `agent SUBCOMMAND --name value --name=value ... -- program...`.
use std::ffi::OsString;
use std::process::exit;

use crate::failure::{Failure, Outcome};
use crate::options::Options;

/// A subcommand: its name, the options it takes, and what it does with them.
pub type Subcommand = (&'static str, &'static [&'static str], fn(&Options) -> Outcome<()>);

/// Ends the process with the exit code of a failure.
pub fn ended(outcome: Outcome<()>) {
    if let Err(failure) = outcome {
        eprintln!("pytest-dagger-rust: {}", failure.message);
        exit(failure.code);
    }
}

pub fn called(mut words: impl Iterator<Item = OsString>, subcommands: &[Subcommand]) -> Outcome<()> {
    let name = words.next().unwrap_or_default();
    let known = subcommands.iter().find(|(known, _, _)| name == *known);
    let (_, names, function) = known
        .ok_or_else(|| Failure::from(format!("the agent has no subcommand {:?}", name.to_string_lossy())))?;
    function(&Options::read(words, names)?)
}
