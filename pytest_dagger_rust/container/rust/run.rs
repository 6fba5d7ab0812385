//! One run of a program: its output, what it wrote, and how it ended, written as one file for the host.
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::capture::{Capture, Keep, Kept};
use crate::descendants::protect;
use crate::failure::{At, Outcome};
use crate::frames::{self, END};
use crate::limits::Watch;
use crate::options::Options;
use crate::output_files::{self, Taken};
use crate::place::Place;
use crate::process::{command, described, grouped, Event, Running};

/// `agent run --result FOLDER --limit BYTES [--timeout SECONDS] [--folder FOLDER] [--stdin FILE] [--output PATH]...
/// [--env NAME=value]... [--network refused] [--memory BYTES] [--processes NUMBER] -- program`
pub const OPTIONS: &[&str] =
    &["result", "limit", "timeout", "folder", "stdin", "output", "env", "network", "memory", "processes"];

/// In place of a folder: the result goes to standard output, which the program has not.
const STDOUT: &str = "-";

pub const MAGIC: &str = "pytest-dagger-rust result 1\n";

// How long a program may take to end once its time is over.
const GRACE: Duration = Duration::from_secs(2);

// How long outputs are read: as long as the program may run, but within these.
const SHORTEST: Duration = Duration::from_secs(10);
const LONGEST: Duration = Duration::from_secs(60);

pub fn main(options: &Options) -> Outcome<()> {
    protect()?;
    let place = match options.one("result")? {
        path if path == STDOUT => None,
        path => Some(Place::open(path.as_ref())?),
    };
    let mut command = grouped(command(options)?);
    if let Some(stdin) = options.optional("stdin") {
        command.stdin(File::open(stdin).at(stdin.as_ref())?);
    }
    let timeout = seconds(options)?;
    let keep = Keep { head: options.number("limit")?, tail: 0 };
    let run = Run { command, timeout, keep, processes: options.numbers("processes")?.pop() };
    let report = run.report()?;
    let outputs: Vec<PathBuf> = options.all("output").into_iter().map(PathBuf::from).collect();
    let limit = timeout.map_or(LONGEST, |timeout| timeout.clamp(SHORTEST, LONGEST));
    let own = place.as_ref().map(Place::id).transpose()?;
    let taken = output_files::take(&outputs, own.into_iter().collect(), limit);
    match place {
        Some(place) => place.write(|file| report.write(file, &taken)),
        None => {
            let mut stdout = BufWriter::new(io::stdout());
            report.write(&mut stdout, &taken).and_then(|()| stdout.flush()).at(STDOUT.as_ref())
        }
    }
}

/// Returns the time limit of --timeout, None where there is none.
pub fn seconds(options: &Options) -> Result<Option<Duration>, String> {
    let given = options.numbers("timeout")?.pop().filter(|seconds: &f64| *seconds > 0.0);
    given.map(Duration::try_from_secs_f64).transpose().map_err(|error| format!("--timeout: {error}"))
}

/// A program that is to be run, and how much of it.
pub struct Run {
    pub command: Command,
    pub timeout: Option<Duration>,
    pub keep: Keep,
    /// As many as there may be at once.
    pub processes: Option<usize>,
}

/// What a program did.
pub enum Report {
    NotStarted(io::Error),
    Ended(Ended),
}

pub struct Ended {
    pub status: ExitStatus,
    has_timed_out: bool,
    had_too_many: bool,
    seconds: Duration,
    stdout: Kept,
    stderr: Kept,
}

impl Run {
    /// Runs the program to its end, and ends everything that it has left behind.
    pub fn report(mut self) -> Outcome<Report> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = match self.command.spawn() {
            Ok(child) => child,
            Err(error) => return Ok(Report::NotStarted(error)),
        };
        let stdout = Capture::start(child.stdout.take().unwrap(), self.keep);
        let stderr = Capture::start(child.stderr.take().unwrap(), self.keep);
        let running = Running::new(child);
        let watch = Watch::start(self.processes);
        let (status, has_timed_out) = match running.event(self.timeout) {
            Some(Event::Ended(status)) => (status, false),
            _ => (running.end(GRACE), true),
        };
        let seconds = started.elapsed();
        running.kill_rest()?;
        let had_too_many = watch.is_some_and(Watch::end);
        let (stdout, stderr) = (stdout.finish(), stderr.finish());
        Ok(Report::Ended(Ended { status, has_timed_out, had_too_many, seconds, stdout, stderr }))
    }
}

impl Report {
    pub fn is_success(&self) -> bool {
        matches!(self, Report::Ended(ended) if ended.status.success() && !ended.has_timed_out && !ended.had_too_many)
    }

    /// Writes the whole result; `run/results.py` reads it.
    pub fn write(&self, to: &mut impl Write, taken: &[Taken]) -> io::Result<()> {
        to.write_all(MAGIC.as_bytes())?;
        match self {
            Report::NotStarted(error) => frames::write(to, b'f', &[error.to_string().as_bytes()])?,
            Report::Ended(ended) => ended.write(to)?,
        }
        taken.iter().try_for_each(|one| write_output(to, one))?;
        frames::write(to, END, &[])
    }
}

impl Ended {
    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        frames::write(to, b's', &[described(self.status).as_bytes()])?;
        frames::write(to, b't', &[&(self.seconds.as_nanos() as u64).to_be_bytes()])?;
        if self.has_timed_out {
            frames::write(to, b'k', &[])?;
        }
        if self.had_too_many {
            frames::write(to, b'p', &[])?;
        }
        write_stream(to, b'o', &self.stdout)?;
        write_stream(to, b'e', &self.stderr)
    }
}

// How many bytes were dropped, and after how many of those that follow.
fn write_stream(to: &mut impl Write, kind: u8, kept: &Kept) -> io::Result<()> {
    let (dropped, cut) = (kept.dropped.to_be_bytes(), (kept.head.len() as u64).to_be_bytes());
    let (first, second) = kept.tail.as_slices();
    frames::write(to, kind, &[&dropped, &cut, &kept.head, first, second])
}

fn write_output(to: &mut impl Write, taken: &Taken) -> io::Result<()> {
    let path = taken.path.as_os_str().as_bytes();
    let (kind, data) = match &taken.content {
        Ok(data) => (b'F', &data[..]),
        Err(reason) => (b'M', reason.as_bytes()),
    };
    let (output, length) = (taken.output.to_be_bytes(), (path.len() as u32).to_be_bytes());
    frames::write(to, kind, &[&output, &length, path, data])
}
