// The agent's half that runs programs: as a test's run, as one of many in a sandbox, as a service, as a shell for the
// user, and the workspace's own tests. Each subcommand has a module that says what it does and which options it takes.
//
// Compiled by the builder's own rustc, from the standard library alone, so it runs wherever the programs do: in an
// image without a shell too, and as any user.
#![allow(dead_code)] // Some modules are used by both halves.
mod capture;
mod descendants;
mod failure;
mod frames;
mod host;
mod jobs;
mod limits;
mod network;
mod options;
mod output_files;
mod place;
mod process;
mod pty;
mod run;
mod sandbox;
mod serve;
mod sets;
mod shell;
mod subcommands;
mod tests;
mod tunnel;
mod variables;

use std::env;

use subcommands::{called, ended, Subcommand};

const SUBCOMMANDS: &[Subcommand] = &[
    ("run", run::OPTIONS, run::main),
    ("sandbox", sandbox::OPTIONS, sandbox::main),
    ("serve", serve::OPTIONS, serve::main),
    ("shell", shell::OPTIONS, shell::main),
    ("tests", tests::OPTIONS, tests::main),
];

fn main() {
    ended(called(env::args_os().skip(1), SUBCOMMANDS));
}
