//! Programs: started in a group of their own, and ended with everything that they started.
use std::collections::HashMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{Error, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::io::FromRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Outcome, OWN};
use crate::options::Options;

const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;
const SIGSTOP: i32 = 19;

const PR_SET_DUMPABLE: i32 = 4;
const PR_SET_CHILD_SUBREAPER: i32 = 36;
/// Children of every kind, also those that do not send SIGCHLD.
const WALL: i32 = 0x4000_0000;

const O_CLOEXEC: i32 = 0o2_000_000;

/// How long output is still read once all processes of a program are dead.
pub const LEFTOVER: Duration = Duration::from_secs(1);

// How often a program that does not even end by force is asked again.
const ONCE_MORE: Duration = Duration::from_secs(1);

// How long what a program has left behind may resist being killed, and how often it is looked for meanwhile.
const RESISTANCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);

/// What the engine and the host set for the agent: the program under test has nothing to do with it.
const NOT_ITS_OWN: &[&str] = &["PYTEST_DAGGER_RUST_", "OTEL_EXPORTER_OTLP_", "TRACEPARENT"];

extern "C" {
    fn pipe2(ends: *mut i32, flags: i32) -> i32;
    fn kill(pid: i32, signal: i32) -> i32;
    fn prctl(option: i32, ...) -> i32;
    fn waitpid(pid: i32, status: *mut i32, options: i32) -> i32;
}

/// Makes this process the parent of all orphans below it, and closes its memory, descriptors and environment to
/// programs of the same user. To be called before any of them is started.
pub fn protect() -> Outcome<()> {
    let (no, yes) = (0_usize, 1_usize);
    let is_done = unsafe { prctl(PR_SET_DUMPABLE, no) == 0 && prctl(PR_SET_CHILD_SUBREAPER, yes) == 0 };
    if is_done {
        return Ok(());
    }
    Err(Failure::new(OWN, format!("the agent cannot protect itself: {}", Error::last_os_error())))
}

/// Returns the command of a subcommand's program, to be started in its --folder with its --env.
pub fn command(options: &Options) -> Result<Command, String> {
    let (program, arguments) = options.program()?;
    let mut command = Command::new(program);
    command.args(arguments);
    for (name, _) in env::vars_os().filter(|(name, _)| is_not_its_own(name)) {
        command.env_remove(name);
    }
    for pair in options.all("env") {
        let (name, value) = variable(pair)?;
        command.env(name, value);
    }
    if let Some(folder) = options.optional("folder") {
        command.current_dir(folder);
    }
    Ok(command)
}

fn is_not_its_own(name: &OsStr) -> bool {
    NOT_ITS_OWN.iter().any(|start| name.as_bytes().starts_with(start.as_bytes()))
}

/// Takes `NAME=value` apart.
pub fn variable(pair: &OsStr) -> Result<(OsString, OsString), String> {
    let bytes = pair.as_bytes();
    let at = bytes.iter().position(|byte| *byte == b'=');
    let at = at.ok_or_else(|| format!("{:?} is no NAME=value", pair.to_string_lossy()))?;
    let part = |bytes: &[u8]| OsStr::from_bytes(bytes).to_os_string();
    Ok((part(&bytes[..at]), part(&bytes[at + 1..])))
}

/// Puts a command into a group of its own, so that all it starts can be asked to end with it.
pub fn grouped(mut command: Command) -> Command {
    command.process_group(0);
    command
}

/// Returns the end to read and the end to write of a pipe that no program inherits.
pub fn pipe() -> (File, File) {
    let mut ends = [0; 2];
    assert_eq!(unsafe { pipe2(ends.as_mut_ptr(), O_CLOEXEC) }, 0, "a pipe");
    unsafe { (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])) }
}

/// What happens to a program: it ends, or it is asked to.
pub enum Event {
    Ended(ExitStatus),
    Asked,
}

/// A started program, and where its events arrive. It has to be the only one that this process has started.
pub struct Running {
    group: i32,
    pub events: Receiver<Event>,
    pub asker: Sender<Event>,
    childless: Receiver<()>,
}

impl Running {
    pub fn new(child: Child) -> Running {
        let (asker, events) = channel();
        let (last, childless) = channel();
        let group = child.id() as i32;
        let sender = asker.clone();
        thread::spawn(move || {
            reap(|pid, status| {
                if pid == group {
                    let _ = sender.send(Event::Ended(status));
                }
            });
            let _ = last.send(());
        });
        Running { group, events, asker, childless }
    }

    /// Waits for the program's next event, without end where there is no time limit.
    pub fn event(&self, limit: Option<Duration>) -> Option<Event> {
        match limit {
            Some(limit) => self.events.recv_timeout(limit).ok(),
            None => self.events.recv().ok(),
        }
    }

    fn kill(&self, number: i32) {
        unsafe {
            kill(-self.group, number);
        }
    }

    /// Ends what the program has left behind, wherever it has moved to. Once it has returned, every process that the
    /// program was the beginning of is dead: each of them is a descendant of this process.
    pub fn kill_rest(&self) -> Outcome<()> {
        kill_until(&self.childless)
    }

    /// Ends the program and its group: kindly, and after a while by force.
    pub fn end(&self, grace: Duration) -> ExitStatus {
        self.kill(SIGTERM);
        let mut deadline = Instant::now() + grace;
        loop {
            match self.event(Some(deadline.saturating_duration_since(Instant::now()))) {
                Some(Event::Ended(status)) => return status,
                Some(Event::Asked) => {}
                None => {
                    self.kill(SIGKILL);
                    // It may have left its group.
                    kill_all(&[self.group]);
                    deadline = Instant::now() + ONCE_MORE;
                }
            }
        }
    }
}

/// Waits for children and calls back for each, until there is none.
fn reap(mut ended: impl FnMut(i32, ExitStatus)) {
    loop {
        let mut status = 0;
        let pid = unsafe { waitpid(-1, &mut status, WALL) };
        if pid > 0 {
            ended(pid, ExitStatus::from_raw(status));
        } else if Error::last_os_error().kind() != ErrorKind::Interrupted {
            return;
        }
    }
}

/// Waits for one child.
pub fn wait_for(child: i32) -> ExitStatus {
    let mut status = 0;
    while unsafe { waitpid(child, &mut status, WALL) } < 0
        && Error::last_os_error().kind() == ErrorKind::Interrupted
    {}
    ExitStatus::from_raw(status)
}

/// Kills all descendants of this process and waits for them, as `Running::kill_rest` does.
pub fn kill_descendants() -> Outcome<()> {
    let (last, childless) = channel();
    thread::spawn(move || {
        reap(|_, _| {});
        let _ = last.send(());
    });
    kill_until(&childless)
}

fn kill_until(childless: &Receiver<()>) -> Outcome<()> {
    let deadline = Instant::now() + RESISTANCE;
    loop {
        let found = descendants();
        kill_all(&found);
        if childless.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(resisted(&found));
        }
    }
}

// Stopped first, so that none goes on to start others meanwhile.
fn kill_all(processes: &[i32]) {
    for number in [SIGSTOP, SIGKILL] {
        for process in processes {
            unsafe {
                kill(*process, number);
            }
        }
    }
}

fn resisted(processes: &[i32]) -> Failure {
    let name = |process: &i32| fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    let names: Vec<String> =
        processes.iter().map(|process| format!("{} ({process})", name(process).trim())).collect();
    let message = format!("the program left processes behind that cannot be ended: {}", names.join(", "));
    Failure::new(OWN, message)
}

/// Returns all processes that this one is the parent of, or their parent, and so on.
fn descendants() -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = process.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some((pid, parent)) = pid.and_then(|pid| Some((pid, parent_of(pid)?))) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = children.remove(&(std::process::id() as i32)).unwrap_or_default();
    let mut next = 0;
    while next < found.len() {
        found.extend(children.remove(&found[next]).unwrap_or_default());
        next += 1;
    }
    found
}

// `1234 (any name) S 1 …`; the name may have blanks, brackets and bytes of any kind.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[end + 1..]).ok()?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

pub fn described(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited {code}"),
        (None, number) => format!("signal {}", number.unwrap_or(0)),
    }
}
