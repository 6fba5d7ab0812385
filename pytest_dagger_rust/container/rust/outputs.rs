//! What leaves a build, put into the folder that the host gets.
//!
//! The folder is emptied once everything that cargo has started has ended, and from then on written by the agent alone.
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use agent_core::search::Needle;

use crate::failure::{At, Failure, Outcome, NOT_PROVED, OWN};
use crate::files;
use crate::index::leads_down;
use crate::json::Value;
use crate::messages::{is_below, Artifact};
use crate::sets::{self, Set};
use crate::volume::join;

/// The programs and the libraries for other languages that a build was asked for, by where they go.
pub type Wanted = Vec<(String, PathBuf)>;

/// Makes the folder empty, whatever a build script has put there.
pub fn open(out: &Path) -> Outcome<()> {
    match files::status(out).at(out)? {
        Some(found) if found.is_dir() => files::empty(out, "").at(out),
        _ => files::fresh_folder(out).at(out),
    }
}

/// Returns the artifacts of the tree's packages that leave the build.
///
/// Cargo's standard output has what macros print too, so each path is checked.
pub fn wanted<'a>(
    artifacts: impl Iterator<Item = &'a Artifact>,
    tree: &Path,
    target: &Path,
) -> Outcome<Wanted> {
    let mut wanted = Wanted::new();
    for artifact in artifacts.filter(|artifact| artifact.folder(tree).is_some()) {
        if let Some(path) = artifact.executable.as_ref().filter(|_| !artifact.is_test) {
            let folder = if artifact.is_kind("example") { "examples" } else { "bin" };
            check(artifact, path, target, &artifact.name)?;
            put(&mut wanted, format!("{folder}/{}", artifact.name), path);
        }
        if artifact.is_kind("cdylib") || artifact.is_kind("staticlib") {
            for path in artifact.files.iter().filter(|path| is_library_in_place(path, target)) {
                check(artifact, path, target, &format!("lib{}", artifact.name.replace('-', "_")))?;
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                put(&mut wanted, format!("lib/{name}"), path);
            }
        }
    }
    Ok(wanted)
}

/// Cargo may name a file more than once, where it was called more than once; the last one counts.
fn put(wanted: &mut Wanted, place: String, path: &Path) {
    wanted.retain(|(known, _)| *known != place);
    wanted.push((place, path.into()));
}

/// Whether cargo has put a library into its place, rather than compiled it for others only.
fn is_library_in_place(path: &Path, target: &Path) -> bool {
    let parts: Vec<_> = path.strip_prefix(target).unwrap_or(path).iter().rev().collect();
    let is_inner = parts.get(1).is_some_and(|folder| *folder == "deps")
        || parts.get(1).is_some_and(|folder| *folder == "out")
            && parts.get(4).is_some_and(|folder| *folder == "build");
    !is_inner && path.extension().is_some_and(|end| end == "so" || end == "a")
}

fn check(artifact: &Artifact, path: &Path, target: &Path, name: &str) -> Outcome<()> {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let is_named = file.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if is_named && leads_down(name.as_bytes()) && !name.contains('/') && is_below(path, target) {
        return Ok(());
    }
    let message = format!(
        "a message on cargo's standard output names {path:?} as a file of the target {:?}, which it cannot be",
        artifact.name
    );
    Err(Failure::new(OWN, message))
}

/// Copies the files, and looks meanwhile whether one is a stub; returns their sizes.
pub fn copy_out(wanted: &Wanted, out: &Path, marker: &str) -> Outcome<Vec<(String, u64)>> {
    std::thread::scope(|scope| {
        let search = scope.spawn(|| refuse_stubs(wanted.iter().map(|(_, path)| path.as_path()), marker));
        for folder in ["bin", "examples", "lib"] {
            let path = out.join(folder);
            fs::create_dir(&path).at(&path)?;
        }
        let mut sizes = Vec::new();
        for (place, path) in wanted {
            sizes.push((place.clone(), files::copy(path, &out.join(place)).at(path)?));
        }
        search.join().unwrap_or_else(|_| Err(Failure::new(OWN, "the search for stubs failed")))?;
        Ok(sizes)
    })
}

/// Fails where one of the files is a stub; what cannot be searched counts as one.
pub fn refuse_stubs<'a>(paths: impl Iterator<Item = &'a Path>, marker: &str) -> Outcome<()> {
    if marker.is_empty() {
        return Err(Failure::from("--marker is missing".to_string()));
    }
    let needle = Needle::new(marker.as_bytes());
    for path in paths {
        let is_stub = files::open(path).and_then(|file| needle.is_in_reader(file)).unwrap_or(true);
        if is_stub {
            return Err(Failure::new(NOT_PROVED, format!("{} is a stub, not the program", path.display())));
        }
    }
    Ok(())
}

/// Copies the sources as they are, and lets `target` in the workspace's root lead to the target directory, where
/// cargo itself would put it.
pub fn copy_out_tree(tree: &Path, root: &[u8], target: &Path, out: &Path) -> Outcome<()> {
    let files = out.join("files");
    files::copy_tree(tree, &files, &|_| true).at(tree)?;
    let link = join(&files, root).join("target");
    if files::status(&link).at(&link)?.is_none() {
        std::os::unix::fs::symlink(target, &link).at(&link)?;
    }
    Ok(())
}

/// Copies what tests look for where it was when they were compiled: themselves, the programs and libraries of the
/// workspace, the output of build scripts.
pub fn copy_out_tests(paths: &Set, target: &Path, out: &Path) -> Outcome<()> {
    let place = out.join("target");
    let tmp = place.join("tmp");
    fs::create_dir_all(&tmp).at(&tmp)?;
    for path in paths.iter().map(|path| sets::path(path)).filter(|path| is_below(path, target)) {
        let to = place.join(path.strip_prefix(target).unwrap_or(path));
        let above = to.parent().unwrap_or(&place);
        fs::create_dir_all(above).at(above)?;
        match files::status(path).at(path)? {
            _ if files::status(&to).at(&to)?.is_some() => {}
            Some(found) if found.is_dir() => files::copy_tree(path, &to, &|_| true).at(path)?,
            Some(found) if found.is_file() => files::copy(path, &to).map(|_| ()).at(path)?,
            _ => {}
        }
    }
    Ok(())
}

/// Writes what the host reads.
pub fn write_report(out: &Path, report: &Value) -> Outcome<()> {
    let path = out.join("report.json");
    files::create(&path, 0o644).and_then(|mut file| file.write_all(report.to_string().as_bytes())).at(&path)
}
