//! Brings the source tree on the volume to the content of the archive.
//!
//! A file is written only when its content differs from the index, so its modification time says when the content
//! changed on this volume, whatever the time was elsewhere. That is the clock cargo compares its own outputs with.
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::index::{self, difference, Entry, Index};
use agent_core::sha256::{digest_of, digest_of_reader, from_hex, hex, Sha256};

use crate::failure::{At, Failure, Outcome, SOURCES_CHANGED};
use crate::files;
use crate::options::Options;
use crate::sets::Set;
use crate::tar::{Archive, Member};
use crate::tree;
use crate::volume::{join, started, Volume};

const LARGEST_INDEX: u64 = 1 << 30;

/// The sources as the host sent them: an archive, and where only what has changed since is in it, the one before.
pub struct Inputs {
    archive: PathBuf,
    base: Option<PathBuf>,
    pub index: Index,
    packed: Set,
}

impl Inputs {
    /// Reads the archive of the options --archive, --digest and --base.
    pub fn read(options: &Options) -> Outcome<Inputs> {
        let archive = options.path("archive")?;
        let digest = digest_of_reader(files::open(&archive).at(&archive)?).at(&archive)?;
        if from_hex(options.one("digest")?.as_bytes()) != Some(digest) {
            let message = format!("the sources arrived changed: their digest is {}", hex(&digest));
            return Err(Failure::new(SOURCES_CHANGED, message));
        }
        let mut tar = Archive::new(File::open(&archive).at(&archive)?);
        let index = index::parse(&part(&mut tar, "index")?).ok_or_else(incomplete)?;
        let names = part(&mut tar, "packed")?;
        let packed = index::lines(&names).ok_or_else(incomplete)?.map(<[u8]>::to_vec).collect();
        Ok(Inputs { archive, base: options.optional("base").map(PathBuf::from), index, packed })
    }

    /// Writes these files of the archives into the tree, and checks that they are what the index says.
    pub fn extract(&self, tree: &Path, wanted: &Index) -> Outcome<()> {
        let (packed, others): (Set, Set) =
            wanted.keys().cloned().partition(|path| self.packed.contains(path));
        let mut writer = Writer { tree, wanted, folders: Set::new() };
        writer.write_from(&self.archive, packed)?;
        match &self.base {
            Some(base) => writer.write_from(base, others),
            None if others.is_empty() => Ok(()),
            None => Err(incomplete()),
        }
    }
}

fn part(tar: &mut Archive<File>, name: &str) -> Outcome<Vec<u8>> {
    let member = tar.next_member().map_err(|_| incomplete())?;
    let size = member.filter(|member| member.name == name.as_bytes()).map(|member| member.size);
    let mut content = Vec::new();
    size.filter(|size| *size <= LARGEST_INDEX).ok_or_else(incomplete)?;
    tar.read_to_end(&mut content).map_err(|_| incomplete())?;
    Ok(content)
}

fn incomplete() -> Failure {
    Failure::new(SOURCES_CHANGED, "the sources did not arrive whole")
}

struct Writer<'a> {
    tree: &'a Path,
    wanted: &'a Index,
    /// Folders that are known to be folders.
    folders: Set,
}

impl Writer<'_> {
    fn write_from(&mut self, archive: &Path, mut paths: Set) -> Outcome<()> {
        if paths.is_empty() {
            return Ok(());
        }
        let mut tar = Archive::new(files::open(archive).at(archive)?);
        while let Some(member) = tar.next_member().map_err(|_| incomplete())? {
            let Some(path) = member.name.strip_prefix(b"files/").filter(|path| paths.remove(*path)) else {
                continue;
            };
            let entry = self.wanted[path];
            self.make_folder(path)?;
            let place = join(self.tree, path);
            files::remove(&place).at(&place)?;
            if written(&mut tar, &member, &place).at(&place)? != entry {
                let message = "the sources arrived changed: a file is not what its digest says";
                return Err(Failure::new(SOURCES_CHANGED, message));
            }
            if paths.is_empty() {
                return Ok(());
            }
        }
        Err(incomplete())
    }

    /// Makes the folder that a file belongs into; what is no folder there can only have been put there by the build.
    fn make_folder(&mut self, path: &[u8]) -> Outcome<()> {
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            if self.folders.contains(&path[..at]) {
                continue;
            }
            let folder = join(self.tree, &path[..at]);
            if !files::status(&folder).at(&folder)?.is_some_and(|found| found.is_dir()) {
                files::remove(&folder).at(&folder)?;
                fs::create_dir(&folder).at(&folder)?;
            }
            self.folders.insert(path[..at].to_vec());
        }
        Ok(())
    }
}

/// Writes one member, and returns what it is.
fn written(tar: &mut Archive<File>, member: &Member, place: &Path) -> std::io::Result<Entry> {
    if let Some(link) = &member.link {
        std::os::unix::fs::symlink(std::ffi::OsString::from_vec(link.clone()), place)?;
        return Ok(Entry { kind: b'l', digest: digest_of(link) });
    }
    let mode = if member.is_executable { 0o755 } else { 0o644 };
    let mut file = files::create(place, mode)?;
    let mut sha = Sha256::default();
    let mut room = vec![0; 1 << 16];
    loop {
        match tar.read(&mut room) {
            Ok(0) => break,
            Ok(size) => {
                sha.update(&room[..size]);
                file.write_all(&room[..size])?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Entry { kind: if member.is_executable { b'x' } else { b'-' }, digest: sha.finish() })
}

/// Returns what names the machine's last start.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_else(|_| "unknown".into())
}

/// Brings the tree up to date, whatever was interrupted before. `kept` is the path of the lock file, which cargo may
/// write.
pub fn sync(volume: &mut Volume, inputs: &Inputs, kept: &[u8]) -> Outcome<()> {
    let path = volume.tree();
    fs::create_dir_all(&path).at(&path)?;
    // What a machine that went down had not yet written to its disk, no index knows of.
    let boot = boot_id();
    let is_unsure =
        volume.records.boot != boot || files::status(&volume.syncing()).at(&volume.root)?.is_some();
    let since = started(volume);
    if is_unsure || since.is_some() {
        let foreign = tree::remove_foreign(volume, since.filter(|_| !is_unsure), kept)?;
        volume.note_changes(foreign);
    }
    if volume.records.boot != boot {
        volume.records.boot = boot;
        volume.write()?;
    }
    apply(volume, inputs)
}

/// Writes and removes what the index on the volume and the one of the archive do not agree about.
pub fn apply(volume: &mut Volume, inputs: &Inputs) -> Outcome<()> {
    let new = difference(&inputs.index, &volume.records.index);
    let old = difference(&volume.records.index, &inputs.index);
    let syncing = volume.syncing();
    if new.is_empty() && old.is_empty() {
        return files::remove(&syncing).at(&syncing);
    }
    // From here until the end the index must not claim what the tree may no longer have, and the tree may have what
    // no index claims.
    files::replace(&syncing, b"").at(&syncing)?;
    volume.records.index.retain(|path, _| !old.contains_key(path));
    volume.note_changes(new.keys().chain(old.keys()).cloned().collect::<Set>());
    volume.write()?;
    let tree = volume.tree();
    // Cargo notes the files that it has seen through a link by their own paths.
    tree::touch_through_links(&tree, &old)?;
    tree::remove_all(&tree, old.keys())?;
    tree::prune(&tree, old.keys().filter(|path| !new.contains_key(*path)))?;
    inputs.extract(&tree, &new)?;
    tree::touch_through_links(&tree, &new)?;
    volume.records.index = inputs.index.clone();
    volume.write()?;
    files::remove(&syncing).at(&syncing)
}
