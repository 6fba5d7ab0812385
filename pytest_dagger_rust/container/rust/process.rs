//! Programs: started in a group of their own, and ended with all that they started.
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{channel, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

// How long output is still read once a program has ended: what it leaves behind may hold it open for ever.
pub const LEFTOVER: Duration = Duration::from_secs(1);

// How often a program that does not even end by force is asked again.
const ONCE_MORE: Duration = Duration::from_secs(1);

extern "C" {
    fn kill(pid: i32, signal: i32) -> i32;
    fn setpgid(pid: i32, group: i32) -> i32;
}

pub fn command(program: &str, arguments: Vec<String>, folder: &str) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_remove("PYTEST_DAGGER_RUST_RUN");
    if !folder.is_empty() {
        command.current_dir(folder);
    }
    command
}

/// Gives a command a group of its own, so that all it starts can be ended with it.
pub fn grouped(mut command: Command) -> Command {
    unsafe {
        command.pre_exec(|| {
            setpgid(0, 0);
            Ok(())
        });
    }
    command
}

/// What happens to a program: it ends, or it is asked to.
pub enum Event {
    Ended(ExitStatus),
    Asked,
}

/// A started program, and where its events arrive.
pub struct Running {
    group: i32,
    pub events: Receiver<Event>,
    pub asker: Sender<Event>,
}

impl Running {
    pub fn new(mut child: Child) -> Running {
        let (asker, events) = channel();
        let group = child.id() as i32;
        let sender = asker.clone();
        thread::spawn(move || {
            let _ = sender.send(Event::Ended(child.wait().unwrap()));
        });
        Running { group, events, asker }
    }

    fn kill(&self, number: i32) {
        unsafe {
            kill(-self.group, number);
        }
    }

    /// Ends what the program has left behind.
    pub fn kill_rest(&self) {
        self.kill(SIGKILL);
    }

    /// Ends the program and all it started: kindly, and after a while by force.
    pub fn end(&self, grace: Duration) -> ExitStatus {
        self.kill(SIGTERM);
        let mut deadline = Instant::now() + grace;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Ended(status)) => return status,
                Ok(Event::Asked) => {}
                Err(_) => {
                    self.kill(SIGKILL);
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
