//! Has rustup install the toolchain that the workspace names, once and before any build: in a build it would do so too,
//! but nothing would keep what it installs.
//!
//! A toolchain that the image has already is used as it is. rustup itself looks for one of exactly the name: it would
//! download `stable`, or `1.95`, into an image made of the toolchain `1.95.0`.
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cargo;
use crate::failure::{At, Failure, Outcome, OWN};
use crate::files;
use crate::options::Options;
use crate::wheel::found;

/// What rustup and its programs take for the toolchain's name, before any file.
pub const VARIABLE: &str = "RUSTUP_TOOLCHAIN";

/// `agent toolchain --into FILE --channel NAME --profile NAME --component NAME... --target TRIPLE... --env NAME=VALUE...`
///
/// The toolchain's name is written into the file, nothing where there is no rustup. Each --env is set for rustup.
pub const OPTIONS: &[&str] = &["into", "channel", "profile", "component", "target", "env"];

pub fn main(options: &Options) -> Outcome<()> {
    let into = options.path("into")?;
    let name = match found("rustup") {
        Some(_) => Rustup { options }.toolchain()?,
        None => String::new(),
    };
    fs::write(&into, name).at(&into)
}

/// Has all programs that are started from now on use the toolchain that was written into the file --toolchain, or that
/// lies in the tree's --toolchain-folder.
pub fn choose(options: &Options, tree: &Path) -> Outcome<()> {
    if let Some(folder) = options.optional("toolchain-folder") {
        std::env::set_var(VARIABLE, tree.join(folder));
    }
    let Some(path) = options.optional("toolchain") else { return Ok(()) };
    let name = files::read(Path::new(path), 1 << 10).at(Path::new(path))?;
    if !name.is_empty() {
        std::env::set_var(VARIABLE, String::from_utf8_lossy(&name).as_ref());
    }
    Ok(())
}

struct Rustup<'a> {
    options: &'a Options,
}

/// A toolchain of the image, by its name and the number and channel of its release.
#[derive(Clone)]
struct Installed {
    name: String,
    is_default: bool,
    release: String,
}

impl Rustup<'_> {
    /// Returns the name of the toolchain to use, when it is there with all that the file asks for.
    fn toolchain(&self) -> Outcome<String> {
        // rustup, too, forgets the file where the variable names a toolchain.
        if let Some(name) = self.variable(VARIABLE) {
            return if name.starts_with('/') { Ok(name) } else { self.with_parts(&name, false) };
        }
        self.with_parts(self.options.text("channel")?, true)
    }

    fn variable(&self, name: &str) -> Option<String> {
        let given = self.options.all("env").into_iter().filter_map(|pair| pair.to_str()?.split_once('='));
        let given = given.filter(|(known, _)| *known == name).map(|(_, value)| value.to_string()).next_back();
        given.or_else(|| std::env::var(name).ok()).filter(|value| !value.is_empty())
    }

    fn with_parts(&self, wanted: &str, has_parts: bool) -> Outcome<String> {
        let installed = self.installed()?;
        let all = |name: &str| if has_parts { self.options.all(name) } else { Vec::new() };
        let (components, targets) = (all("component"), all("target"));
        let Some(name) = chosen(wanted, &installed) else {
            self.install(wanted, &components, &targets)?;
            return Ok(wanted.into());
        };
        for (kind, parts) in [("component", components), ("target", targets)] {
            if !parts.is_empty() {
                let words = [kind, "add", "--toolchain", &name].map(OsString::from);
                self.run(words.into_iter().chain(parts.into_iter().map(OsString::from)).collect())?;
            }
        }
        Ok(name)
    }

    fn install(&self, name: &str, components: &[&OsStr], targets: &[&OsStr]) -> Outcome<()> {
        if name.is_empty() {
            return Err(Failure::new(
                OWN,
                "the image has no default toolchain, and the file names no channel",
            ));
        }
        let mut words = ["toolchain", "install", name, "--no-self-update"].map(OsString::from).to_vec();
        let profile = self.options.optional("profile");
        for (flag, values) in [
            ("--profile", &profile.into_iter().collect::<Vec<_>>()[..]),
            ("--component", components),
            ("--target", targets),
        ] {
            words.extend(values.iter().flat_map(|value| [flag.into(), OsString::from(value)]));
        }
        self.run(words)
    }

    fn installed(&self) -> Outcome<Vec<Installed>> {
        let list = self.output(&["toolchain", "list"])?;
        let names = list.lines().filter(|line| !line.starts_with("no installed")).filter_map(|line| {
            let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
            (!name.is_empty()).then(|| (name.to_string(), rest.contains("default")))
        });
        names
            .map(|(name, is_default)| {
                let said = self.output(&["run", &name, "rustc", "--version"])?;
                let release = said.split(' ').nth(1).unwrap_or_default().trim().to_string();
                Ok(Installed { name, is_default, release })
            })
            .collect()
    }

    fn command(&self) -> Command {
        let mut command = cargo::command(OsStr::new("rustup"));
        // Away from any file that names a toolchain.
        command.env_remove(VARIABLE).current_dir("/").stdin(Stdio::null());
        for pair in self.options.all("env") {
            if let Some((name, value)) = pair.to_str().and_then(|pair| pair.split_once('=')) {
                if name != VARIABLE {
                    command.env(name, value);
                }
            }
        }
        command
    }

    fn output(&self, words: &[&str]) -> Outcome<String> {
        let output = self.command().args(words).stderr(Stdio::inherit()).output().at(Path::new("rustup"))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn run(&self, words: Vec<OsString>) -> Outcome<()> {
        let status = self.command().args(&words).stdout(Stdio::null()).status().at(Path::new("rustup"))?;
        if status.success() {
            return Ok(());
        }
        let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
        Err(Failure::new(OWN, format!("rustup {} failed", words.join(" "))))
    }
}

/// Returns the toolchain of the image that a channel means: the one of its name, one of its version, or the image's own
/// where that is of the channel. No channel means the image's own.
fn chosen(wanted: &str, installed: &[Installed]) -> Option<String> {
    let is_named = |found: &&Installed| {
        let rest = found.name.strip_prefix(wanted);
        rest.is_some_and(|rest| rest.is_empty() || is_triple(rest))
    };
    let is_meant = |found: &&Installed| {
        let (number, channel) = found.release.split_once('-').unwrap_or((&found.release, "stable"));
        if number.is_empty() {
            return false;
        }
        let is_version = channel == "stable"
            && number.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        is_version || found.is_default && channel.split('.').next() == Some(wanted)
    };
    let found = match wanted {
        "" => installed.iter().find(|found| found.is_default),
        _ => installed.iter().find(is_named).or_else(|| {
            let of_release = installed.iter().filter(is_meant);
            of_release.max_by_key(|found| (found.is_default, numbers(&found.release)))
        }),
    };
    found.map(|found| found.name.clone())
}

/// `-x86_64-unknown-linux-gnu`, but not `-2026-01-01-x86_64-unknown-linux-gnu`
fn is_triple(rest: &str) -> bool {
    rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_alphabetic()))
}

fn numbers(release: &str) -> Vec<u32> {
    release.split(['.', '-']).filter_map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(names: &[(&str, &str)]) -> Vec<Installed> {
        let one = |(name, release): &(&str, &str)| Installed {
            name: name.trim_start_matches('*').into(),
            is_default: name.starts_with('*'),
            release: release.to_string(),
        };
        names.iter().map(one).collect()
    }

    #[test]
    fn a_channel_that_the_image_has_is_the_image_s() {
        let image = installed(&[
            ("*1.95.0-x86_64-unknown-linux-gnu", "1.95.0"),
            ("1.85.1-x86_64-unknown-linux-gnu", "1.85.1"),
            ("nightly-2026-01-01-x86_64-unknown-linux-gnu", "1.97.0-nightly"),
        ]);
        for (wanted, name) in [
            ("1.95", Some(0)),
            ("1.95.0", Some(0)),
            ("stable", Some(0)),
            ("", Some(0)),
            ("1.85", Some(1)),
            ("nightly-2026-01-01", Some(2)),
            ("1.85.0", None),
            ("1.9", None),
            ("nightly", None),
            ("beta", None),
            ("stable-x86_64-unknown-linux-musl", None),
        ] {
            assert_eq!(chosen(wanted, &image), name.map(|at: usize| image[at].name.clone()), "{wanted}");
        }
    }

    #[test]
    fn the_channel_of_an_image_is_that_of_its_default() {
        let image = installed(&[
            ("*nightly-2026-01-01-x86_64-unknown-linux-gnu", "1.97.0-nightly"),
            ("1.95.0-x86_64-a", "1.95.0"),
        ]);
        assert_eq!(chosen("nightly", &image), Some(image[0].name.clone()));
        assert_eq!(chosen("stable", &image), None);
        assert_eq!(chosen("1.97", &image), None);
        let beta = installed(&[("*1.97.0-beta.3-x86_64-a", "1.97.0-beta.3")]);
        assert_eq!(chosen("beta", &beta), Some(beta[0].name.clone()));
        assert_eq!(chosen("stable", &installed(&[("*damaged", "")])), None);
        assert_eq!(chosen("", &[]), None);
    }
}
