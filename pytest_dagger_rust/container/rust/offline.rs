//! The packages that a lock file names, in a folder that is like cargo's home: what cargo finds there needs no network.
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::failure::{At, Outcome};
use crate::files;
use crate::locked::{read, Locked};
use crate::sets::Set;

/// Copies what the lock file names into a folder that is like cargo's home.
pub fn copy_out(home: &Path, lock: &str, out: &Path) -> Outcome<()> {
    let locked = read(lock);
    copy_downloads(home, &locked, out)?;
    copy_repositories(home, "checkouts", &locked, out)
}

/// Copies what cargo has downloaded, but nothing that it has unpacked.
pub fn copy_downloads(home: &Path, locked: &Locked, out: &Path) -> Outcome<()> {
    for name in ["registry", "git"] {
        let place = out.join(name);
        fs::create_dir_all(&place).at(&place)?;
    }
    let registry = home.join("registry");
    for folder in folders(&registry.join("cache")) {
        let to = out.join("registry/cache").join(folder.file_name().unwrap_or_default());
        copy_crates(&folder, locked, &to).at(&folder)?;
    }
    for folder in folders(&registry.join("index")) {
        let to = out.join("registry/index").join(folder.file_name().unwrap_or_default());
        copy_index(&folder, locked, &to).at(&folder)?;
    }
    copy_repositories(home, "db", locked, out)
}

fn copy_repositories(home: &Path, kind: &str, locked: &Locked, out: &Path) -> Outcome<()> {
    for folder in folders(&home.join("git").join(kind)) {
        let name = folder.file_name().unwrap_or_default();
        if locked.has_repository(name) {
            files::copy_tree(&folder, &out.join("git").join(kind).join(name), &|_| true).at(&folder)?;
        }
    }
    Ok(())
}

pub fn folders(above: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(above).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn copy_crates(folder: &Path, locked: &Locked, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for name in locked.packages.iter().map(|package| package.file_name()) {
        copy_if_there(&folder.join(&name), &to.join(&name))?;
    }
    Ok(())
}

/// Copies what cargo has cached of an index, and the repository of one that is in git.
fn copy_index(folder: &Path, locked: &Locked, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to.join(".cache"))?;
    copy_if_there(&folder.join("config.json"), &to.join("config.json"))?;
    copy_if_there(&folder.join(".cargo-index-lock"), &to.join(".cargo-index-lock"))?;
    // All versions of a package are in one file.
    let mut done = Set::new();
    for package in &locked.packages {
        let place = place_in_index(&package.name.to_lowercase());
        if !done.insert(place.as_bytes().to_vec()) {
            continue;
        }
        let path = Path::new(".cache").join(place);
        fs::create_dir_all(to.join(&path).parent().unwrap_or(to))?;
        copy_if_there(&folder.join(&path), &to.join(&path))?;
    }
    let repository = folder.join(".git");
    if files::status(&repository)?.is_some_and(|found| found.is_dir()) {
        files::copy_tree(&repository, &to.join(".git"), &|_| true)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locked::Package;

    #[test]
    fn several_versions_of_a_package_are_in_one_file_of_an_index() {
        let packages = ["1.0.0", "2.0.0"].map(|version| Package {
            name: "serde".into(),
            version: version.into(),
            ..Package::default()
        });
        let locked = Locked { packages: packages.into(), ..Locked::default() };
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
