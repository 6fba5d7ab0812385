//! A shell on a terminal, whose screen and keyboard are the user's.
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{exit, Child, Command};
use std::sync::mpsc::{channel, Receiver};
use std::sync::Arc;
use std::thread;

use crate::descendants::protect;
use crate::failure::Outcome;
use crate::host::Host;
use crate::options::Options;
use crate::process::{command, described, Event, Running, LEFTOVER};
use crate::pty;

/// `agent shell --socket SOCKET [--folder FOLDER] [--env NAME=value]... -- program`
pub const OPTIONS: &[&str] = &["socket", "folder", "env"];

pub fn main(options: &Options) -> Outcome<()> {
    protect()?;
    shell(options.text("socket")?, command(options)?)
}

pub fn shell(socket: &str, command: Command) -> Outcome<()> {
    let (host, control) = Host::connect(socket)?;
    let (screen, child) = match start(command) {
        Ok(started) => started,
        Err(error) => return host.send_last(b'f', error.to_string().as_bytes()),
    };
    host.send(b'r', &[]);
    host.ping();
    let typed = screen.try_clone().unwrap();
    thread::spawn(move || {
        let _ = take_input(control, typed);
        // Nobody is there any more. The container ends with this process.
        exit(0);
    });
    let shown = show_output(&host, screen);
    let running = Running::new(child);
    if let Some(Event::Ended(status)) = running.event(None) {
        // What resists ends with the container.
        let _ = running.kill_rest();
        let _ = shown.recv_timeout(LEFTOVER);
        host.send_last(b'x', described(status).as_bytes())?;
    }
    Ok(())
}

fn start(mut command: Command) -> io::Result<(File, Child)> {
    let (screen, programs) = pty::open()?;
    pty::attach(&mut command, programs)?;
    // With the command its ends of the terminal are closed, which would keep the screen waiting.
    Ok((screen, command.spawn()?))
}

/// Sends the screen's output; the returned receiver gets the end.
fn show_output(host: &Arc<Host>, mut screen: File) -> Receiver<()> {
    let (sender, shown) = channel();
    let host = Arc::clone(host);
    thread::spawn(move || {
        let mut buffer = vec![0; 1 << 14];
        // No end of a file but an error says that the last program has left the terminal.
        while let Ok(size) = screen.read(&mut buffer) {
            host.send(b'o', &buffer[..size]);
        }
        let _ = sender.send(());
    });
    shown
}

fn take_input(mut control: UnixStream, mut screen: File) -> io::Result<()> {
    loop {
        let mut head = [0; 5];
        control.read_exact(&mut head)?;
        let mut payload = vec![0; u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize];
        control.read_exact(&mut payload)?;
        match (head[0], &payload[..]) {
            (b'w', [a, b, c, d]) => {
                pty::resize(&screen, u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]))
            }
            (b'i', typed) => screen.write_all(typed)?,
            _ => {}
        }
    }
}
