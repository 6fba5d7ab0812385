//! Downloads and unpacks the packages that a workspace needs, while no code of theirs runs.
//!
//! What leaves is a folder like cargo's home with these packages and no others. Builds get it as it is: what their build
//! scripts do to it is in no other build. Two volumes keep downloads for the next time. One is the workspace's own. The
//! other is everybody's: it has files of crates.io only, and is believed only where a checksum of Cargo.lock agrees.
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use agent_core::sha256::digest_of_reader;

use crate::cargo::{self, Transcript};
use crate::credentials;
use crate::descendants::protect;
use crate::failure::{At, Failure, Outcome, CARGO_FAILED};
use crate::files;
use crate::index::Index;
use crate::locked::{self, Locked, Package};
use crate::offline;
use crate::options::Options;
use crate::packages;
use crate::sync::Inputs;
use crate::toolchain;
use crate::volume::{join, locked as wait_for};

/// `agent fetch OPTIONS -- [flags of cargo fetch...]`
///
/// --volume                      the workspace's own downloads
/// --shared                      the downloads of all workspaces
/// --out                         the folder for what leaves
/// --git-credentials             a file with lines such as https://user:token@host
/// --timeout                     how many seconds it may take
/// --archive, --digest, --base, --root, --lock, --toolchain, --toolchain-folder
///                               as for a build
pub const OPTIONS: &[&str] = &[
    "volume",
    "shared",
    "out",
    "git-credentials",
    "timeout",
    "archive",
    "digest",
    "base",
    "root",
    "lock",
    "toolchain",
    "toolchain-folder",
];

/// The lock file that the packages were taken from, in the folder of what leaves.
pub const LOCK: &str = "Cargo.lock";
const LARGEST: u64 = 1 << 30;
const LOCK_VARIABLE: &str = "CARGO_RESOLVER_LOCKFILE_PATH";

pub fn main(options: &Options) -> Outcome<()> {
    protect()?;
    let home =
        Home { own: options.path("volume")?, shared: options.path("shared")?, out: options.path("out")? };
    fs::create_dir_all(&home.own).at(&home.own)?;
    let _turn = wait_for(&home.own.join("lock"))?;
    let tree = home.own.join("tree");
    files::fresh_folder(&tree).at(&tree)?;
    let inputs = Inputs::read(options)?;
    inputs.extract(&tree, &inputs.index)?;
    toolchain::choose(options, &tree)?;
    let lock = tree.join(options.one("lock")?);
    home.open()?;
    home.seed(&read(&lock)?)?;
    fetch(options, &tree, &lock, &inputs.index)?;
    let locked = read(&lock)?;
    home.publish(&locked);
    home.close(&locked)?;
    let to = home.out.join(LOCK);
    files::copy(&lock, &to).at(&lock)?;
    files::remove(&tree).at(&tree)
}

fn read(lock: &Path) -> Outcome<Locked> {
    let text = files::read_if_there(lock, LARGEST).at(lock)?.unwrap_or_default();
    Ok(locked::read(&String::from_utf8_lossy(&text)))
}

/// Has cargo download what is missing, and unpack everything.
fn fetch(options: &Options, tree: &Path, lock: &Path, index: &Index) -> Outcome<()> {
    let root: PathBuf = tree.join(options.one("root")?).components().collect();
    let mut command = cargo::command(OsStr::new("cargo"));
    command.arg("fetch").args(options.rest()).args(targets(tree, &root, index)?).current_dir(root);
    command.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "160");
    // Programs of the workspace's that no download needs.
    command.env("RUSTC_WRAPPER", "").env("RUSTC_WORKSPACE_WRAPPER", "");
    if let Some(credentials) = options.optional("git-credentials") {
        command.env("XDG_CONFIG_HOME", credentials::configure(&tree.with_extension("config"), credentials)?);
        command.envs(through_git());
    }
    if std::env::var_os(LOCK_VARIABLE).is_some() {
        command.env(LOCK_VARIABLE, lock);
    }
    let status = cargo::run(command, &mut Transcript::default(), cargo::limit(options)?)?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(CARGO_FAILED, "cargo could not fetch the packages"))
}

/// With these variables cargo's own git uses a transport that cannot log in.
const OTHER_TRANSPORT: [&str; 6] =
    ["CARGO_HTTP_CAINFO", "CARGO_HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"];

/// Returns the variables that have cargo use the program git where its own would fail, with the same certificate.
fn through_git() -> Vec<(&'static str, OsString)> {
    let value = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if !OTHER_TRANSPORT.iter().any(|name| value(name).is_some()) {
        return Vec::new();
    }
    let chosen = [
        ("CARGO_NET_GIT_FETCH_WITH_CLI", Some("true".into())),
        ("GIT_SSL_CAINFO", value("CARGO_HTTP_CAINFO")),
        ("GIT_TERMINAL_PROMPT", Some("0".into())),
    ];
    let missing = chosen.into_iter().filter(|(name, _)| value(name).is_none());
    missing.filter_map(|(name, chosen)| Some((name, chosen?))).collect()
}

/// Returns the flag that leaves out packages for other systems. Where a configuration file chooses what to build for,
/// cargo alone knows, and all packages are fetched.
fn targets(tree: &Path, root: &Path, index: &Index) -> Outcome<Vec<OsString>> {
    let is_named = |name: &[u8]| name.ends_with(b".cargo/config") || name.ends_with(b".cargo/config.toml");
    let mut files: Vec<PathBuf> =
        index.keys().filter(|path| is_named(path)).map(|path| join(tree, path)).collect();
    files.extend(["config", "config.toml"].map(|name| packages::home().join(name)));
    if files.iter().any(|path| chooses_target(&fs::read_to_string(path).unwrap_or_default())) {
        return Ok(Vec::new());
    }
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = cargo::command(&rustc).arg("-vV").current_dir(root).output().at(Path::new(&rustc))?;
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    let chosen = std::env::var_os("CARGO_BUILD_TARGET").filter(|name| !name.is_empty());
    let names = host.map(OsString::from).into_iter().chain(chosen);
    Ok(names.flat_map(|name| ["--target".into(), name]).collect())
}

fn chooses_target(configuration: &str) -> bool {
    let mut names =
        configuration.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name.trim());
    names.any(|name| name == "target" || name.ends_with(".target") || name.ends_with("\"target\""))
}

/// Where cargo's home gets its parts from.
struct Home {
    own: PathBuf,
    shared: PathBuf,
    out: PathBuf,
}

/// What is kept for the next time; the rest is unpacked anew, where nothing has been before.
const KEPT: [&str; 3] = ["registry/index", "registry/cache", "git/db"];

impl Home {
    /// Has cargo unpack into the folder that leaves, and keep downloads on the volume.
    fn open(&self) -> Outcome<()> {
        packages::share(&self.out)?;
        for name in KEPT {
            let (kept, place) = (self.own.join(name), self.out.join(name));
            fs::create_dir_all(&kept).at(&kept)?;
            symlink(&kept, &place).at(&place)?;
        }
        Ok(())
    }

    /// Puts copies in the place of links to the volume.
    fn close(&self, locked: &Locked) -> Outcome<()> {
        for name in KEPT {
            let place = self.out.join(name);
            files::remove(&place).at(&place)?;
        }
        offline::copy_downloads(&self.own, locked, &self.out)
    }

    /// Takes what other workspaces have downloaded, and forgets what the lock file does not agree with: cargo compares
    /// checksums when it downloads a package, and not afterwards.
    fn seed(&self, locked: &Locked) -> Outcome<()> {
        let (own, shared) = (self.own.join("registry/cache"), self.shared.join("registry/cache"));
        for folder in offline::folders(&own) {
            for package in locked.packages.iter().filter(|package| !package.checksums.is_empty()) {
                let place = folder.join(package.file_name());
                if files::status(&place).at(&place)?.is_some() && !is_right(package, &place) {
                    files::remove(&place).at(&place)?;
                }
            }
        }
        for folder in offline::folders(&shared) {
            let to = own.join(folder.file_name().unwrap_or_default());
            for package in locked.packages.iter().filter(|package| package.is_public) {
                take(package, &folder, &to)?;
            }
        }
        Ok(())
    }

    /// Keeps what may be read by everybody, and what everybody can check, for other workspaces. A volume that is full
    /// fails no build.
    fn publish(&self, locked: &Locked) {
        for folder in offline::folders(&self.own.join("registry/cache")) {
            let to = self.shared.join("registry/cache").join(folder.file_name().unwrap_or_default());
            let _ = fs::create_dir_all(&to);
            for package in locked.packages.iter().filter(|package| package.is_public) {
                let (from, to) = (folder.join(package.file_name()), to.join(package.file_name()));
                if !is_of_same_size(&from, &to) && is_right(package, &from) {
                    let _ = copy_whole(&from, &to);
                }
            }
        }
    }
}

fn take(package: &Package, from: &Path, to: &Path) -> Outcome<()> {
    let (from, place) = (from.join(package.file_name()), to.join(package.file_name()));
    if files::status(&place).at(&place)?.is_none() && is_right(package, &from) {
        fs::create_dir_all(to).at(to)?;
        copy_whole(&from, &place).at(&place)?;
        // The volume may be written to meanwhile.
        if !is_right(package, &place) {
            files::remove(&place).at(&place)?;
        }
    }
    Ok(())
}

/// Returns whether a file is what the lock file says of the package.
fn is_right(package: &Package, path: &Path) -> bool {
    let digest = files::open(path).and_then(digest_of_reader);
    digest.is_ok_and(|digest| package.checksums.contains(&digest))
}

fn is_of_same_size(one: &Path, other: &Path) -> bool {
    let size =
        |path| files::status(path).ok().flatten().filter(fs::Metadata::is_file).map(|found| found.len());
    size(one) == size(other)
}

fn copy_whole(from: &Path, to: &Path) -> std::io::Result<()> {
    let unfinished = to.with_extension("part");
    files::remove(&unfinished)?;
    files::copy(from, &unfinished)?;
    files::remove(to)?;
    fs::rename(&unfinished, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_found_where_a_file_chooses_one() {
        for text in
            ["[build]\ntarget = \"x\"\n", "build.target=[\"x\"]", "build = { target = 1 }\nbuild.target = 1"]
        {
            assert!(chooses_target(text), "{text}");
        }
        for text in ["[target.x]\nlinker = \"y\"\n", "[build]\ntarget-dir = \"x\"\n", ""] {
            assert!(!chooses_target(text), "{text}");
        }
    }
}
