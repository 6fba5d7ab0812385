//! Runs cargo: shows what it says to those who wait, keeps it with the times it came, and ends all it has started.
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, RecvTimeoutError, Sender};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::descendants::{descendants, kill_all, kill_descendants};
use crate::failure::{Failure, Outcome, OWN, TIMED_OUT};
use crate::files;
use crate::messages::{self, Message};
use crate::options::Options;
use crate::variables::is_one_of;

/// A line that is longer is no message of cargo's, and standard error is kept up to so many bytes of its end.
const LONGEST_LINE: usize = 16 << 20;
const MOST_STDERR: usize = 8 << 20;
const MOST_MESSAGES: usize = 256 << 20;

/// What the engine sets for its own purposes, and what belongs to one call of the agent.
const NOT_FOR_CARGO: [&str; 6] =
    ["OTEL_", "TRACEPARENT", "TRACESTATE", "BAGGAGE", "PYTEST_DAGGER_RUST_", "DAGGER_"];

/// All that cargo said in one or more calls.
#[derive(Default)]
pub struct Transcript {
    pub messages: Vec<Message>,
    /// When a package began to be compiled.
    pub starts: Vec<(String, f64)>,
    pub stderr: Vec<u8>,
}

impl Transcript {
    /// Returns what cargo has to say of why it compiles what it has compiled before.
    pub fn dirty(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.stderr);
        let lines = text.split('\n').map(without_colours);
        lines.filter_map(|line| line.trim_start().strip_prefix("Dirty ").map(String::from)).collect()
    }
}

/// Returns a command without what concerns only the engine and the agent.
pub fn command(program: &OsStr) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_one_of(name, &NOT_FOR_CARGO)) {
        command.env_remove(name);
    }
    command
}

/// Returns the time limit of --timeout for a call of cargo, None where there is none.
pub fn limit(options: &Options) -> Outcome<Option<Duration>> {
    let given = options.numbers("timeout")?.pop().filter(|seconds: &f64| *seconds > 0.0);
    given.map(Duration::try_from_secs_f64).transpose().map_err(|error| format!("--timeout: {error}").into())
}

/// Runs cargo to its end or for as long as it may take, and adds what it says to the transcript.
pub fn run(
    mut command: Command,
    transcript: &mut Transcript,
    limit: Option<Duration>,
) -> Outcome<ExitStatus> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let program = command.get_program().to_os_string();
    let child = command.spawn().map_err(|error| not_started(&program, &error))?;
    let clock = Clock::default();
    let (sender, events) = channel();
    let (status, is_over) = collect(child, sender, &clock, limit);
    let mut size = 0;
    for event in events {
        match event {
            Event::Message(message) => {
                size += message.line.len();
                // Nothing that builds says so much; what does must not fill the memory.
                if size <= MOST_MESSAGES {
                    transcript.messages.push(message);
                }
            }
            Event::Start(package, seconds) => transcript.starts.push((package, seconds)),
            Event::Stderr(text) => keep_end(&mut transcript.stderr, &text),
        }
    }
    if size > MOST_MESSAGES {
        return Err(Failure::new(OWN, format!("cargo's messages have more than {} MB", MOST_MESSAGES >> 20)));
    }
    let status = status.join().map_err(|_| Failure::new(OWN, "cargo's end was missed"))?;
    match limit {
        Some(limit) if is_over.load(Ordering::SeqCst) => Err(too_long(limit, transcript)),
        _ => status,
    }
}

fn too_long(limit: Duration, transcript: &Transcript) -> Failure {
    let last =
        transcript.starts.last().map(|(package, _)| format!(", after it had begun to compile {package}"));
    let seconds = limit.as_secs_f64();
    Failure::new(TIMED_OUT, format!("cargo was stopped after {seconds} s{}", last.unwrap_or_default()))
}

fn not_started(program: &OsStr, error: &io::Error) -> Failure {
    let hint = "The builder image needs cargo on its PATH.";
    Failure::new(OWN, format!("{} cannot be started: {error}. {hint}", program.to_string_lossy()))
}

enum Event {
    Message(Message),
    Start(String, f64),
    Stderr(Vec<u8>),
}

/// Seconds of the machine's uptime, finer than the file that has them.
#[derive(Clone)]
struct Clock(f64, Instant);

impl Default for Clock {
    fn default() -> Clock {
        Clock(files::uptime(), Instant::now())
    }
}

impl Clock {
    fn now(&self) -> f64 {
        self.0 + self.1.elapsed().as_secs_f64()
    }
}

/// Reads both streams, each in a thread of its own, until cargo has ended with all it has started.
fn collect(
    mut child: Child,
    sender: Sender<Event>,
    clock: &Clock,
    limit: Option<Duration>,
) -> (thread::JoinHandle<Outcome<ExitStatus>>, Arc<AtomicBool>) {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (messages, time) = (sender.clone(), clock.clone());
    thread::spawn(move || {
        each_line(Stream(stdout), b"\n", |line| {
            if let Some(message) = messages::read(line, time.now()) {
                let _ = messages.send(Event::Message(message));
            }
        });
    });
    let time = clock.clone();
    thread::spawn(move || {
        each_line(Shown(Stream(stderr)), b"\n\r", |line| {
            let text = without_colours(&String::from_utf8_lossy(line));
            if let Some(package) = started_package(&text) {
                let _ = sender.send(Event::Start(package, time.now()));
            }
            if !text.trim_start().starts_with("Building [") {
                let _ = sender.send(Event::Stderr([line, b"\n"].concat()));
            }
        });
    });
    let is_over = Arc::new(AtomicBool::new(false));
    let ended = limit.map(|limit| end_after(limit, is_over.clone()));
    let waiting = thread::spawn(move || {
        let status = child.wait().map_err(|error| Failure::new(OWN, format!("cargo: {error}")));
        drop(ended);
        kill_descendants()?;
        status
    });
    (waiting, is_over)
}

/// Ends cargo and all it has started after a time, unless what is returned is dropped before.
fn end_after(limit: Duration, is_over: Arc<AtomicBool>) -> Sender<()> {
    let (ended, end) = channel::<()>();
    thread::spawn(move || {
        let mut left = limit;
        while end.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
            is_over.store(true, Ordering::SeqCst);
            kill_all(&descendants());
            left = Duration::from_millis(50);
        }
    });
    ended
}

/// A pipe, of which std says that it might not be there.
struct Stream<R>(Option<R>);

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.0.as_mut().map_or(Ok(0), |stream| stream.read(room))
    }
}

/// A stream that is passed on to standard error as it is read.
struct Shown<R>(R);

impl<R: Read> Read for Shown<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let size = self.0.read(room)?;
        let _ = io::stderr().write_all(&room[..size]);
        Ok(size)
    }
}

/// Calls a function with each line, without its end. Of a line without end no more is kept than any line may have.
fn each_line(mut stream: impl Read, ends: &[u8], mut function: impl FnMut(&[u8])) {
    let mut room = vec![0; 1 << 16];
    let mut line = Vec::new();
    let mut is_too_long = false;
    while let Ok(size) = stream.read(&mut room) {
        if size == 0 {
            break;
        }
        let mut rest = &room[..size];
        while let Some(at) = rest.iter().position(|byte| ends.contains(byte)) {
            line.extend(&rest[..at]);
            if !std::mem::take(&mut is_too_long) {
                function(&line);
            }
            line.clear();
            rest = &rest[at + 1..];
        }
        line.extend(rest);
        if line.len() > LONGEST_LINE {
            is_too_long = true;
            line.clear();
        }
    }
    if !line.is_empty() && !is_too_long {
        function(&line);
    }
}

fn keep_end(kept: &mut Vec<u8>, text: &[u8]) {
    kept.extend(text);
    if kept.len() > 2 * MOST_STDERR {
        kept.drain(..kept.len() - MOST_STDERR);
    }
}

/// "   Compiling app v0.1.0 (/path)"
fn started_package(line: &str) -> Option<String> {
    let mut words = line.split_ascii_whitespace();
    (words.next()? == "Compiling").then(|| words.next().map(String::from))?
}

pub fn without_colours(text: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        kept.push_str(&rest[..at]);
        let after = &rest[at + 2..];
        let end = after.find(|c: char| ('@'..='~').contains(&c)).map_or(after.len(), |end| end + 1);
        rest = &after[end..];
    }
    kept.push_str(rest);
    kept
}

/// Says how a program has ended, in words; None for a number other than 0.
pub fn signal_of(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// Returns the variables that make cargo use the volume.
pub fn variables(target: &Path, tree: &Path) -> [(&'static str, OsString); 5] {
    [
        ("CARGO_TARGET_DIR", target.into()),
        ("CARGO_BUILD_BUILD_DIR", target.into()),
        ("CARGO_BUILD_DEP_INFO_BASEDIR", tree.into()),
        // Those who wait see how far it is.
        ("CARGO_TERM_PROGRESS_WHEN", "always".into()),
        ("CARGO_TERM_PROGRESS_WIDTH", "160".into()),
    ]
}

/// Returns the variable that keeps own packages compiled incrementally: cargo 1.99 and newer turn that off where `CI`
/// is set, because nothing is kept there, but here the target directory is. Profiles for release have it off anyway.
pub fn incremental(words: &[OsString]) -> Option<(&'static str, &'static str)> {
    let is_set = |name: &str| std::env::var_os(name).is_some();
    (is_set("CI") && !is_set("CARGO_INCREMENTAL") && is_for_development(words))
        .then_some(("CARGO_INCREMENTAL", "1"))
}

fn is_for_development(words: &[OsString]) -> bool {
    let given = words.iter().zip(words.iter().skip(1)).find(|(word, _)| *word == "--profile");
    given.map_or(true, |(_, name)| name == "dev" || name == "test" || name == "debug")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_profiles_for_development_are_incremental() {
        let words = |text: &str| text.split(' ').map(OsString::from).collect::<Vec<_>>();
        assert!(is_for_development(&words("build --workspace")));
        assert!(is_for_development(&words("build --profile dev")));
        assert!(!is_for_development(&words("build --profile release")));
    }

    #[test]
    fn lines_are_found_however_they_arrive() {
        let mut lines = Vec::new();
        each_line(&b"one\ntwo\r\nthree"[..], b"\n\r", |line| {
            lines.push(String::from_utf8_lossy(line).into_owned())
        });
        assert_eq!(lines, ["one", "two", "", "three"]);
    }

    #[test]
    fn a_line_without_end_is_dropped_and_the_next_one_is_not() {
        let endless = vec![b'x'; LONGEST_LINE + (1 << 17)];
        let mut lines = 0;
        each_line(endless.chain(&b"\nlast\n"[..]), b"\n", |line| {
            assert_eq!(line, b"last");
            lines += 1;
        });
        assert_eq!(lines, 1);
    }

    #[test]
    fn a_package_is_found_in_colours_too() {
        assert_eq!(
            started_package(&without_colours("\x1b[1m\x1b[92m   Compiling\x1b[0m app v0.1.0")),
            Some("app".into())
        );
        assert_eq!(started_package("    Finished dev"), None);
        assert_eq!(started_package(""), None);
    }

    #[test]
    fn daemons_that_hold_the_output_open_are_ended() {
        crate::descendants::protect().unwrap();
        let mut command = command(OsStr::new("sh"));
        command.args(["-c", "setsid sh -c 'sleep 600 & sleep 600' & echo '{\"reason\":\"x\"}'"]);
        let mut transcript = Transcript::default();
        let began = Instant::now();
        assert!(run(command, &mut transcript, None).unwrap().success());
        assert!(began.elapsed().as_secs() < 60);
        assert_eq!(transcript.messages.len(), 1);
    }

    #[test]
    fn a_call_that_takes_too_long_ends_with_all_it_has_started() {
        crate::descendants::protect().unwrap();
        let mut command = command(OsStr::new("sh"));
        command.args(["-c", "setsid sh -c 'sleep 600 & sleep 600' & sleep 600"]);
        let (began, limit) = (Instant::now(), Some(Duration::from_millis(200)));
        let failure = run(command, &mut Transcript::default(), limit).unwrap_err();
        assert_eq!((failure.code, &*failure.message), (TIMED_OUT, "cargo was stopped after 0.2 s"));
        assert!(began.elapsed().as_secs() < 60);
        assert_eq!(descendants(), []);
    }
}
