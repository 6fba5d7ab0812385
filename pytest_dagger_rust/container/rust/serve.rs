//! A program as a service: its log, its health and its end, sent to the host.
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{exit, Command, Stdio};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::descendants::protect;
use crate::failure::Outcome;
use crate::host::Host;
use crate::limits::Watch;
use crate::options::Options;
use crate::process::{command, described, grouped, pipe, Event, Running, LEFTOVER};
use crate::tunnel::{dial, wait_for_client};

/// Bytes of log that wait to be sent; a flood beyond that loses its oldest part, and the service never waits.
const LOG: usize = 1 << 18;
const LOG_PAUSE: Duration = Duration::from_millis(10);

/// Connections that wait for a client, so that the next one need not be made first.
const IDLE: usize = 4;

/// A program that is just dying has closed its connections before its end is known: it was not asked to.
const LAST_WORD: Duration = Duration::from_millis(30);

/// `agent serve --socket SOCKET --grace SECONDS [--folder FOLDER] [--health PATH] [--port PORT]...
/// [--env NAME=value]... [--network listening] [--memory BYTES] [--processes NUMBER] -- program`
pub const OPTIONS: &[&str] =
    &["socket", "grace", "folder", "health", "port", "env", "network", "memory", "processes"];

pub fn main(options: &Options) -> Outcome<()> {
    protect()?;
    let grace = Duration::from_secs_f64(options.number("grace")?);
    let health = options.text("health")?.to_string();
    let _watch = Watch::start(options.numbers("processes")?.pop());
    serve(options.text("socket")?, grouped(command(options)?), health, options.numbers("port")?, grace)
}

pub fn serve(
    socket: &str,
    mut command: Command,
    health: String,
    ports: Vec<u16>,
    grace: Duration,
) -> Outcome<()> {
    let (host, control) = Host::connect(socket)?;
    // One pipe for both streams, so that the log has what was written in its order.
    let (written, output) = pipe();
    command.stdin(Stdio::null()).stderr(output.try_clone().unwrap()).stdout(output);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return host.send_last(b'f', error.to_string().as_bytes()),
    };
    // The command's own ends of the pipe would keep it open.
    drop(command);
    let log = forward_log(&host, written);
    for _ in 0..IDLE {
        wait_for_client(socket.to_string());
    }
    watch_health(&host, health, ports);
    let running = Running::new(child);
    listen_to_host(control, running.asker.clone(), running.signaller());
    host.ping();
    let (kind, status) = match running.event(None) {
        Some(Event::Ended(status)) => (b'x', status),
        _ => match running.event(Some(LAST_WORD)) {
            Some(Event::Ended(status)) => (b'x', status),
            _ => (b'X', running.end(grace)),
        },
    };
    // What resists ends with the container.
    let _ = running.kill_rest();
    log.drain();
    host.send_last(kind, described(status).as_bytes())
}

/// The host sends `s` to have the program ended, and `k` with a number of one byte to send it that signal.
fn listen_to_host(mut control: UnixStream, asker: Sender<Event>, signal: impl Fn(i32) + Send + 'static) {
    thread::spawn(move || {
        let mut byte = [0];
        while control.read_exact(&mut byte).is_ok() {
            if byte == *b"k" && control.read_exact(&mut byte).is_ok() {
                signal(i32::from(byte[0]));
            } else {
                let _ = asker.send(Event::Asked);
            }
        }
        // Nobody is there to serve any more. The container ends with this process.
        exit(0);
    });
}

#[derive(Default)]
struct Log {
    state: Mutex<LogState>,
    changed: Condvar,
}

#[derive(Default)]
struct LogState {
    waiting: VecDeque<u8>,
    dropped: u64,
    ended: bool,
    sent: bool,
}

impl Log {
    fn drain(&self) {
        let state = self.state.lock().unwrap();
        let _ = self.changed.wait_timeout_while(state, LEFTOVER, |state| !state.sent).unwrap();
    }
}

fn forward_log(host: &Arc<Host>, mut stream: File) -> Arc<Log> {
    let log = Arc::new(Log::default());
    let (reader, sender, host) = (Arc::clone(&log), Arc::clone(&log), Arc::clone(host));
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        loop {
            let size = stream.read(&mut buffer).unwrap_or(0);
            let mut state = reader.state.lock().unwrap();
            state.waiting.extend(&buffer[..size]);
            let excess = state.waiting.len().saturating_sub(LOG);
            state.waiting.drain(..excess);
            state.dropped += excess as u64;
            state.ended = size == 0;
            reader.changed.notify_all();
            if size == 0 {
                return;
            }
        }
    });
    thread::spawn(move || loop {
        let state = sender.state.lock().unwrap();
        let mut state = sender.changed.wait_while(state, |s| s.waiting.is_empty() && !s.ended).unwrap();
        let text: Vec<u8> = state.waiting.drain(..).collect();
        let dropped = std::mem::take(&mut state.dropped);
        let ended = state.ended;
        drop(state);
        if dropped > 0 {
            host.send(b'd', dropped.to_string().as_bytes());
        }
        if !text.is_empty() {
            host.send(b'o', &text);
        }
        if ended {
            sender.state.lock().unwrap().sent = true;
            sender.changed.notify_all();
            return;
        }
        thread::sleep(LOG_PAUSE);
    });
    log
}

/// Sends a message when all ports answer, and before that what is still missing.
fn watch_health(host: &Arc<Host>, path: String, ports: Vec<u16>) {
    let host = Arc::clone(host);
    thread::spawn(move || {
        let mut pause = Duration::from_millis(2);
        let mut told = String::new();
        loop {
            match healthy(&path, &ports) {
                Ok(()) => return host.send(b'r', &[]),
                Err(reason) if reason != told => {
                    host.send(b'h', reason.as_bytes());
                    told = reason;
                }
                Err(_) => {}
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(100));
        }
    });
}

fn healthy(path: &str, ports: &[u16]) -> Result<(), String> {
    for port in ports {
        dial(*port).map_err(|error| format!("nothing listens on port {port} ({error})"))?;
    }
    match ports.first() {
        Some(port) if !path.is_empty() => answers(path, *port),
        _ => Ok(()),
    }
}

fn answers(path: &str, port: u16) -> Result<(), String> {
    let failed = |error: io::Error| format!("GET {path} on port {port} failed ({error})");
    let mut stream = dial(port).map_err(failed)?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).map_err(failed)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut start = [0; 12];
    stream.read_exact(&mut start).map_err(failed)?;
    let status = String::from_utf8_lossy(&start[9..]).into_owned();
    if start.starts_with(b"HTTP/1.") && (status.starts_with('2') || status.starts_with('3')) {
        return Ok(());
    }
    Err(format!("GET {path} on port {port} answered {status}"))
}
