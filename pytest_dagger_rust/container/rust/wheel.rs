//! Lets maturin make a wheel of a library that is built already: its cargo repeats the messages of that build.
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::build::agent;
use crate::failure::{At, Failure, Outcome, OWN};
use crate::files;
use crate::json::{self, Value};
use crate::options::Options;
use crate::sync::Inputs;
use crate::{packages, toolchain};

/// The messages to answer with, and the cargo for everything else.
const MESSAGES: &str = "PYTEST_DAGGER_RUST_MESSAGES";
const CARGO: &str = "PYTEST_DAGGER_RUST_CARGO";

const LARGEST: u64 = 1 << 30;

/// `agent wheel --volume FOLDER --packages FOLDER --out FOLDER --archive FILE --digest SHA256 --library FILE
/// --report FILE --folder FOLDER --python VERSION --toolchain FILE
/// --toolchain-folder FOLDER`
///
/// The archive is the source tree, to lie where the library was compiled; the report is that of its build.
pub const OPTIONS: &[&str] = &[
    "volume",
    "packages",
    "out",
    "archive",
    "digest",
    "base",
    "library",
    "report",
    "folder",
    "python",
    "toolchain",
    "toolchain-folder",
];

/// `agent find --name PROGRAM --out FILE`
pub const FIND_OPTIONS: &[&str] = &["name", "out"];

pub fn main(options: &Options) -> Outcome<()> {
    let (volume, out, folder) = (options.path("volume")?, options.path("out")?, options.path("folder")?);
    let tree = volume.join("files");
    toolchain::choose(options, &tree)?;
    fs::create_dir_all(&tree).at(&tree)?;
    let inputs = Inputs::read(options)?;
    inputs.extract(&tree, &inputs.index)?;
    packages::share(&options.path("packages")?)?;
    let messages = messages_of(&options.path("report")?)?;
    place(&options.path("library")?, &messages)?;
    let cargo = found("cargo").ok_or_else(|| Failure::new(OWN, "cargo is not on the builder's PATH"))?;
    let bin = volume.join("bin");
    fs::create_dir_all(&bin).at(&bin)?;
    let (stand_in, kept) = (bin.join("cargo"), volume.join("messages"));
    symlink(agent()?, &stand_in).at(&stand_in)?;
    let text: String = messages.iter().map(|message| format!("{message}\n")).collect();
    fs::write(&kept, text).at(&kept)?;
    let mut path = bin.into_os_string();
    path.push(":");
    path.push(env::var_os("PATH").unwrap_or_default());
    let mut maturin = Command::new("maturin");
    maturin
        .args(["build", "--interpreter", &format!("python{}", options.text("python")?), "--out"])
        .arg(&out);
    maturin.env("PATH", path).env("CARGO", &stand_in).env(MESSAGES, &kept).env(CARGO, cargo);
    maturin.current_dir(tree.join(folder)).stdin(Stdio::null());
    let done = maturin.output().at(Path::new("maturin"))?;
    if !done.status.success() {
        let _ = std::io::stderr().write_all(&[done.stdout, done.stderr].concat());
        return Err(Failure::new(OWN, "maturin failed"));
    }
    Ok(())
}

fn messages_of(report: &Path) -> Outcome<Vec<Value>> {
    let text = files::read(report, LARGEST).at(report)?;
    let report_ = json::parse(&text).ok_or("is no report").at(report)?;
    Ok(report_.get("messages").and_then(Value::list).unwrap_or_default().to_vec())
}

/// Puts the library where cargo had put it.
fn place(library: &Path, messages: &[Value]) -> Outcome<()> {
    let files =
        messages.iter().filter_map(|message| message.get("filenames")?.texts()).flatten().map(PathBuf::from);
    let mut places = files.filter(|path| path.file_name() == library.file_name());
    let place = places.next().ok_or("is in none of cargo's messages").at(library)?;
    let folder = place.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).at(folder)?;
    files::remove(&place).at(&place)?;
    files::copy(library, &place).map(|_| ()).at(&place)
}

/// Is cargo, for maturin: what it would have compiled has been compiled, and proved.
pub fn cargo(arguments: Vec<OsString>) -> Outcome<()> {
    let missing = |name: &str| Failure::new(OWN, format!("{name} is not set"));
    let subcommand =
        arguments.iter().find(|word| ["rustc", "build", "metadata"].iter().any(|known| *word == known));
    if subcommand.is_some_and(|word| word != "metadata") {
        let path = PathBuf::from(env::var_os(MESSAGES).ok_or_else(|| missing(MESSAGES))?);
        let text = files::read(&path, LARGEST).at(&path)?;
        return std::io::stdout().write_all(&text).at(Path::new("standard output"));
    }
    let program = env::var_os(CARGO).ok_or_else(|| missing(CARGO))?;
    Err(Command::new(&program).args(arguments).exec()).at(Path::new(&program))
}

/// Writes where a program is found, nothing where it is not.
pub fn find(options: &Options) -> Outcome<()> {
    let (out, found) = (options.path("out")?, found(options.text("name")?));
    let text = found.map(PathBuf::into_os_string).unwrap_or_default();
    fs::write(&out, text.to_string_lossy().as_bytes()).at(&out)
}

/// Returns where a program is found.
pub fn found(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let is_program = |path: &PathBuf| {
        fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    env::split_paths(&path).map(|folder| folder.join(name.as_ref())).find(is_program)
}
