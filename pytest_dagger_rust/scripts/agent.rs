// Runs one program inside a runtime container, as a test's run or as its service, and tells the host what it did.
//
//   agent run RESULT LIMIT TIMEOUT FOLDER STDIN COUNT [outputs...] program [arguments...]
//   agent serve SOCKET FOLDER HEALTH GRACE COUNT [ports...] program [arguments...]
//
// Compiled by the builder's own rustc, from the standard library alone, so it runs wherever the programs do: in an
// image without a shell too, and as any user.
use std::collections::VecDeque;
use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::os::fd::FromRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{exit, Child, Command, ExitStatus, Stdio};

use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const CLOSE_ON_EXEC: i32 = 0o2_000_000;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

// How long a program that was asked to end may take, and how long output is still read once it has ended: what it
// leaves behind may hold its output open for ever.
const TIMEOUT_GRACE: Duration = Duration::from_secs(2);
const LEFTOVER: Duration = Duration::from_secs(1);

extern "C" {
    fn kill(pid: i32, signal: i32) -> i32;
    fn pipe2(ends: *mut i32, flags: i32) -> i32;
    fn setpgid(pid: i32, group: i32) -> i32;
}

fn main() {
    let mut words = env::args().skip(1);
    let mut word = || words.next().expect("the agent is called with too few arguments");
    match word().as_str() {
        "run" => {
            let (result, limit, timeout) = (word(), word(), word());
            let (folder, stdin, count) = (word(), word(), word());
            let outputs = (0..count.parse().unwrap()).map(|_| word()).collect();
            let program = word();
            let run = Run {
                result: PathBuf::from(result),
                limit: limit.parse().unwrap(),
                timeout: timeout.parse().ok().filter(|seconds| *seconds > 0.0).map(Duration::from_secs_f64),
                outputs,
            };
            run.write(run.outcome(command(&program, words.collect(), &folder), &stdin));
        }
        _ => {
            let (socket, folder, health, grace, count) = (word(), word(), word(), word(), word());
            let ports = (0..count.parse().unwrap()).map(|_| word().parse().unwrap()).collect();
            let program = word();
            let grace = Duration::from_secs_f64(grace.parse().unwrap());
            serve(&socket, command(&program, words.collect(), &folder), health, ports, grace);
        }
    }
}

fn command(program: &str, arguments: Vec<String>, folder: &str) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_remove("PYTEST_DAGGER_RUST_RUN");
    if !folder.is_empty() {
        command.current_dir(folder);
    }
    // A group of its own, so that all it starts can be ended with it.
    unsafe {
        command.pre_exec(|| {
            setpgid(0, 0);
            Ok(())
        });
    }
    command
}

/// What happens to a program: it ends, or it is asked to.
enum Event {
    Ended(ExitStatus),
    Asked,
}

/// A started program, and where its events arrive.
struct Running {
    group: i32,
    events: Receiver<Event>,
    asker: Sender<Event>,
}

impl Running {
    fn new(mut child: Child) -> Running {
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

    /// Ends the program and all it started: kindly, and after a while by force.
    fn end(&self, grace: Duration) -> ExitStatus {
        self.kill(SIGTERM);
        let deadline = Instant::now() + grace;
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Ended(status)) => return status,
                Ok(Event::Asked) => {}
                Err(_) => self.kill(SIGKILL),
            }
        }
    }
}

fn described(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited {code}"),
        (None, number) => format!("signal {}", number.unwrap_or(0)),
    }
}

// ---- run

struct Run {
    result: PathBuf,
    limit: u64,
    timeout: Option<Duration>,
    outputs: Vec<String>,
}

impl Run {
    /// Runs the program and gives the lines of the result.
    fn outcome(&self, mut command: Command, stdin: &str) -> Vec<String> {
        if !stdin.is_empty() {
            command.stdin(File::open(stdin).unwrap());
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let started = Instant::now();
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return vec![format!("failed {error}")],
        };
        let stdout = self.collect(child.stdout.take().unwrap(), "stdout");
        let stderr = self.collect(child.stderr.take().unwrap(), "stderr");
        let running = Running::new(child);
        let event = match self.timeout {
            Some(timeout) => running.events.recv_timeout(timeout).ok(),
            None => running.events.recv().ok(),
        };
        let (status, timed_out) = match event {
            Some(Event::Ended(status)) => (status, false),
            _ => (running.end(TIMEOUT_GRACE), true),
        };
        running.kill(SIGKILL);
        let seconds = started.elapsed().as_secs_f64();
        let mut lines = vec![described(status), format!("seconds {seconds}"), format!("timeout {timed_out}")];
        for collected in [stdout, stderr] {
            lines.push(format!("dropped {}", collected.dropped()));
        }
        lines.extend(self.outputs.iter().enumerate().map(|(number, path)| self.take(number, Path::new(path))));
        lines
    }

    fn write(&self, lines: Vec<String>) {
        fs::write(self.result.join("result"), lines.join("\n") + "\n").unwrap();
    }

    /// Writes a stream's first bytes into a file, and only counts the rest: it must not fill the disk.
    fn collect(&self, mut stream: impl Read + Send + 'static, name: &str) -> Arc<Collected> {
        let collected = Arc::new(Collected::default());
        let mut file = File::create(self.result.join(name)).unwrap();
        let (mut left, shared) = (self.limit, Arc::clone(&collected));
        thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(size) = stream.read(&mut buffer) {
                if size == 0 {
                    break;
                }
                let kept = left.min(size as u64);
                file.write_all(&buffer[..kept as usize]).unwrap();
                left -= kept;
                shared.state.lock().unwrap().0 += size as u64 - kept;
            }
            shared.state.lock().unwrap().1 = true;
            shared.ended.notify_all();
        });
        collected
    }

    /// Copies what the program wrote beside the result, and tells whether it was there.
    fn take(&self, number: usize, path: &Path) -> String {
        let place = self.result.join(format!("output-{number}"));
        match copy(path, &place) {
            Ok(()) => "output".into(),
            Err(error) => format!("missing {error}"),
        }
    }
}

#[derive(Default)]
struct Collected {
    /// Bytes dropped, and whether the stream has ended.
    state: Mutex<(u64, bool)>,
    ended: Condvar,
}

impl Collected {
    fn dropped(&self) -> u64 {
        let state = self.state.lock().unwrap();
        let (state, _) = self.ended.wait_timeout_while(state, LEFTOVER, |state| !state.1).unwrap();
        state.0
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if fs::metadata(from)?.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            // A dangling link, a socket: nothing that could be read.
            let kind = fs::metadata(entry.path()).map(|found| found.is_dir() || found.is_file());
            let linked = entry.file_type()?.is_symlink() && entry.path().is_dir();
            if kind.unwrap_or(false) && !linked {
                copy(&entry.path(), &to.join(entry.file_name()))?;
            }
        }
        return Ok(());
    }
    fs::copy(from, to).map(|_| ())
}

// ---- serve

/// Bytes of log that wait to be sent; a flood beyond that loses its oldest part, and the service never waits.
const LOG: usize = 1 << 18;
const LOG_PAUSE: Duration = Duration::from_millis(10);

/// Connections that wait for a client, so that the next one need not be made first.
const IDLE: usize = 4;

/// In place of a frame's length: the client is gone.
const ABORT: [u8; 4] = [0xff; 4];

/// How often the host is asked whether it is still there: the engine tells nothing of a connection that was closed.
const PING: Duration = Duration::from_secs(1);

fn serve(socket: &str, mut command: Command, health: String, ports: Vec<u16>, grace: Duration) {
    let control = UnixStream::connect(socket).expect("the host's socket");
    let host = Arc::new(Host { control: Mutex::new(control.try_clone().unwrap()) });
    host.send(b'C', &[]);
    let (written, output) = pipe();
    command.stdin(Stdio::null()).stderr(output.try_clone().unwrap()).stdout(output);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return host.send(b'f', error.to_string().as_bytes()),
    };
    // The command's own ends of the pipe would keep it open.
    drop(command);
    let log = forward_log(&host, written);
    for _ in 0..IDLE {
        wait_for_client(socket.to_string());
    }
    watch_health(&host, health, ports);
    let running = Running::new(child);
    listen_for_stop(control, running.asker.clone());
    ping(&host);
    let (kind, status) = match running.events.recv() {
        Ok(Event::Ended(status)) => (b'x', status),
        _ => (b'X', running.end(grace)),
    };
    running.kill(SIGKILL);
    log.drain();
    host.send(kind, described(status).as_bytes());
    // The host ends this container once it has read that; a connection that ends before may lose it.
    thread::sleep(Duration::from_secs(60));
}

fn listen_for_stop(mut control: UnixStream, asker: Sender<Event>) {
    thread::spawn(move || {
        let mut byte = [0];
        while let Ok(1) = control.read(&mut byte) {
            let _ = asker.send(Event::Asked);
        }
        // Nobody is there to serve any more. The container ends with this process.
        exit(0);
    });
}

fn ping(host: &Arc<Host>) {
    let host = Arc::clone(host);
    thread::spawn(move || loop {
        thread::sleep(PING);
        host.send(b'p', &[]);
    });
}

struct Host {
    control: Mutex<UnixStream>,
}

impl Host {
    fn send(&self, kind: u8, payload: &[u8]) {
        let mut message = vec![kind];
        message.extend((payload.len() as u32).to_be_bytes());
        message.extend(payload);
        if self.control.lock().unwrap().write_all(&message).is_err() {
            exit(1);
        }
    }
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

/// One pipe for both streams, so that the log has what was written in its order.
fn pipe() -> (File, File) {
    let mut ends = [0; 2];
    assert_eq!(unsafe { pipe2(ends.as_mut_ptr(), CLOSE_ON_EXEC) }, 0, "a pipe");
    unsafe { (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1])) }
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

/// Tells the host once all ports answer, and until then what is still missing.
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

fn dial(port: u16) -> io::Result<TcpStream> {
    let timeout = Duration::from_secs(1);
    let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let first = TcpStream::connect_timeout(&SocketAddr::new(addresses[0], port), timeout);
    first.or_else(|error| {
        TcpStream::connect_timeout(&SocketAddr::new(addresses[1], port), timeout).map_err(|_| error)
    })
}

/// Holds a connection to the host until a client comes, then carries its bytes.
///
/// Frames, both ways: a length of four bytes, and as many bytes; 0 says that no more come from that side. A
/// connection through the engine cannot be half closed.
fn wait_for_client(socket: String) {
    thread::spawn(move || {
        let Ok(mut host) = UnixStream::connect(&socket) else { return };
        let mut port = [0; 2];
        if host.write_all(b"D").is_err() || host.read_exact(&mut port).is_err() {
            return;
        }
        wait_for_client(socket);
        let _ = match dial(u16::from_be_bytes(port)) {
            Ok(server) => host.write_all(b"+").and_then(|()| carry(host, server)),
            Err(_) => host.write_all(b"-"),
        };
    });
}

fn carry(mut host: UnixStream, server: TcpStream) -> io::Result<()> {
    server.set_nodelay(true)?;
    let (mut from_host, mut to_server) = (host.try_clone()?, server.try_clone()?);
    let inward = thread::spawn(move || -> io::Result<()> {
        let mut buffer = Vec::new();
        loop {
            let mut size = [0; 4];
            if from_host.read_exact(&mut size).is_err() {
                return to_server.shutdown(Shutdown::Both);
            }
            if size == ABORT {
                return to_server.shutdown(Shutdown::Both);
            }
            buffer.resize(u32::from_be_bytes(size) as usize, 0);
            if buffer.is_empty() {
                return to_server.shutdown(Shutdown::Write);
            }
            from_host.read_exact(&mut buffer)?;
            to_server.write_all(&buffer)?;
        }
    });
    let mut from_server = server;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let size = from_server.read(&mut buffer).unwrap_or(0);
        host.write_all(&(size as u32).to_be_bytes())?;
        host.write_all(&buffer[..size])?;
        if size == 0 {
            break;
        }
    }
    let _ = inward.join();
    Ok(())
}
