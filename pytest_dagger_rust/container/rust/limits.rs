//! What a program may use: memory for each of its processes, and so many processes.
use std::io::{Error, Result};
use std::os::raw::c_ulong;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::mpsc::{channel, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::descendants::{descendants, kill_all};
use crate::options::Options;

const RLIMIT_DATA: i32 = 2;

/// How often processes are counted. What makes them faster than that is met with more of them.
const LOOK: Duration = Duration::from_millis(200);

#[repr(C)]
struct Limit {
    now: c_ulong,
    most: c_ulong,
}

extern "C" {
    fn setrlimit(resource: i32, limit: *const Limit) -> i32;
}

/// Has a command start with no more than --memory bytes for each process, where it is given.
pub fn memory(options: &Options, command: &mut Command) -> std::result::Result<(), String> {
    let Some(bytes) = options.numbers("memory")?.pop() else { return Ok(()) };
    unsafe {
        command.pre_exec(move || limit_memory(bytes));
    }
    Ok(())
}

fn limit_memory(bytes: c_ulong) -> Result<()> {
    let limit = Limit { now: bytes, most: bytes };
    match unsafe { setrlimit(RLIMIT_DATA, &limit) } {
        0 => Ok(()),
        _ => Err(Error::last_os_error()),
    }
}

/// Counts the descendants of this process, and kills all of them where there are more than so many.
pub struct Watch {
    end: Sender<()>,
    watching: JoinHandle<bool>,
}

impl Watch {
    /// Begins, where there is a limit.
    pub fn start(most: Option<usize>) -> Option<Watch> {
        let most = most?;
        let (end, ended) = channel();
        let watching = thread::spawn(move || {
            let (mut is_over, mut pause) = (false, LOOK);
            while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let found = descendants();
                if is_over || found.len() > most {
                    (is_over, pause) = (true, LOOK / 20);
                    kill_all(&found);
                }
            }
            is_over
        });
        Some(Watch { end, watching })
    }

    /// Ends, and returns whether there were too many.
    pub fn end(self) -> bool {
        drop(self.end);
        self.watching.join().unwrap_or(false)
    }
}
