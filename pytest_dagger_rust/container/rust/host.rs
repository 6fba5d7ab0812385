//! The connection on which the host is told what happens, and asks for things.
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::exit;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// How often the host is asked whether it is still there: the engine tells nothing of a connection that was closed.
const PING: Duration = Duration::from_secs(1);

/// Messages to the host: a kind of one byte, a length of four, and as many bytes.
pub struct Host {
    control: Mutex<UnixStream>,
}

impl Host {
    /// Connects, and gives beside the host the stream to read from it.
    pub fn connect(socket: &str) -> (Arc<Host>, UnixStream) {
        let control = UnixStream::connect(socket).expect("the host's socket");
        let host = Arc::new(Host { control: Mutex::new(control.try_clone().unwrap()) });
        host.send(b'C', &[]);
        (host, control)
    }

    pub fn send(&self, kind: u8, payload: &[u8]) {
        let mut message = vec![kind];
        message.extend((payload.len() as u32).to_be_bytes());
        message.extend(payload);
        if self.control.lock().unwrap().write_all(&message).is_err() {
            exit(1);
        }
    }

    /// Says how it ended, and stays: a connection that ends before the host has read that may lose it.
    pub fn send_last(&self, kind: u8, payload: &[u8]) {
        self.send(kind, payload);
        thread::sleep(Duration::from_secs(60));
    }

    pub fn ping(self: &Arc<Host>) {
        let host = Arc::clone(self);
        thread::spawn(move || loop {
            thread::sleep(PING);
            host.send(b'p', &[]);
        });
    }
}
