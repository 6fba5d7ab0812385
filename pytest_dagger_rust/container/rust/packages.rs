//! Packages lie in a folder of the agent's; cargo's configuration and credentials stay the image's own.
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::failure::{At, Failure, Outcome, OWN};
use crate::files;

const SHARED: [&str; 5] = ["registry", "git", ".package-cache", ".package-cache-mutate", ".global-cache"];

/// Returns cargo's home, where packages are looked for.
pub fn home() -> PathBuf {
    let home = env::var_os("CARGO_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    home.unwrap_or_else(|| {
        PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/root".into())).join(".cargo")
    })
}

fn unusable(home: &Path, error: &std::io::Error) -> Failure {
    let hint = "Set CARGO_HOME in the builder image to a folder of that user's.";
    let message =
        format!("cargo's home {} is not the builder's user's to write to: {error}. {hint}", home.display());
    Failure::new(OWN, message)
}

/// Has cargo's home use a folder, for all that the image does not have itself.
pub fn share(folder: &Path) -> Outcome<()> {
    let home = home();
    for name in ["registry", "git"] {
        let place = folder.join(name);
        fs::create_dir_all(&place).at(&place)?;
    }
    fs::create_dir_all(&home).map_err(|error| unusable(&home, &error))?;
    for name in SHARED {
        let place = home.join(name);
        // One with something in it stays.
        let _ = fs::remove_dir(&place);
        if files::status(&place).at(&place)?.is_none() {
            match symlink(folder.join(name), &place) {
                // Another build with the same home was faster.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                done => done.map_err(|error| unusable(&home, &error))?,
            }
        }
    }
    Ok(())
}
