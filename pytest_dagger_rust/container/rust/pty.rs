//! A pseudo-terminal, asked of the kernel itself: not every libc has functions for one where it is linked.
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::io::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

const O_NOCTTY: i32 = 0o400;
const TIOCSCTTY: usize = 0x540e;
const TIOCSWINSZ: usize = 0x5414;
const TIOCGPTN: usize = 0x8004_5430;
const TIOCSPTLCK: usize = 0x4004_5431;

extern "C" {
    fn ioctl(file: i32, request: usize, ...) -> i32;
    fn setsid() -> i32;
}

/// Returns the end that is the screen and the keyboard, and the one that programs read and write.
pub fn open() -> io::Result<(File, File)> {
    let screen = open_terminal("/dev/ptmx")?;
    let (locked, mut number) = (0_i32, 0_i32);
    checked(unsafe { ioctl(screen.as_raw_fd(), TIOCSPTLCK, &locked) })?;
    checked(unsafe { ioctl(screen.as_raw_fd(), TIOCGPTN, &mut number) })?;
    let programs = open_terminal(&format!("/dev/pts/{number}"))?;
    Ok((screen, programs))
}

// Never as the terminal of the agent itself.
fn open_terminal(path: &str) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(O_NOCTTY).open(path)
}

fn checked(code: i32) -> io::Result<()> {
    if code < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

pub fn resize(screen: &File, rows: u16, columns: u16) {
    let size = [rows, columns, 0, 0];
    unsafe {
        ioctl(screen.as_raw_fd(), TIOCSWINSZ, size.as_ptr());
    }
}

/// Lets a program be the first of a session on the terminal, so that Ctrl-C is a signal there.
pub fn attach(command: &mut Command, terminal: File) -> io::Result<()> {
    command.stdin(terminal.try_clone()?).stdout(terminal.try_clone()?).stderr(terminal);
    unsafe {
        command.pre_exec(|| {
            checked(setsid())?;
            checked(ioctl(0, TIOCSCTTY, 0))
        });
    }
    Ok(())
}
