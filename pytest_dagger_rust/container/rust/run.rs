//! One run of a program: its output, what it wrote, and how it ended, put into a folder for the host.
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{described, Event, Running, LEFTOVER};

// How long a program may take to end once its time is over.
const GRACE: Duration = Duration::from_secs(2);

pub struct Run {
    pub result: PathBuf,
    pub limit: u64,
    pub timeout: Option<Duration>,
    pub outputs: Vec<String>,
}

impl Run {
    /// Runs the program and gives the lines of the result.
    pub fn outcome(&self, mut command: Command, stdin: &str) -> Vec<String> {
        if !stdin.is_empty() {
            command.stdin(File::open(stdin).unwrap());
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return vec![format!("failed {error}")],
        };
        let stdout = self.collect(child.stdout.take().unwrap(), "stdout");
        let stderr = self.collect(child.stderr.take().unwrap(), "stderr");
        let running = Running::new(child);
        let event = match self.timeout {
            Some(timeout) => running.events.recv_timeout(timeout).ok(),
            None => running.events.recv().ok(),
        };
        let (status, timed_out) = match event {
            Some(Event::Ended(status)) => (status, false),
            _ => (running.end(GRACE), true),
        };
        running.kill_rest();
        let seconds = started.elapsed().as_secs_f64();
        let mut lines = vec![described(status), format!("seconds {seconds}"), format!("timeout {timed_out}")];
        for collected in [stdout, stderr] {
            lines.push(format!("dropped {}", collected.dropped()));
        }
        lines.extend(self.outputs.iter().enumerate().map(|(number, path)| self.take(number, Path::new(path))));
        lines
    }

    pub fn write(&self, lines: Vec<String>) {
        fs::write(self.result.join("result"), lines.join("\n") + "\n").unwrap();
    }

    /// Writes a stream's first bytes into a file, and only counts the rest: it must not fill the disk.
    fn collect(&self, mut stream: impl Read + Send + 'static, name: &str) -> Arc<Collected> {
        let collected = Arc::new(Collected::default());
        let mut file = File::create(self.result.join(name)).unwrap();
        let (mut left, shared) = (self.limit, Arc::clone(&collected));
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(size) = stream.read(&mut buffer) {
                if size == 0 {
                    break;
                }
                let kept = left.min(size as u64);
                file.write_all(&buffer[..kept as usize]).unwrap();
                left -= kept;
                shared.state.lock().unwrap().0 += size as u64 - kept;
            }
            shared.state.lock().unwrap().1 = true;
            shared.ended.notify_all();
        });
        collected
    }

    /// Copies what the program wrote beside the result, and tells whether it was there.
    fn take(&self, number: usize, path: &Path) -> String {
        let place = self.result.join(format!("output-{number}"));
        match copy(path, &place) {
            Ok(()) => "output".into(),
            Err(error) => format!("missing {error}"),
        }
    }
}

#[derive(Default)]
struct Collected {
    /// Bytes dropped, and whether the stream has ended.
    state: Mutex<(u64, bool)>,
    ended: Condvar,
}

impl Collected {
    fn dropped(&self) -> u64 {
        let state = self.state.lock().unwrap();
        let (state, _) = self.ended.wait_timeout_while(state, LEFTOVER, |state| !state.1).unwrap();
        state.0
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if fs::metadata(from)?.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            // A dangling link, a socket: nothing that could be read.
            let kind = fs::metadata(entry.path()).map(|found| found.is_dir() || found.is_file());
            let linked = entry.file_type()?.is_symlink() && entry.path().is_dir();
            if kind.unwrap_or(false) && !linked {
                copy(&entry.path(), &to.join(entry.file_name()))?;
            }
        }
        return Ok(());
    }
    fs::copy(from, to).map(|_| ())
}
