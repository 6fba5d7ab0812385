//! Runs of test binaries: many jobs in one container, as many at once as there are processors. Each is watched by a
//! process of its own, a fork of this one, which ends all that the job has left behind before it says how it ended.
//!
//! A job's result goes through a pipe that only its keeper writes to, and all results into one file at the end.
use std::fs::{self, File};
use std::io::{self, Error, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::io::AsRawFd;
use std::path::PathBuf;
use std::process::{exit, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::capture::Keep;
use crate::descendants::{kill_descendants, protect, wait_for};
use crate::failure::{At, Failure, Outcome, OWN};
use crate::frames::{self, END};
use crate::jobs::{self, Jobs};
use crate::options::Options;
use crate::place::Place;
use crate::process::{described, grouped, pipe};
use crate::run::{seconds, Run};
use crate::written::Written;

/// `agent tests --jobs FILE --result FOLDER --limit BYTES [--timeout SECONDS] [--budget SECONDS] [--failures COUNT]
/// [--parallel COUNT] [--slow end] [--root FOLDER --output PATTERN...]`
///
/// Of each stream the first and the last --limit bytes are kept. After --budget, or with --failures failed jobs, no
/// more are started; 0 is no such limit. With --slow end, jobs that are still running after --budget are ended once
/// another has a result, and have an empty one. What jobs have written into files below --root that an --output matches
/// is returned with their results.
pub const OPTIONS: &[&str] =
    &["jobs", "result", "limit", "timeout", "budget", "failures", "parallel", "slow", "root", "output"];

const MAGIC: &str = "pytest-dagger-rust results 1\n";

const POLLIN: i16 = 1;

extern "C" {
    fn fork() -> i32;
    fn poll(files: *mut Poll, count: usize, milliseconds: i32) -> i32;
}

#[repr(C)]
struct Poll {
    file: i32,
    wanted: i16,
    found: i16,
}

pub fn main(options: &Options) -> Outcome<()> {
    protect()?;
    let place = Place::open(&options.path("result")?)?;
    let path = options.path("jobs")?;
    let text = fs::read(&path).at(&path)?;
    let jobs = jobs::read(&text).at(&path)?;
    let written = Written::begin(options)?;
    let results = Scheduler::new(options, &jobs)?.run()?;
    kill_descendants()?;
    let files = written.taken(vec![place.id()?]);
    place.write(|file| write(file, &results, &files))
}

/// What a file has, or why it could not be read.
type Content = Result<Vec<u8>, String>;

fn write(file: &mut impl Write, results: &[(u32, Vec<u8>)], files: &[(PathBuf, Content)]) -> io::Result<()> {
    file.write_all(MAGIC.as_bytes())?;
    for (number, result) in results {
        frames::write(file, b'j', &[&number.to_be_bytes(), result])?;
    }
    for (path, content) in files {
        let name = path.as_os_str().as_bytes();
        let (kind, data) = match content {
            Ok(data) => (b'F', data.as_slice()),
            Err(reason) => (b'M', reason.as_bytes()),
        };
        frames::write(file, kind, &[&(name.len() as u32).to_be_bytes(), name, data])?;
    }
    frames::write(file, END, &[])
}

/// A process that watches one job, and what it has said of it so far.
struct Keeper {
    job: u32,
    pid: i32,
    pipe: File,
    said: Vec<u8>,
}

struct Scheduler<'a> {
    jobs: &'a Jobs<'a>,
    timeout: Option<Duration>,
    keep: Keep,
    budget: Option<Duration>,
    failures: usize,
    parallel: usize,
    puts_back: bool,
    started: Instant,
    next: usize,
    failed: usize,
    keepers: Vec<Keeper>,
    results: Vec<(u32, Vec<u8>)>,
}

impl<'a> Scheduler<'a> {
    fn new(options: &Options, jobs: &'a Jobs<'a>) -> Outcome<Scheduler<'a>> {
        let limit = options.number("limit")?;
        let budget: Option<f64> = options.numbers("budget")?.pop().filter(|seconds| *seconds > 0.0);
        let processors = thread::available_parallelism().map_or(1, |count| count.get());
        Ok(Scheduler {
            jobs,
            timeout: seconds(options)?,
            keep: Keep { head: limit, tail: limit },
            budget: budget.map(Duration::from_secs_f64),
            failures: options.numbers("failures")?.pop().unwrap_or(0),
            parallel: options.numbers("parallel")?.pop().filter(|count| *count > 0).unwrap_or(processors),
            puts_back: options.optional("slow").is_some_and(|word| word == "end"),
            started: Instant::now(),
            next: 0,
            failed: 0,
            keepers: Vec::new(),
            results: Vec::new(),
        })
    }

    fn run(mut self) -> Outcome<Vec<(u32, Vec<u8>)>> {
        loop {
            while self.keepers.len() < self.parallel && self.may_start() {
                self.start()?;
            }
            if self.keepers.is_empty() {
                return Ok(self.results);
            }
            if self.puts_back && self.is_over() && !self.results.is_empty() {
                // What they have started ends with this process's other descendants.
                self.results.extend(self.keepers.iter().map(|keeper| (keeper.job, Vec::new())));
                return Ok(self.results);
            }
            self.listen()?;
        }
    }

    fn may_start(&self) -> bool {
        self.next < self.jobs.len() && (self.failures == 0 || self.failed < self.failures) && !self.is_over()
    }

    fn is_over(&self) -> bool {
        self.budget.is_some_and(|budget| self.started.elapsed() >= budget)
    }

    /// Returns for how many milliseconds to wait for a job to end; -1 is without limit.
    fn patience(&self) -> i32 {
        let rest = self.budget.and_then(|budget| budget.checked_sub(self.started.elapsed()));
        rest.filter(|_| self.puts_back).map_or(-1, |rest| rest.as_millis() as i32 + 1)
    }

    // This process has no thread but this one, so what it forks may go on as if it had just been started.
    fn start(&mut self) -> Outcome<()> {
        let (said, saying) = pipe();
        let number = self.next;
        match unsafe { fork() } {
            0 => keep(self.run_of(number), saying),
            pid if pid > 0 => {
                self.keepers.push(Keeper { job: number as u32, pid, pipe: said, said: Vec::new() });
                self.next += 1;
                Ok(())
            }
            _ => Err(Failure::new(OWN, format!("a test cannot be started: {}", Error::last_os_error()))),
        }
    }

    fn run_of(&self, number: usize) -> Run {
        let job = self.jobs.get(number);
        let mut command = Command::new(job.words[0]);
        command.args(&job.words[1..]).current_dir(job.folder).stdin(Stdio::null());
        command.env_clear().envs(job.env.iter().map(|(name, value)| (name, value)));
        Run { command: grouped(command), timeout: self.timeout, keep: self.keep, processes: None }
    }

    fn listen(&mut self) -> Outcome<()> {
        let mut files: Vec<Poll> = self
            .keepers
            .iter()
            .map(|keeper| Poll { file: keeper.pipe.as_raw_fd(), wanted: POLLIN, found: 0 })
            .collect();
        // Interrupted, it has found nothing.
        unsafe { poll(files.as_mut_ptr(), files.len(), self.patience()) };
        for number in (0..files.len()).rev().filter(|number| files[*number].found != 0) {
            if self.keepers[number].has_ended() {
                let keeper = self.keepers.swap_remove(number);
                self.note(keeper);
            }
        }
        Ok(())
    }

    fn note(&mut self, keeper: Keeper) {
        let status = wait_for(keeper.pid);
        self.failed += usize::from(!status.success());
        let result = if has_reported(status) { keeper.said } else { lost(status) };
        self.results.push((keeper.job, result));
    }
}

/// A keeper's exit code says whether the job succeeded; any other end, that it could not say.
fn has_reported(status: ExitStatus) -> bool {
    matches!(status.code(), Some(0 | 1))
}

/// Runs a job in a process of its own, says what it did, and ends.
fn keep(run: Run, mut saying: File) -> ! {
    let reported = protect().and_then(|()| run.report()).and_then(|report| {
        let mut result = Vec::new();
        report.write(&mut result, &[]).and_then(|()| saying.write_all(&result)).at("its result".as_ref())?;
        Ok(report.is_success())
    });
    match reported {
        Ok(is_success) => exit(i32::from(!is_success)),
        Err(failure) => {
            eprintln!("pytest-dagger-rust: {}", failure.message);
            exit(failure.code)
        }
    }
}

fn lost(status: ExitStatus) -> Vec<u8> {
    let mut result = crate::run::MAGIC.as_bytes().to_vec();
    let _ = frames::write(&mut result, b'l', &[described(status).as_bytes()]);
    let _ = frames::write(&mut result, END, &[]);
    result
}

impl Keeper {
    /// Reads what it says, and returns whether that was all.
    fn has_ended(&mut self) -> bool {
        let mut buffer = [0; 1 << 14];
        match self.pipe.read(&mut buffer) {
            Ok(size) if size > 0 => self.said.extend(&buffer[..size]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => return true,
        }
        false
    }
}
