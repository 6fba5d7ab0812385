//! What the cache volume keeps between builds: the lock, the tree's index, what has changed since when, the proofs.
//!
//! Build scripts run as the user who may write here, so nothing in it is trusted: if a record cannot be read as it was
//! written, the volume is emptied.
use std::fs::{self, File, OpenOptions};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::io::AsRawFd;
use std::path::{Path, PathBuf};

use crate::index::{self, leads_down, Index};

use crate::failure::{At, Outcome};
use crate::files::{self, changed, O_NOFOLLOW};
use crate::json::{self, Value};
use crate::sets::Numbers;
use crate::tree;

/// Sets of dependencies that a volume holds before it is emptied; limits its growth.
pub const MOST_DEPENDENCIES: usize = 8;
/// More artifacts than a workspace has, in several profiles and sets of features.
const MOST_PROOFS: usize = 10_000;
const LARGEST: u64 = 1 << 30;
/// What generations are counted to: none that was reached by counting is larger.
const LAST_GENERATION: u64 = 1 << 52;

const LOCK_EX: i32 = 2;
const LOCK_NB: i32 = 4;

extern "C" {
    fn flock(file: i32, operation: i32) -> i32;
}

/// Counts the changes of the tree.
pub type Generation = u64;

#[derive(Debug, Default, PartialEq)]
pub struct Records {
    pub generation: Generation,
    pub boot: String,
    /// The last request to clear the volume that was carried out.
    pub cleared: String,
    /// What the variables and cargo's configuration were, when cargo was called last.
    pub variables: String,
    pub configuration: String,
    /// The digest of the messages that are kept of the build before.
    pub before: String,
    /// The sources of the workspace's own build scripts, relative to the tree.
    pub build_scripts: Vec<Vec<u8>>,
    /// Names of the sets of dependencies that the target directory has.
    pub dependencies: Vec<String>,
    pub index: Index,
    /// When the content of a path has changed last.
    pub changes: Numbers,
    /// The state of the tree that an artifact was made from, or has been found to be as good as made from, by the
    /// stamp of its file.
    pub proofs: Vec<(String, Generation)>,
}

pub struct Volume {
    pub root: PathBuf,
    pub records: Records,
    /// "kept", "new", "cleared", or "emptied: " and why.
    pub condition: String,
    /// The oldest proof on the disk.
    oldest_written: Generation,
    _lock: File,
}

impl Volume {
    /// Waits until no other build uses the volume, and reads its records; empties it once for each `clear`.
    pub fn open(root: &Path, clear: &str) -> Outcome<Volume> {
        fs::create_dir_all(root).at(root)?;
        let lock = locked(&root.join("lock"))?;
        let (records, condition) = (Records::default(), "kept".into());
        let mut volume = Volume { root: root.into(), records, condition, oldest_written: 0, _lock: lock };
        match volume.read() {
            Some(records) => {
                volume.oldest_written = records.oldest_proof();
                volume.records = records;
            }
            None => volume.start_anew("emptied: its records were damaged")?,
        }
        if !clear.is_empty() && volume.records.cleared != clear {
            volume.start_anew("cleared")?;
            volume.records.cleared = clear.into();
        }
        if volume.condition == "kept" && !volume.target().is_dir() {
            volume.condition = "new".into();
        }
        volume.check_clock()?;
        Ok(volume)
    }

    pub fn tree(&self) -> PathBuf {
        self.root.join("files")
    }

    pub fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// A folder for files that are only of use while this build runs.
    pub fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// There while the tree may not have what the index says.
    pub fn syncing(&self) -> PathBuf {
        self.root.join("syncing")
    }

    /// There while cargo runs; its time is that of cargo's start.
    pub fn running(&self) -> PathBuf {
        self.root.join("running")
    }

    pub fn start_anew(&mut self, condition: &str) -> Outcome<()> {
        files::empty(&self.root, "lock").at(&self.root)?;
        self.records = Records::default();
        self.condition = condition.into();
        Ok(())
    }

    /// Forgets what was compiled, and proofs of it; the tree stays.
    pub fn forget_outputs(&mut self, condition: &str) -> Outcome<()> {
        for path in [self.target(), self.root.join("before"), self.running()] {
            files::remove(&path).at(&path)?;
        }
        self.records.proofs.clear();
        self.records.dependencies.clear();
        self.condition = condition.into();
        self.write()
    }

    // Time going backwards would make old outputs look newer than new sources.
    fn check_clock(&mut self) -> Outcome<()> {
        let (last, now) = (self.root.join("clock"), self.root.join("clock.now"));
        files::replace(&now, b"").at(&now)?;
        let is_before = |a: &Path, b: &Path| -> Option<bool> {
            let times = [a, b]
                .map(|path| fs::symlink_metadata(path).map(|found| (found.mtime(), found.mtime_nsec())));
            let [Ok(a), Ok(b)] = times else { return None };
            Some(a < b)
        };
        if is_before(&now, &last) == Some(true) {
            eprintln!("pytest-dagger-rust: the clock went back; compiling everything once more");
            self.forget_outputs("emptied: the clock went back")?;
            // Or cargo would take each source for a new one, until the clock has come so far again.
            if self.tree().is_dir() {
                tree::touch_all(&self.tree())?;
            }
        }
        files::remove(&last).at(&last)?;
        fs::rename(&now, &last).at(&last)
    }

    /// Notes that everything on the volume is older than now.
    pub fn strike_clock(&self) -> Outcome<()> {
        let path = self.root.join("clock");
        files::replace(&path, b"").at(&path)
    }

    pub fn has_room(&self) -> bool {
        self.records.dependencies.len() < MOST_DEPENDENCIES
    }

    pub fn has_dependencies(&self, name: &str) -> bool {
        self.records.dependencies.iter().any(|known| known == name)
    }

    pub fn add_dependencies(&mut self, name: &str) {
        if !self.has_dependencies(name) {
            self.records.dependencies.push(name.into());
        }
    }

    /// Begins a new state of the tree, in which these paths have another content.
    pub fn note_changes(&mut self, paths: impl IntoIterator<Item = Vec<u8>>) {
        self.records.generation += 1;
        let generation = self.records.generation;
        self.records.changes.extend(paths.into_iter().map(|path| (path, generation)));
    }

    /// Writes the records; each of their files is whole at any time, and `syncing` and `running` say which to believe.
    pub fn write(&mut self) -> Outcome<()> {
        self.drop_old();
        let oldest = self.records.oldest_proof();
        let records = &self.records;
        let lines = |items: &mut dyn Iterator<Item = (Generation, &[u8])>| -> Vec<u8> {
            items
                .flat_map(|(number, text)| [number.to_string().as_bytes(), b" ", text, b"\n"].concat())
                .collect()
        };
        let mut changes = records.changes.iter().map(|(path, generation)| (*generation, &path[..]));
        let mut proofs = records.proofs.iter().map(|(stamp, generation)| (*generation, stamp.as_bytes()));
        // In this order: no proof on the disk ever misses a change that came after it.
        for (name, content) in [
            ("state.json", records.state().to_string().into_bytes()),
            ("changes", lines(&mut changes)),
            ("proofs", lines(&mut proofs)),
            ("index", index::render(&records.index)),
        ] {
            let path = self.root.join(name);
            files::replace(&path, &content).at(&path)?;
        }
        self.oldest_written = oldest;
        Ok(())
    }

    // A change that all proofs know of, also those that are still on the disk, needs no mention.
    fn drop_old(&mut self) {
        self.records.proofs.truncate(MOST_PROOFS);
        let oldest = self.records.oldest_proof().min(self.oldest_written);
        self.records.changes.retain(|_, generation| *generation > oldest);
    }

    /// Reads the records, None where they are not what was written.
    fn read(&self) -> Option<Records> {
        for path in [self.tree(), self.target()] {
            if !files::status(&path).ok()?.map_or(true, |found| found.is_dir()) {
                return None;
            }
        }
        if files::read_if_there(&self.root.join("state.json"), LARGEST).ok()?.is_none() {
            let nothing = ["index", "changes", "proofs", "files", "target"];
            let is_new = nothing.iter().all(|name| matches!(files::status(&self.root.join(name)), Ok(None)));
            return is_new.then(Records::default);
        }
        let mut records = Records::read(&self.root)?;
        let proofs = files::read_if_there(&self.root.join("proofs"), LARGEST).ok()?.unwrap_or_default();
        for line in index::lines(&proofs)? {
            let (generation, stamp) = numbered(line, records.generation)?;
            records.proofs.push((String::from_utf8(stamp.into()).ok()?, generation));
        }
        Some(records)
    }
}

impl Records {
    /// Reads records but for the proofs; None where they are not what was written.
    pub fn read(folder: &Path) -> Option<Records> {
        let content = |name: &str| files::read_if_there(&folder.join(name), LARGEST).ok();
        let mut records = Records::from_state(&json::parse(&content("state.json")??)?)?;
        records.index = index::parse(&content("index")?.unwrap_or_default())?;
        for line in index::lines(&content("changes")?.unwrap_or_default())? {
            let (generation, path) = numbered(line, records.generation)?;
            leads_down(path).then_some(())?;
            records.changes.insert(path.into(), generation);
        }
        Some(records)
    }

    fn oldest_proof(&self) -> Generation {
        self.proofs.iter().map(|(_, generation)| *generation).min().unwrap_or(self.generation)
    }

    fn state(&self) -> Value {
        Value::object(vec![
            ("generation", Value::number(self.generation)),
            ("boot", self.boot.as_str().into()),
            ("cleared", self.cleared.as_str().into()),
            ("variables", self.variables.as_str().into()),
            ("configuration", self.configuration.as_str().into()),
            ("before", self.before.as_str().into()),
            ("build_scripts", self.build_scripts.iter().map(|path| hex(path)).collect()),
            ("dependencies", self.dependencies.iter().map(|name| Value::from(name.as_str())).collect()),
        ])
    }

    fn from_state(state: &Value) -> Option<Records> {
        let text = |name: &str| state.get(name)?.text().map(String::from);
        let build_scripts = state.get("build_scripts")?.texts()?;
        Some(Records {
            generation: state.get("generation")?.integer().filter(|number| *number < LAST_GENERATION)?,
            boot: text("boot")?,
            cleared: text("cleared")?,
            variables: text("variables")?,
            configuration: text("configuration")?,
            before: text("before")?,
            build_scripts: build_scripts.iter().map(|text| path_of(text)).collect::<Option<_>>()?,
            dependencies: state.get("dependencies")?.texts()?,
            ..Records::default()
        })
    }
}

// A path may be of any encoding, which JSON's texts are not.
fn hex(path: &[u8]) -> Value {
    Value::Text(path.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn path_of(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    let path: Vec<u8> = pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect::<Option<_>>()?;
    leads_down(&path).then_some(path)
}

fn numbered(line: &[u8], last: Generation) -> Option<(Generation, &[u8])> {
    let blank = line.iter().position(|byte| *byte == b' ')?;
    let number: Generation = std::str::from_utf8(&line[..blank]).ok()?.parse().ok()?;
    (number <= last).then_some((number, &line[blank + 1..]))
}

/// Waits until nobody else has the lock; it lasts as long as the file is open.
pub fn locked(path: &Path) -> Outcome<File> {
    if files::status(path).at(path)?.is_some_and(|found| !found.is_file()) {
        files::remove(path).at(path)?;
    }
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .custom_flags(O_NOFOLLOW)
        .mode(0o644)
        .open(path)
        .at(path)?;
    if unsafe { flock(file.as_raw_fd(), LOCK_EX | LOCK_NB) } != 0 {
        eprintln!("pytest-dagger-rust: waiting for another build of this workspace");
        while unsafe { flock(file.as_raw_fd(), LOCK_EX) } != 0 {
            let error = std::io::Error::last_os_error();
            if error.kind() != std::io::ErrorKind::Interrupted {
                return Err(error).at(path);
            }
        }
    }
    Ok(file)
}

/// Returns the path of a file below a folder.
pub fn join(folder: &Path, path: &[u8]) -> PathBuf {
    folder.join(std::ffi::OsString::from_vec(path.to_vec()))
}

/// Returns a file's path relative to a folder.
pub fn relative(path: &Path, folder: &Path) -> Option<Vec<u8>> {
    Some(path.strip_prefix(folder).ok()?.as_os_str().as_bytes().to_vec())
}

/// When cargo was started: what is older has not been touched since.
pub fn started(volume: &Volume) -> Option<(i64, i64)> {
    files::status(&volume.running()).ok()?.map(|found| changed(&found))
}
