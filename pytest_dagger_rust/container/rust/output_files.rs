//! What a program wrote: regular files below the paths that were asked for, each opened without following a link, as
//! many bytes as there is room for, in a time that is limited.
use std::env;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::place::{below, itself, O_NOFOLLOW};

const O_PATH: i32 = 0o10_000_000;
const O_NONBLOCK: i32 = 0o4_000;

/// Bytes that are read at most, entries that are looked at, and how deep in folders.
pub const BYTES: u64 = 256 << 20;
const FILES: usize = 100_000;
const DEPTH: usize = 64;

/// One file, or why there is none; `path` is relative to the output, empty for the output itself.
pub struct Taken {
    pub output: u32,
    pub path: PathBuf,
    pub content: Result<Vec<u8>, String>,
}

enum Step {
    Took(Taken),
    Done,
}

/// Reads outputs; `own` are the folders of the agent's, which are none.
pub fn take(outputs: &[PathBuf], own: Vec<(u64, u64)>, limit: Duration) -> Vec<Taken> {
    let (sink, steps) = channel();
    let paths = outputs.to_vec();
    let mut own = own;
    own.extend(program_folder());
    thread::spawn(move || {
        let mut taker = Taker { sink, own, output: 0, bytes: BYTES, files: FILES };
        for path in paths {
            taker.take(&path);
            let _ = taker.sink.send(Step::Done);
            taker.output += 1;
        }
    });
    received(&steps, outputs.len() as u32, limit)
}

fn program_folder() -> Option<(u64, u64)> {
    let program = env::current_exe().ok()?;
    let found = fs::metadata(program.parent()?).ok()?;
    Some((found.dev(), found.ino()))
}

fn received(steps: &Receiver<Step>, count: u32, limit: Duration) -> Vec<Taken> {
    let (mut taken, mut done, deadline) = (Vec::new(), 0, Instant::now() + limit);
    while done < count {
        match steps.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Step::Took(one)) => taken.push(one),
            Ok(Step::Done) => done += 1,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                // What has just been read before the time was over stays.
                if !taken.iter().any(|one: &Taken| one.output == done && one.path == Path::new("")) {
                    let content = Err(format!("could not be read within {} s", limit.as_secs()));
                    taken.push(Taken { output: done, path: PathBuf::new(), content });
                }
                done += 1;
            }
        }
    }
    taken
}

struct Taker {
    sink: Sender<Step>,
    own: Vec<(u64, u64)>,
    output: u32,
    bytes: u64,
    files: usize,
}

impl Taker {
    fn take(&mut self, path: &Path) {
        match found(path) {
            Ok(file) => self.visit(&file, Path::new(""), 0),
            Err(error) => self.missing(Path::new(""), explained(&error)),
        }
    }

    fn missing(&self, path: &Path, reason: impl Into<String>) {
        self.send(path, Err(reason.into()));
    }

    fn send(&self, path: &Path, content: Result<Vec<u8>, String>) {
        let _ = self.sink.send(Step::Took(Taken { output: self.output, path: path.into(), content }));
    }

    fn visit(&mut self, file: &File, path: &Path, depth: usize) {
        if self.files == 0 {
            return;
        }
        self.files -= 1;
        if self.files == 0 {
            return self.missing(path, format!("is beyond the first {FILES} files and folders"));
        }
        let found = match file.metadata() {
            Ok(found) => found,
            Err(error) => return self.missing(path, explained(&error)),
        };
        let kind = found.file_type();
        if kind.is_dir() {
            self.visit_folder(file, (found.dev(), found.ino()), path, depth);
        } else if kind.is_symlink() {
            self.missing(path, "is a symbolic link");
        } else if kind.is_file() {
            self.read(file, found.len(), path);
        } else {
            self.missing(path, "is not a regular file");
        }
    }

    fn visit_folder(&mut self, folder: &File, id: (u64, u64), path: &Path, depth: usize) {
        if self.own.contains(&id) {
            return self.missing(path, "is a folder of pytest-dagger-rust");
        }
        if depth == DEPTH {
            return self.missing(path, format!("is in more than {DEPTH} folders"));
        }
        match names(folder) {
            Ok(names) => names.iter().for_each(|name| self.visit_entry(folder, name, path, depth)),
            Err(error) => self.missing(path, explained(&error)),
        }
    }

    fn visit_entry(&mut self, folder: &File, name: &Path, path: &Path, depth: usize) {
        let inner = path.join(name);
        match found(&below(folder, name)) {
            Ok(file) => self.visit(&file, &inner, depth + 1),
            Err(error) => self.missing(&inner, explained(&error)),
        }
    }

    fn read(&mut self, file: &File, size: u64, path: &Path) {
        let content = if size > self.bytes { Err(self.no_room()) } else { self.content(file) };
        self.bytes -= content.as_ref().map_or(0, |data| data.len() as u64);
        self.send(path, content);
    }

    // The size that a file says it has is not always how much can be read from it.
    fn content(&self, file: &File) -> Result<Vec<u8>, String> {
        let opened = OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(itself(file));
        let mut data = Vec::new();
        opened
            .and_then(|file| file.take(self.bytes + 1).read_to_end(&mut data))
            .map_err(|error| explained(&error))?;
        if data.len() as u64 > self.bytes {
            return Err(self.no_room());
        }
        Ok(data)
    }

    fn no_room(&self) -> String {
        let (limit, left) = (BYTES >> 20, self.bytes);
        format!("is too large: the outputs of a run may have {limit} MiB together, and {left} bytes of them were left")
    }
}

/// Finds what is at a path itself, link or not, without opening it: to open a device may have consequences.
fn found(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(O_PATH | O_NOFOLLOW).open(path)
}

fn names(folder: &File) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(itself(folder))?.take(FILES);
    let mut names = entries
        .map(|entry| entry.map(|entry| entry.file_name().into()))
        .collect::<io::Result<Vec<PathBuf>>>()?;
    names.sort_by(|one, other| one.as_os_str().as_bytes().cmp(other.as_os_str().as_bytes()));
    Ok(names)
}

fn explained(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "was not written".into(),
        _ => format!("cannot be read: {error}"),
    }
}
