//! The packages of one workspace, taken out of the shared volume: tests that call cargo find them without a network.
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::Path;

use crate::failure::{At, Outcome};
use crate::files;
use crate::sets::Set;

/// What a lock file names: packages of registries with their versions, and repositories of git.
#[derive(Default)]
struct Locked {
    packages: Vec<(String, String)>,
    repositories: Vec<String>,
}

/// Copies what the lock file names into a folder that is like cargo's home.
pub fn copy_out(volume: &Path, lock: &str, out: &Path) -> Outcome<()> {
    let locked = read(lock);
    for name in ["registry", "git"] {
        let place = out.join(name);
        fs::create_dir_all(&place).at(&place)?;
    }
    let registry = volume.join("registry");
    for folder in folders(&registry.join("cache")) {
        let to = out.join("registry/cache").join(folder.file_name().unwrap_or_default());
        copy_crates(&folder, &locked, &to).at(&folder)?;
    }
    for folder in folders(&registry.join("index")) {
        let to = out.join("registry/index").join(folder.file_name().unwrap_or_default());
        copy_index(&folder, &locked, &to).at(&folder)?;
    }
    for kind in ["db", "checkouts"] {
        for folder in folders(&volume.join("git").join(kind)) {
            let name = folder.file_name().unwrap_or_default();
            if locked.has_repository(name) {
                files::copy_tree(&folder, &out.join("git").join(kind).join(name), &|_| true).at(&folder)?;
            }
        }
    }
    Ok(())
}

fn folders(above: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(above).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn copy_crates(folder: &Path, locked: &Locked, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for (name, version) in &locked.packages {
        copy_if_there(
            &folder.join(format!("{name}-{version}.crate")),
            &to.join(format!("{name}-{version}.crate")),
        )?;
    }
    Ok(())
}

/// What cargo has cached of an index; the history of one that is a git repository is left out.
fn copy_index(folder: &Path, locked: &Locked, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to.join(".cache"))?;
    copy_if_there(&folder.join("config.json"), &to.join("config.json"))?;
    copy_if_there(&folder.join(".cargo-index-lock"), &to.join(".cargo-index-lock"))?;
    // All versions of a package are in one file.
    let mut done = Set::new();
    for (name, _) in &locked.packages {
        let place = place_in_index(&name.to_lowercase());
        if !done.insert(place.as_bytes().to_vec()) {
            continue;
        }
        let path = Path::new(".cache").join(place);
        fs::create_dir_all(to.join(&path).parent().unwrap_or(to))?;
        copy_if_there(&folder.join(&path), &to.join(&path))?;
    }
    Ok(())
}

fn copy_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match files::status(from)? {
        Some(found) if found.is_file() => files::copy(from, to).map(|_| ()),
        _ => Ok(()),
    }
}

/// Returns where an index has a package, as "se/rd/serde".
fn place_in_index(name: &str) -> String {
    match name.len() {
        0..=2 => format!("{}/{name}", name.len()),
        3 => format!("3/{}/{name}", &name[..1]),
        _ => format!("{}/{}/{name}", &name[..2], &name[2..4]),
    }
}

impl Locked {
    /// A folder of cargo's for a repository has the last part of its address, and a hash.
    fn has_repository(&self, folder: &OsStr) -> bool {
        let folder = folder.to_string_lossy();
        folder.rsplit_once('-').is_some_and(|(name, _)| self.repositories.iter().any(|known| known == name))
    }
}

fn read(lock: &str) -> Locked {
    let mut locked = Locked::default();
    for package in lock.split("[[package]]").skip(1) {
        let value = |key: &str| {
            let lines = package.lines().filter_map(|line| line.split_once(" = "));
            lines
                .filter(|(name, _)| *name == key)
                .map(|(_, value)| value.trim_matches('"').to_string())
                .next()
        };
        let (Some(name), Some(version), Some(source)) = (value("name"), value("version"), value("source"))
        else {
            continue;
        };
        let is_plain = |text: &str| text.is_ascii() && !text.contains(['/', '\\']) && !text.starts_with('.');
        if let Some(address) = source.strip_prefix("git+") {
            let path = address.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
            let last = path.rsplit('/').next().unwrap_or_default();
            locked.repositories.push(last.trim_end_matches(".git").into());
        } else if is_plain(&name) && is_plain(&version) {
            // Two registries may have it.
            if !locked.packages.iter().any(|known| (&known.0, &known.1) == (&name, &version)) {
                locked.packages.push((name, version));
            }
        }
    }
    locked
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = "version = 4\n\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n\n\
        [[package]]\nname = \"serde\"\nversion = \"1.0.2\"\nsource = \"registry+https://example.org/index\"\n\n\
        [[package]]\nname = \"../up\"\nversion = \"1.0.0\"\nsource = \"registry+https://example.org/index\"\n\n\
        [[package]]\nname = \"g\"\nversion = \"1.0.0\"\nsource = \"git+https://example.org/some/tool.git?rev=1#ab\"\n";

    #[test]
    fn only_what_comes_from_elsewhere_is_taken() {
        let locked = read(LOCK);
        assert_eq!(locked.packages, [("serde".into(), "1.0.2".into())]);
        assert!(locked.has_repository(OsStr::new("tool-0123abc")));
        assert!(!locked.has_repository(OsStr::new("own-0123abc")));
    }

    #[test]
    fn several_versions_of_a_package_are_in_one_file_of_an_index() {
        let packages = ["1.0.0", "2.0.0"].map(|version| ("serde".into(), version.into())).into();
        let locked = Locked { packages, ..Locked::default() };
        let scratch = std::env::temp_dir().join(format!("agent-offline-{}", std::process::id()));
        let (from, to) = (scratch.join("from"), scratch.join("to"));
        fs::create_dir_all(from.join(".cache/se/rd")).unwrap();
        fs::write(from.join(".cache/se/rd/serde"), "both").unwrap();
        copy_index(&from, &locked, &to).unwrap();
        let copied = fs::read_to_string(to.join(".cache/se/rd/serde")).unwrap();
        fs::remove_dir_all(scratch).unwrap();
        assert_eq!(copied, "both");
    }

    #[test]
    fn an_index_is_in_folders_by_the_first_letters() {
        for (name, place) in [("a", "1/a"), ("ab", "2/ab"), ("abc", "3/a/abc"), ("serde", "se/rd/serde")] {
            assert_eq!(place_in_index(name), place);
        }
    }
}
