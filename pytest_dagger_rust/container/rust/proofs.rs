//! Proves that what cargo calls fresh was made from the tree as it is.
//!
//! When cargo compiles an artifact of a package in the tree, the proofs get the state of the tree that it was made
//! from, and which file it is: builds with other flags put others under the same name. When cargo later calls it fresh,
//! none of its inputs may have changed since; rustc names them in a dep-info file. Then it is as good as made from the
//! present state, and its proof says so from then on.
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::dep_info::{self, is_library};
use crate::files::{self, changed};
use crate::index::Index;
use crate::messages::Artifact;
use crate::sets::{self, bytes, Numbers, Set};
use crate::volume::{relative, Generation, Records};

const LARGEST_DEP_INFO: u64 = 64 << 20;

pub struct Places<'a> {
    pub tree: &'a Path,
    pub target: &'a Path,
    /// The workspace's root, relative to the tree.
    pub root: &'a [u8],
    /// When cargo was started.
    pub started: (i64, i64),
}

/// Renews the proofs, or returns what cannot be proved.
pub fn prove<'a>(
    artifacts: impl Iterator<Item = &'a Artifact>,
    records: &mut Records,
    places: &Places,
) -> Result<(), Vec<String>> {
    let known: Numbers = records
        .proofs
        .iter()
        .rev()
        .map(|(stamp, generation)| (stamp.as_bytes().to_vec(), *generation))
        .collect();
    let mut prover = Prover {
        places,
        generation: records.generation,
        changes: Changes::new(&records.changes),
        known,
        infos: Infos::default(),
        proved: Vec::new(),
        seen: Set::new(),
        complaints: Vec::new(),
    };
    for artifact in artifacts {
        prover.look_at(artifact);
    }
    if !prover.complaints.is_empty() {
        return Err(prover.complaints);
    }
    let (mut proofs, seen) = (prover.proved, prover.seen);
    proofs.extend(records.proofs.iter().filter(|(stamp, _)| !seen.contains(stamp.as_bytes())).cloned());
    records.proofs = proofs;
    Ok(())
}

/// Takes over the artifacts of another build whose inputs, as its index `theirs` has them, are in the tree as they are
/// there; returns the inputs.
///
/// Cargo puts programs, and the libraries it was asked for, in their place anew: those files are others then.
pub fn adopt(artifacts: &[Artifact], records: &mut Records, places: &Places, theirs: &Index) -> Set {
    let own: Vec<_> = artifacts.iter().filter(|artifact| artifact.folder(places.tree).is_some()).collect();
    let (inner, others): (Vec<_>, Vec<_>) = own.into_iter().partition(|artifact| is_inner(artifact));
    let changed: Set = others.iter().filter_map(|artifact| relative(&artifact.source, places.tree)).collect();
    let mut infos = Infos::default();
    let mut adopted = Set::new();
    for artifact in inner {
        let Some((file, stamp)) = artifact.files.first().and_then(|file| Some((file, Stamp::of(file)?)))
        else {
            continue;
        };
        let Some(inputs) = infos.inputs(file) else { continue };
        let is_same = |path: &Vec<u8>| records.index.get(path) == theirs.get(path) && !changed.contains(path);
        let found: Vec<Vec<u8>> = inputs
            .iter()
            .flat_map(|path| in_tree(path, places))
            .filter(|path| records.index.contains_key(path) || theirs.contains_key(path))
            .collect();
        if !found.is_empty() && found.iter().all(is_same) {
            adopted.extend(found);
            records.proofs.push((stamp.text, records.generation));
        }
    }
    adopted
}

fn is_inner(artifact: &Artifact) -> bool {
    let folder = artifact.files.first().and_then(|file| file.parent()?.file_name());
    folder.is_some_and(|name| name == "deps" || name == "out")
}

/// Returns the paths in the tree that an input of dep-info can mean: a relative one begins in the tree or in the root.
fn in_tree(path: &[u8], places: &Places) -> Vec<Vec<u8>> {
    let tree = places.tree.as_os_str().as_bytes();
    let at_root = [places.root, b"/", path].concat();
    let both = [Some(path), (!path.starts_with(b"/")).then_some(&at_root[..])];
    both.into_iter().flatten().filter_map(|path| dep_info::below(path, tree)).collect()
}

struct Prover<'a> {
    places: &'a Places<'a>,
    generation: Generation,
    changes: Changes<'a>,
    known: Numbers,
    infos: Infos,
    proved: Vec<(String, Generation)>,
    seen: Set,
    complaints: Vec<String>,
}

impl Prover<'_> {
    fn look_at(&mut self, artifact: &Artifact) {
        let Some(folder) = artifact.folder(self.places.tree) else { return };
        let Some(file) = artifact.files.first() else { return };
        let stamp = Stamp::of(file);
        let is_compiled = |stamp: &Stamp| !artifact.is_fresh && stamp.changed >= self.places.started;
        let why = match stamp {
            Some(stamp) if is_compiled(&stamp) => return self.note(stamp.text),
            // Cargo was called twice, the second time for doctests.
            Some(stamp) if self.seen.contains(stamp.text.as_bytes()) => return,
            Some(stamp) => match self.known.get(stamp.text.as_bytes()).copied() {
                None => "it is not known what it was made from".into(),
                Some(generation) => match self.culprit(artifact, file, &folder, generation) {
                    None => return self.note(stamp.text),
                    Some(path) => format!("{} has changed since", String::from_utf8_lossy(&path)),
                },
            },
            None => "its file is not there".into(),
        };
        let name = file.strip_prefix(self.places.target).unwrap_or(file);
        self.complaints.push(format!("cargo calls {} fresh, but {why}", name.display()));
    }

    fn note(&mut self, stamp: String) {
        if self.seen.insert(stamp.as_bytes().to_vec()) {
            self.proved.push((stamp, self.generation));
        }
    }

    /// Returns an input of an artifact that has changed after a generation.
    fn culprit(
        &mut self,
        artifact: &Artifact,
        file: &Path,
        folder: &[u8],
        since: Generation,
    ) -> Option<Vec<u8>> {
        if since >= self.changes.last {
            return None;
        }
        if let Some(inputs) = self.infos.inputs(file) {
            let mut below = inputs.iter().flat_map(|path| in_tree(path, self.places));
            return below.find_map(|path| self.changes.at(&path, since));
        }
        if artifact.is_kind("custom-build") {
            // A build script is known by its source.
            let tree = self.places.tree.as_os_str().as_bytes();
            let source = dep_info::below(artifact.source.as_os_str().as_bytes(), tree)?;
            return self.changes.at(&source, since);
        }
        // Without dep-info it may have read all that is in its folder.
        self.changes.at(folder, since)
    }
}

/// Which file an artifact is.
struct Stamp {
    text: String,
    changed: (i64, i64),
}

impl Stamp {
    fn of(file: &Path) -> Option<Stamp> {
        let found = files::status(file).ok()??;
        Some(Stamp { text: stamp(&found), changed: changed(&found) })
    }
}

/// Returns what a file is known by.
pub fn stamp(found: &fs::Metadata) -> String {
    format!("{}-{}-{}.{:09}", found.ino(), found.size(), found.mtime(), found.mtime_nsec())
}

/// When each path, and anything in a folder, has changed last.
struct Changes<'a> {
    paths: &'a Numbers,
    folders: Numbers,
    last: Generation,
}

impl<'a> Changes<'a> {
    fn new(paths: &'a Numbers) -> Changes<'a> {
        let mut folders = Numbers::new();
        let mut last = 0;
        for (path, generation) in paths {
            last = last.max(*generation);
            let ends = path.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
            for end in ends.chain([0]) {
                let known = folders.entry(path[..end].to_vec()).or_insert(0);
                if *known >= *generation {
                    // So it is for all folders above.
                    break;
                }
                *known = *generation;
            }
        }
        Changes { paths, folders, last }
    }

    /// Returns the path if it has changed after a generation, or one below it: an input may be a folder, of a build
    /// script. Or one above it, which can only be a link.
    fn at(&self, path: &[u8], since: Generation) -> Option<Vec<u8>> {
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let mut above = ends.chain([path.len()]).map(|end| &path[..end]);
        let is_changed = |path: &&[u8]| self.paths.get(*path).is_some_and(|generation| *generation > since);
        if let Some(found) = above.find(is_changed) {
            return Some(found.into());
        }
        self.folders.get(path).filter(|generation| **generation > since)?;
        let is_below = |changed: &[u8]| {
            path.is_empty() || changed.strip_prefix(path).is_some_and(|rest| rest.starts_with(b"/"))
        };
        let found =
            self.paths.iter().filter(|(changed, generation)| **generation > since && is_below(changed));
        found.map(|(changed, _)| changed.clone()).min()
    }
}

/// The dep-info files of the target directory.
#[derive(Default)]
struct Infos {
    folders: Vec<(PathBuf, Folder)>,
}

/// Those that lie beside the artifacts of a folder, and rustc's own by the name of the crate: for the crate in all the
/// forms it was compiled in.
#[derive(Default)]
struct Folder {
    beside: Set,
    /// By the crate's name, which of the lists has the files.
    forms: Numbers,
    lists: Vec<Vec<PathBuf>>,
}

impl Infos {
    fn folder(&mut self, path: &Path) -> &Folder {
        let at = self.folders.iter().position(|(known, _)| known == path).unwrap_or_else(|| {
            self.folders.push((path.into(), Folder::read(path)));
            self.folders.len() - 1
        });
        &self.folders[at].1
    }

    /// Returns what an artifact was made from, None where no dep-info says so.
    ///
    /// Beside one that cargo puts in place for another, it need not write dep-info: there is rustc's, in deps/ or, in
    /// the layout that gives each form a folder, in build/<package>/<hash>/out/.
    fn inputs(&mut self, file: &Path) -> Option<Set> {
        let folder = file.parent()?;
        let known = self.folder(folder);
        let full = file.file_name()?.as_bytes();
        let name = match full.iter().rposition(|byte| *byte == b'.') {
            Some(dot) => &full[..dot],
            None => full,
        };
        let short = name.strip_prefix(b"lib").unwrap_or(name);
        let mut found = Set::new();
        for stem in [full, name, short] {
            let name = [stem, b".d"].concat();
            if known.beside.contains(&name) {
                found.insert(bytes(&folder.join(std::ffi::OsString::from_vec(name))));
            }
        }
        for stem in [name, short] {
            let stem: Vec<u8> = stem.iter().map(|byte| if *byte == b'-' { b'_' } else { *byte }).collect();
            let list = known.forms.get(&stem).map(|at| &known.lists[*at as usize]);
            found.extend(list.into_iter().flatten().map(|path| bytes(path)));
        }
        let is_library = is_library(full);
        let mut inputs = None;
        for path in found {
            let text = files::read(sets::path(&path), LARGEST_DEP_INFO).unwrap_or_default();
            // Of a program's it cannot be told what a library was made from, nor the reverse.
            if let Some(info) = dep_info::parse(&text).filter(|info| info.is_library == is_library) {
                inputs.get_or_insert_with(Set::new).extend(info.inputs);
            }
        }
        inputs
    }
}

impl Folder {
    fn read(folder: &Path) -> Folder {
        let names = infos_in(folder).filter_map(|path| Some(path.file_name()?.as_bytes().to_vec()));
        let mut found = Folder { beside: names.collect(), ..Folder::default() };
        let forms = subfolders(&folder.join("build")).flat_map(|package| subfolders(&package));
        let outs = forms.map(|form| form.join("out"));
        for path in outs.chain([folder.join("deps")]).flat_map(|folder| infos_in(&folder)) {
            let Some(name) = path.file_name().map(|name| name.as_bytes()) else { continue };
            let name = &name[..name.len() - 2];
            // Without the hash, where there is one.
            let end = name.iter().rposition(|byte| *byte == b'-').unwrap_or(name.len());
            let next = found.lists.len();
            let at = *found.forms.entry(name[..end].to_vec()).or_insert(next as u64) as usize;
            if at == next {
                found.lists.push(Vec::new());
            }
            found.lists[at].push(path.clone());
        }
        found
    }
}

fn infos_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.as_os_str().as_bytes().ends_with(b".d"))
}

fn subfolders(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path())
}
