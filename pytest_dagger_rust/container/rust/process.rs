//! Programs under test: started in a group of their own, and ended with everything that they started.
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::io::FromRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::descendants::{kill_all, kill_until, reap};
use crate::failure::Outcome;
use crate::limits;
use crate::network::Network;
use crate::options::Options;
use crate::variables::is_one_of;

const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

const O_CLOEXEC: i32 = 0o2_000_000;

/// How long output is still read once all processes of a program are dead.
pub const LEFTOVER: Duration = Duration::from_secs(1);

// How often a program that does not even end by force is asked again.
const ONCE_MORE: Duration = Duration::from_secs(1);

/// What the engine and the host set for the agent: the program under test has nothing to do with it.
const NOT_ITS_OWN: &[&str] = &[
    "PYTEST_DAGGER_RUST_",
    "OTEL_EXPORTER_OTLP_",
    "OTEL_TRACES_EXPORTER",
    "TRACEPARENT",
    "TRACESTATE",
    "BAGGAGE",
];

extern "C" {
    fn pipe2(ends: *mut i32, flags: i32) -> i32;
    fn kill(pid: i32, signal: i32) -> i32;
}

/// Returns the command of a subcommand's program, to be started in its --folder with its --env, --memory
/// and --network.
pub fn command(options: &Options) -> Outcome<Command> {
    let (program, arguments) = options.program()?;
    let mut command = Command::new(program);
    command.args(arguments);
    for (name, _) in env::vars_os().filter(|(name, _)| is_one_of(name, NOT_ITS_OWN)) {
        command.env_remove(name);
    }
    for pair in options.all("env") {
        let (name, value) = variable(pair)?;
        command.env(name, value);
    }
    if let Some(folder) = options.optional("folder") {
        command.current_dir(folder);
    }
    limits::memory(options, &mut command)?;
    Network::of(options)?.limit(&mut command)?;
    Ok(command)
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

    /// Returns a function that sends a signal to the program alone.
    pub fn signaller(&self) -> impl Fn(i32) + Send + 'static {
        let program = self.group;
        move |number| unsafe {
            kill(program, number);
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

pub fn described(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited {code}"),
        (None, number) => format!("signal {}", number.unwrap_or(0)),
    }
}
