//! What tests have written into the workspace: regular files that are new or have changed, of those that the host asks for
//! by patterns.
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::options::Options;
use crate::output_files::{self, Taken};

/// How long the files may take to be read.
const PATIENCE: Duration = Duration::from_secs(60);

/// What tells whether a file is the one it was: whatever is written changes the last of them.
type Stamp = (u64, u64, i64, i64);

pub struct Written {
    root: PathBuf,
    patterns: Vec<Vec<Vec<u8>>>,
    before: BTreeMap<PathBuf, Stamp>,
}

impl Written {
    /// Notes what is there before the tests run; without patterns it looks at nothing.
    pub fn begin(options: &Options) -> Result<Written, String> {
        let parts = |pattern: &OsStr| pattern.as_bytes().split(|byte| *byte == b'/').map(Vec::from).collect();
        let patterns: Vec<_> = options.all("output").into_iter().map(parts).collect();
        let root = if patterns.is_empty() { PathBuf::new() } else { options.path("root")? };
        let mut written = Written { root, patterns, before: BTreeMap::new() };
        written.before = written.files();
        Ok(written)
    }

    /// Reads what is new or has changed; `own` are the folders of the agent's. Each is named by its path below the root.
    pub fn taken(&self, own: Vec<(u64, u64)>) -> Vec<(PathBuf, Result<Vec<u8>, String>)> {
        let files = self.files().into_iter().filter(|(path, stamp)| self.before.get(path) != Some(stamp));
        let names: Vec<PathBuf> = files.map(|(path, _)| path).collect();
        let paths: Vec<PathBuf> = names.iter().map(|name| self.root.join(name)).collect();
        let named = |taken: Taken| (names[taken.output as usize].clone(), taken.content);
        output_files::take(&paths, own, PATIENCE).into_iter().map(named).collect()
    }

    fn files(&self) -> BTreeMap<PathBuf, Stamp> {
        let mut found = BTreeMap::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop().filter(|_| !self.patterns.is_empty()) {
            // What cannot be listed, or is gone by now, has nothing to bring back.
            for entry in fs::read_dir(self.root.join(&folder)).into_iter().flatten().flatten() {
                let path = folder.join(entry.file_name());
                match entry.metadata() {
                    Ok(kind) if kind.is_dir() && entry.file_name() != ".git" => folders.push(path),
                    Ok(kind) if kind.is_file() && self.is_wanted(&path) => {
                        found.insert(path, stamp(&kind));
                    }
                    _ => {}
                }
            }
        }
        found
    }

    fn is_wanted(&self, path: &Path) -> bool {
        let parts: Vec<&[u8]> = path.iter().map(OsStrExt::as_bytes).collect();
        self.patterns.iter().any(|pattern| matches(pattern, &parts))
    }
}

fn stamp(found: &Metadata) -> Stamp {
    (found.ino(), found.size(), found.ctime(), found.ctime_nsec())
}

/// Whether a path matches a pattern, both in parts: `**` stands for any number of folders, and at the end for all that is
/// below one. `rust_tests/written_back.py` has the same rules.
fn matches(pattern: &[Vec<u8>], path: &[&[u8]]) -> bool {
    match pattern.split_first() {
        None => path.is_empty(),
        Some((first, [])) if first == b"**" => !path.is_empty(),
        Some((first, rest)) if first == b"**" => (0..=path.len()).any(|count| matches(rest, &path[count..])),
        Some((first, rest)) => {
            path.split_first().is_some_and(|(name, below)| matches_name(first, name) && matches(rest, below))
        }
    }
}

fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|count| matches_name(rest, &name[count..])),
        Some((wanted, rest)) => name
            .split_first()
            .is_some_and(|(byte, others)| (*wanted == b'?' || wanted == byte) && matches_name(rest, others)),
    }
}
