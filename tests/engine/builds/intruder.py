"""A build script that looks everywhere for a token and for a network, and what it says where it finds neither."""

from __future__ import annotations

import base64

# Looks for a token, as it is, backwards and in base64, in all that a build script can read, and for a network.
HOSTILE = """\
use std::{fs, net::TcpStream, os::unix::fs::FileTypeExt, path::Path};
fn look(path: &Path, marks: &[Vec<u8>], depth: u32, found: &mut Vec<String>) {
    let Ok(status) = fs::symlink_metadata(path) else { return };
    if status.is_dir() && depth > 0 {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            look(&entry.path(), marks, depth - 1, found);
        }
    } else if status.is_file() && status.len() < 1 << 20 {
        let text = fs::read(path).unwrap_or_default();
        if marks.iter().any(|mark| text.windows(mark.len()).any(|part| part == &mark[..])) {
            found.push(path.display().to_string());
        }
    } else if status.file_type().is_socket() {
        found.push(path.display().to_string());
    }
}
fn main() {
    let marks: Vec<Vec<u8>> = MARKS.iter().map(|mark| mark.bytes().map(|byte| byte ^ 1).collect()).collect();
    let mut found = Vec::new();
    for name in ["/root", "/run", "/tmp", "/etc", "/home", "/var/run", "/dev/shm", "/proc/self", "/proc/1"] {
        look(Path::new(name), &marks, 3, &mut found);
    }
    for entry in fs::read_dir("/").unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.contains("pytest-dagger-rust") {
            look(&entry.path(), &marks, 12, &mut found);
        } else if name.starts_with('.') {
            look(&entry.path(), &marks, 2, &mut found);
        }
    }
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        look(&entry.path().join("environ"), &marks, 0, &mut found);
        look(&entry.path().join("cmdline"), &marks, 0, &mut found);
    }
    for (name, value) in std::env::vars_os() {
        let text = value.to_string_lossy().into_owned().into_bytes();
        if marks.iter().any(|mark| text.windows(mark.len()).any(|part| part == &mark[..])) {
            found.push(name.to_string_lossy().into_owned());
        }
    }
    let network = TcpStream::connect("ADDRESS").err().map(|error| error.to_string());
    println!("cargo:rustc-env=FOUND=found {found:?}, network {network:?}");
}
"""
NOTHING = 'found [], network Some("Network is unreachable (os error 101)")'


def marks(token: str) -> str:
    """Return what is looked for as Rust's list; each byte is changed, so that the list itself is not found."""
    return str(["".join(chr(ord(letter) ^ 1) for letter in form) for form in forms(token)]).replace("'", '"')


def forms(token: str) -> list[str]:
    """Return a token as it is, backwards, and in base64, wherever it begins in what is encoded."""
    return [token, token[::-1], *(_encoded(token, before) for before in range(3))]


def _encoded(token: str, before: int) -> str:
    """Return the letters of base64 that only the token decides, where so many bytes are before it."""
    data = b"\0" * before + token.encode()
    return base64.b64encode(data).decode()[-(-before * 8 // 6) : len(data) * 8 // 6]


def script(token: str, address: str) -> str:
    """Return the build script that looks for this token and for this server."""
    return HOSTILE.replace("MARKS", marks(token)).replace("ADDRESS", address)
