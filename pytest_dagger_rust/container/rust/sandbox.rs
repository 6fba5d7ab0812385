//! Many runs in one container that stays: each a run of this program, on a request of the host's.
//!
//! Runs have a folder to work in, a home and a folder for temporary files of their own; the rest of the container is
//! everybody's. `run/sandbox.py` is the other end.
use std::ffi::OsStr;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{symlink, OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::descendants::{kill_descendants_of, protect};
use crate::failure::{At, Outcome};
use crate::frames::{self, Reader};
use crate::host::Host;
use crate::options::Options;
use crate::process::described;
use crate::sets;

/// `agent sandbox --socket SOCKET --folder FOLDER`
pub const OPTIONS: &[&str] = &["socket", "folder"];

/// A request begins with this line.
const MAGIC: &str = "pytest-dagger-rust request 1\n";

/// Connections that wait for a request, so that the next one need not be made first.
const IDLE: usize = 4;

/// How often a run that is just starting is looked for, to be ended.
const PAUSE: Duration = Duration::from_millis(5);

const OUTPUT: &str = "--output=";

static COUNT: AtomicUsize = AtomicUsize::new(0);

pub fn main(options: &Options) -> Outcome<()> {
    protect()?;
    let (socket, folder) = (options.text("socket")?.to_string(), options.path("folder")?);
    let (host, mut control) = Host::connect(&socket)?;
    for _ in 0..IDLE {
        wait_for_request(socket.clone(), folder.clone());
    }
    host.send(b'r', &[]);
    host.ping();
    // The container ends with this process, once the host asks for it or is gone.
    let _ = control.read(&mut [0]);
    Ok(())
}

/// Holds a connection to the host until a request comes, then answers it: `+` with a result, or `-` with the reason why
/// there is none.
fn wait_for_request(socket: String, folder: PathBuf) {
    thread::spawn(move || {
        let Ok(mut host) = UnixStream::connect(&socket) else { return };
        let mut head = [0; 5];
        if host.write_all(b"D").is_err() || host.read_exact(&mut head).is_err() {
            return;
        }
        wait_for_request(socket, folder.clone());
        let mut request = vec![0; u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize];
        if host.read_exact(&mut request).is_err() {
            return;
        }
        let own = folder.join(COUNT.fetch_add(1, Ordering::Relaxed).to_string());
        let run = Arc::new(Watched::default());
        let watcher = watch(&host, Arc::clone(&run));
        let ended = Run::prepare(&request, &own).and_then(|prepared| prepared.ended(&run));
        run.has_ended.store(true, Ordering::Release);
        let _ = match ended {
            Ok(result) => frames::write(&mut host, b'+', &[&result]),
            Err(reason) => frames::write(&mut host, b'-', &[reason.as_bytes()]),
        };
        // What the program has made inaccessible stays until the container ends.
        let _ = fs::remove_dir_all(&own);
        // A connection that ends before the host has read the answer may lose it.
        let _ = watcher.map(JoinHandle::join);
    });
}

/// The process of a run, 0 before it has started, and whether it has ended.
#[derive(Default)]
struct Watched {
    process: AtomicI32,
    has_ended: AtomicBool,
}

/// Ends what runs, where the host says that nobody waits for it any more. It says something in any case.
fn watch(host: &UnixStream, run: Arc<Watched>) -> io::Result<JoinHandle<()>> {
    let mut host = host.try_clone()?;
    Ok(thread::spawn(move || {
        let _ = host.read(&mut [0]);
        while !run.has_ended.load(Ordering::Acquire) {
            match run.process.load(Ordering::Acquire) {
                0 => {}
                process => kill_descendants_of(process),
            }
            thread::sleep(PAUSE);
        }
    }))
}

/// One run: the command that makes it, and the folders of its own.
struct Run {
    command: Command,
}

impl Run {
    fn prepare(request: &[u8], own: &Path) -> Result<Run, String> {
        let [work, home, tmp] = ["work", "home", "tmp"].map(|name| own.join(name));
        for folder in [own, &work, &home, &tmp] {
            fs::create_dir(folder).at(folder).map_err(|failure| failure.message)?;
        }
        let mut command = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
        command.current_dir(&work).env("HOME", home).env("TMPDIR", tmp).stdin(Stdio::null());
        command.arg("run").arg("--result=-");
        let mut written: Vec<PathBuf> = Vec::new();
        let mut reader = Reader::begin(request, MAGIC)?;
        while let Some((kind, mut payload)) = reader.frame()? {
            match kind {
                b'i' => {
                    let path = own.join("stdin");
                    fs::write(&path, payload.string()?).map_err(|error| reason(&path, &error))?;
                    command.arg("--stdin").arg(path);
                }
                b'F' | b'D' | b'L' => written.push(put(kind, &mut payload, &work)?),
                b'a' => {
                    let words = payload.strings()?;
                    for word in words.iter().take_while(|word| **word != b"--") {
                        forget(word, &work, &written)?;
                    }
                    command.args(words.into_iter().map(OsStr::from_bytes));
                }
                _ => return Err(format!("a request has no frame {:?}", char::from(kind))),
            }
        }
        Ok(Run { command })
    }

    fn ended(mut self, watched: &Watched) -> Result<Vec<u8>, String> {
        let started = self.command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let ended = started.and_then(|child| {
            watched.process.store(child.id() as i32, Ordering::Release);
            child.wait_with_output()
        });
        let ended = ended.map_err(|error| error.to_string())?;
        if ended.status.success() {
            return Ok(ended.stdout);
        }
        let said = String::from_utf8_lossy(&ended.stderr).trim().to_string();
        let why = if said.is_empty() { described(ended.status) } else { said };
        Err(format!("the process that watched the program ended early ({why})"))
    }
}

/// Puts a file, a folder or a link in place; a path that is not absolute is one of the run's own folder.
fn put(kind: u8, payload: &mut Reader, work: &Path) -> Result<PathBuf, String> {
    let mode = payload.number()?;
    let path = work.join(sets::path(payload.string()?));
    let content = payload.string()?;
    let made = match kind {
        b'D' => fs::create_dir_all(&path),
        b'L' => above(&path).and_then(|()| symlink(sets::path(content), &path)),
        _ => above(&path).and_then(|()| write(&path, content, mode)),
    };
    made.map_err(|error| reason(&path, &error))?;
    Ok(path)
}

fn above(path: &Path) -> io::Result<()> {
    let _ = fs::remove_file(path);
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

/// Removes a file that an earlier run has left where this one is to write.
fn forget(word: &[u8], work: &Path, written: &[PathBuf]) -> Result<(), String> {
    let Some(path) = word.strip_prefix(OUTPUT.as_bytes()) else { return Ok(()) };
    let path = work.join(sets::path(path));
    if written.contains(&path) || !fs::symlink_metadata(&path).is_ok_and(|found| !found.is_dir()) {
        return Ok(());
    }
    fs::remove_file(&path).map_err(|error| reason(&path, &error))
}

fn reason(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}
