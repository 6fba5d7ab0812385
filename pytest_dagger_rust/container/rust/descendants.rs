//! Ends all that this process is the beginning of, wherever it has moved to: every orphan below it becomes its child.
use std::fs;
use std::io::{Error, ErrorKind};
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::mpsc::{channel, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::failure::{Failure, Outcome, OWN};

const SIGKILL: i32 = 9;
const SIGSTOP: i32 = 19;

const PR_SET_DUMPABLE: i32 = 4;
const PR_SET_CHILD_SUBREAPER: i32 = 36;
/// Children of every kind, also those that do not send SIGCHLD.
const WALL: i32 = 0x4000_0000;

// How long what a program has left behind may resist being killed, and how often it is looked for meanwhile.
const RESISTANCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(5);

extern "C" {
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

/// Waits for children and calls back for each, until there is none.
pub fn reap(mut ended: impl FnMut(i32, ExitStatus)) {
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

/// Kills all descendants of this process and waits for them, wherever they have moved to.
pub fn kill_descendants() -> Outcome<()> {
    let (last, childless) = channel();
    thread::spawn(move || {
        reap(|_, _| {});
        let _ = last.send(());
    });
    kill_until(&childless)
}

pub fn kill_until(childless: &Receiver<()>) -> Outcome<()> {
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
pub fn kill_all(processes: &[i32]) {
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

/// Kills all descendants of another process that is the parent of all orphans below it, until there are none.
pub fn kill_descendants_of(process: i32) {
    let deadline = Instant::now() + RESISTANCE;
    while Instant::now() < deadline {
        let found = descendants_of(process);
        if found.is_empty() {
            return;
        }
        kill_all(&found);
        thread::sleep(LOOK);
    }
}

/// Returns all descendants of this process.
pub fn descendants() -> Vec<i32> {
    descendants_of(std::process::id() as i32)
}

/// Returns all processes that a process is the parent of, or their parent, and so on.
fn descendants_of(process: i32) -> Vec<i32> {
    let mut others: Vec<(i32, i32)> = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        others.extend(pid.and_then(|pid| Some((pid, parent_of(pid)?))));
    }
    let mut found = vec![process];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(others.iter().filter(|(_, above)| *above == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.remove(0);
    found
}

// `1234 (any name) S 1 …`; the name may have blanks, brackets and bytes of any kind.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[end + 1..]).ok()?;
    rest.split_whitespace().nth(1)?.parse().ok()
}
