//! The connection to the host: events go out, requests come in.
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::exit;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::failure::{At, Outcome};
use crate::frames;

/// How often the host is asked whether it is still there: the engine does not report a closed connection.
const PING: Duration = Duration::from_secs(1);

/// Messages to the host, as `frames` has them: a kind of one byte, a length of four, and as many bytes.
pub struct Host {
    control: Mutex<UnixStream>,
}

impl Host {
    /// Connects, and returns the host and the stream to read from it.
    pub fn connect(socket: &str) -> Outcome<(Arc<Host>, UnixStream)> {
        let connected = UnixStream::connect(socket).and_then(|control| Ok((control.try_clone()?, control)));
        let (control, reading) = connected.at(socket.as_ref())?;
        let host = Arc::new(Host { control: Mutex::new(control) });
        host.send(b'C', &[]);
        Ok((host, reading))
    }

    pub fn send(&self, kind: u8, payload: &[u8]) {
        let mut message = Vec::new();
        let written = frames::write(&mut message, kind, &[payload]);
        if written.and_then(|()| self.control.lock().unwrap().write_all(&message)).is_err() {
            exit(1);
        }
    }

    /// Says how it ended, and stays: a connection that ends before the host has read that may lose it.
    pub fn send_last(&self, kind: u8, payload: &[u8]) -> Outcome<()> {
        self.send(kind, payload);
        thread::sleep(Duration::from_secs(60));
        Ok(())
    }

    pub fn ping(self: &Arc<Host>) {
        let host = Arc::clone(self);
        thread::spawn(move || loop {
            thread::sleep(PING);
            host.send(b'p', &[]);
        });
    }
}
