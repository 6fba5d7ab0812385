//! Stands in for what cargo hands tests to: writes down how it is called, and runs none.
//!
//! Cargo hands each test binary to a runner, with the folder and the environment the tests have to have, and the
//! doctests of each library to rustdoc.
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{exit, Command, Stdio};

use crate::failure::{At, Failure, Outcome, OWN};
use crate::files::{self, O_NOFOLLOW};
use crate::json::{self, Value};
use crate::options::Options;

/// Where the records of doctests go, what is written where none are wanted, and the rustdoc that is stood in for.
pub const DOCTESTS: &str = "PYTEST_DAGGER_RUST_DOCTESTS";
pub const ASKED: &str = "PYTEST_DAGGER_RUST_DOCTESTS_ASKED";
pub const RUSTDOC: &str = "PYTEST_DAGGER_RUST_RUSTDOC";

const LARGEST: u64 = 256 << 20;

/// `agent record --into FILE --triple TRIPLE -- executable [arguments...]`
pub const OPTIONS: &[&str] = &["into", "triple"];

pub fn main(options: &Options) -> Outcome<()> {
    let (executable, _) = options.program()?;
    let mut members = vec![("executable", text(executable)), ("triple", text(options.one("triple")?))];
    members.extend(surroundings()?);
    append(&options.path("into")?, &Value::object(members))
}

/// Is rustdoc: has the doctests of a library listed where it is asked to run them, and there is a file for records.
pub fn rustdoc(arguments: Vec<OsString>) -> Outcome<()> {
    let missing = |name: &str| Failure::new(OWN, format!("{name} is not set"));
    let program = env::var_os(RUSTDOC).ok_or_else(|| missing(RUSTDOC))?;
    if !arguments.iter().any(|word| word == "--test") {
        let error = Command::new(&program).args(&arguments).exec();
        return Err(error).at(Path::new(&program));
    }
    let arguments = for_people(arguments);
    let into = env::var_os(DOCTESTS).ok_or_else(|| missing(DOCTESTS))?;
    if into.is_empty() {
        let asked = PathBuf::from(env::var_os(ASKED).ok_or_else(|| missing(ASKED))?);
        return files::replace(&asked, b"").at(&asked);
    }
    let list = ["--test-args", "--list", "--test-args", "--format=terse"].map(OsString::from);
    let listed = output(&program, arguments.iter().chain(&list))?;
    if listed.is_empty() {
        return Ok(());
    }
    let ignored = ["--test-args", "--ignored"].map(OsString::from);
    let ignored = output(&program, arguments.iter().chain(&list).chain(&ignored))?;
    let mut members = vec![
        ("rustdoc", text(&program)),
        ("arguments", arguments.iter().map(|word| text(word)).collect()),
        ("listed", Value::from_bytes(&listed)),
        ("ignored", Value::from_bytes(&ignored)),
    ];
    members.extend(surroundings()?);
    append(&PathBuf::from(into), &Value::object(members))
}

/// Returns the arguments without those that make rustdoc write its messages as JSON, which cargo passes on where it writes
/// its own so, and reads from no rustdoc that tests.
fn for_people(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut words = arguments.into_iter();
    while let Some(word) = words.next() {
        let mut parts = word.as_bytes().splitn(2, |byte| *byte == b'=');
        let name = parts.next().unwrap_or_default();
        if name != b"--error-format" && name != b"--json" {
            kept.push(word);
        } else if parts.next().is_none() {
            words.next();
        }
    }
    kept
}

fn output<'a>(program: &OsStr, arguments: impl Iterator<Item = &'a OsString>) -> Outcome<Vec<u8>> {
    let mut command = Command::new(program);
    let done = command.args(arguments).stderr(Stdio::inherit()).output().at(Path::new(program))?;
    if !done.status.success() {
        let _ = std::io::stderr().write_all(&done.stdout);
        exit(done.status.code().unwrap_or(1));
    }
    Ok(done.stdout)
}

fn surroundings() -> Outcome<Vec<(&'static str, Value)>> {
    let folder = env::current_dir().at(Path::new("."))?;
    let pair = |(name, value): (OsString, OsString)| [text(&name), text(&value)].into_iter().collect();
    let variables = env::vars_os().filter(|(name, _)| !is_runner(name)).map(pair);
    Ok(vec![("folder", text(folder.as_os_str())), ("environment", variables.collect())])
}

/// There is one for each target that rustc knows.
fn is_runner(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_TARGET_") && name.ends_with("_RUNNER")
}

pub fn text(words: &OsStr) -> Value {
    Value::from_bytes(words.as_bytes())
}

fn append(path: &Path, record: &Value) -> Outcome<()> {
    let mut options = OpenOptions::new();
    let mut file =
        options.append(true).create(true).custom_flags(O_NOFOLLOW).mode(0o644).open(path).at(path)?;
    file.write_all(format!("{record}\n").as_bytes()).at(path)
}

/// Reads the records of a file, each as it was written.
pub fn read(path: &Path) -> Outcome<Vec<Value>> {
    let content = files::read_if_there(path, LARGEST).at(path)?.unwrap_or_default();
    let lines = content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let raw = |line: &[u8]| json::lenient(line).map(Value::Raw);
    lines.map(|line| raw(line).ok_or("is damaged").at(path)).collect()
}
