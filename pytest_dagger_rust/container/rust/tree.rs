//! The source tree on the volume: compared with its index, put right, and made to look new to cargo.
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::index::{Entry, Index};
use agent_core::sha256::{digest_of, digest_of_reader};

use crate::failure::{At, Outcome};
use crate::files::{self, changed};
use crate::sets::{self, bytes, Set};
use crate::volume::{join, relative, Volume};

/// Removes what is not as the index says from the tree, and from the index, and returns the paths.
///
/// `since` is when somebody else can have begun to write in the tree, None for any time; `kept` is left as it is.
pub fn remove_foreign(volume: &mut Volume, since: Option<(i64, i64)>, kept: &[u8]) -> Outcome<Vec<Vec<u8>>> {
    let tree = volume.tree();
    let mut present = Set::new();
    let mut foreign = Set::new();
    for (path, found) in walk(&tree)? {
        if path == kept {
            present.insert(path);
            continue;
        }
        let entry = volume.records.index.get(&path);
        let is_right = match entry {
            Some(entry) => is_content(&join(&tree, &path), &found, entry, since).at(&join(&tree, &path))?,
            None => found.is_dir(),
        };
        if is_right {
            present.insert(path);
        } else {
            foreign.insert(path);
        }
    }
    remove_all(&tree, foreign.iter())?;
    prune(&tree, foreign.iter().filter(|path| !volume.records.index.contains_key(*path)))?;
    let missing: Vec<_> =
        volume.records.index.keys().filter(|path| !present.contains(*path)).cloned().collect();
    volume.records.index.retain(|path, _| present.contains(path));
    foreign.extend(missing);
    Ok(foreign.into_iter().collect())
}

/// Everything in a folder, the folders too; what is gone by now is left out.
pub fn walk(tree: &Path) -> Outcome<Vec<(Vec<u8>, Metadata)>> {
    let mut found = Vec::new();
    let mut pending = vec![tree.to_path_buf()];
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).at(&folder)? {
            let path = entry.at(&folder)?.path();
            let Some(status) = files::status(&path).at(&path)? else { continue };
            if status.is_dir() {
                pending.push(path.clone());
            }
            found.extend(relative(&path, tree).map(|path| (path, status)));
        }
    }
    Ok(found)
}

/// Whether a file is what an entry of the index says. One that nobody has touched is not read.
fn is_content(path: &Path, found: &Metadata, entry: &Entry, since: Option<(i64, i64)>) -> io::Result<bool> {
    let kind = match found.file_type() {
        kind if kind.is_symlink() => b'l',
        kind if !kind.is_file() => return Ok(false),
        _ if found.mode() & 0o100 != 0 => b'x',
        _ => b'-',
    };
    if kind != entry.kind {
        return Ok(false);
    }
    if since.is_some_and(|since| changed(found) < since) {
        return Ok(true);
    }
    let digest = match kind {
        b'l' => digest_of(fs::read_link(path)?.as_os_str().as_bytes()),
        _ => digest_of_reader(files::open(path)?)?,
    };
    Ok(digest == entry.digest)
}

/// Whether the tree has the content of an entry at a path.
pub fn has(tree: &Path, path: &[u8], entry: &Entry) -> Outcome<bool> {
    let place = join(tree, path);
    match files::status(&place).at(&place)? {
        Some(found) => is_content(&place, &found, entry, None).at(&place),
        None => Ok(false),
    }
}

pub fn remove_all<'a>(tree: &Path, paths: impl Iterator<Item = &'a Vec<u8>>) -> Outcome<()> {
    for path in paths {
        let place = join(tree, path);
        files::remove(&place).at(&place)?;
    }
    Ok(())
}

/// Removes the folders that are empty now that these files are gone. A build script without rerun-if-changed looks at
/// the newest file of its package only: makes that one newer.
pub fn prune<'a>(tree: &Path, gone: impl Iterator<Item = &'a Vec<u8>>) -> Outcome<()> {
    let folders: Set = gone.filter_map(|path| Some(bytes(join(tree, path).parent()?))).collect();
    for folder in folders.iter().rev().map(|folder| sets::path(folder)) {
        let above = folder.ancestors().take_while(|folder| folder.starts_with(tree));
        let mut has_ended = false;
        for folder in above {
            has_ended = has_ended || folder == tree || fs::remove_dir(folder).is_err();
            let manifest = folder.join("Cargo.toml");
            if has_ended && files::status(&manifest).at(&manifest)?.is_some_and(|found| found.is_file()) {
                files::touch(&manifest).at(&manifest)?;
                break;
            }
        }
    }
    Ok(())
}

/// Cargo looks through a symbolic link: all in the tree that is seen through a new one must look changed.
pub fn touch_through_links(tree: &Path, new: &Index) -> Outcome<()> {
    let base = fs::canonicalize(tree).at(tree)?;
    let mut seen = Set::new();
    let links = new.iter().filter(|(_, entry)| entry.kind == b'l');
    let mut pending: Vec<PathBuf> = links.map(|(path, _)| join(tree, path)).collect();
    while let Some(path) = pending.pop() {
        // A link that leads nowhere, or out of the tree, shows nothing that could be dated anew.
        let Ok(place) = fs::canonicalize(&path) else { continue };
        if !place.starts_with(&base) || !seen.insert(bytes(&place)) {
            continue;
        }
        let Some(found) = files::status(&place).at(&place)? else { continue };
        if found.is_file() {
            files::touch(&place).at(&place)?;
        } else if found.is_dir() {
            for entry in fs::read_dir(&place).at(&place)? {
                pending.push(entry.at(&place)?.path());
            }
        }
    }
    Ok(())
}

/// Makes every source look new to cargo, so that all of the workspace's own packages are compiled.
pub fn touch_all(tree: &Path) -> Outcome<()> {
    for (path, found) in walk(tree)? {
        if found.is_file() {
            let place = join(tree, &path);
            files::touch(&place).at(&place)?;
        }
    }
    Ok(())
}

/// Dates a source file to now, where it is one.
pub fn touch(tree: &Path, path: &[u8]) -> Outcome<()> {
    let place = join(tree, path);
    match files::status(&place).at(&place)? {
        Some(found) if found.is_file() => files::touch(&place).at(&place),
        _ => Ok(()),
    }
}
