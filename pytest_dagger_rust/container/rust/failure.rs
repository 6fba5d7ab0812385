//! Why the agent gives up: a sentence for the host, and the exit code that says what kind of failure it is.
use std::fmt::Display;
use std::path::Path;

/// The command line is not one of the agent's.
pub const USAGE: i32 = 2;
/// Something that the agent itself does went wrong: a file cannot be written, cargo cannot be started.
pub const OWN: i32 = 94;
/// The sources did not arrive as the host sent them.
pub const SOURCES_CHANGED: i32 = 95;
/// A binary cannot be proved to come from the current sources.
pub const NOT_PROVED: i32 = 96;
/// There are no compiled dependencies to start from.
pub const DEPENDENCIES_NEEDED: i32 = 97;
/// Cargo took longer than it may.
pub const TIMED_OUT: i32 = 98;
/// Cargo failed; what it said is kept on the volume.
pub const CARGO_FAILED: i32 = 101;

#[derive(Debug)]
pub struct Failure {
    pub code: i32,
    pub message: String,
}

pub type Outcome<T> = Result<T, Failure>;

impl Failure {
    pub fn new(code: i32, message: impl Into<String>) -> Failure {
        Failure { code, message: message.into() }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Failure {
        Failure::new(USAGE, message)
    }
}

/// Says of which path something went wrong.
pub trait At<T> {
    fn at(self, path: &Path) -> Outcome<T>;
}

impl<T, E: Display> At<T> for Result<T, E> {
    fn at(self, path: &Path) -> Outcome<T> {
        self.map_err(|error| Failure::new(OWN, format!("{}: {error}", path.display())))
    }
}
