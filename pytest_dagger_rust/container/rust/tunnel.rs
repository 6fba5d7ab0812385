//! Connections of the host's clients to the program, carried over connections that this side opens.
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

/// In place of a frame's length: the client is gone.
const ABORT: [u8; 4] = [0xff; 4];

pub fn dial(port: u16) -> io::Result<TcpStream> {
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
pub fn wait_for_client(socket: String) {
    thread::spawn(move || {
        let mut host = match UnixStream::connect(&socket) {
            Ok(host) => host,
            Err(_) => return,
        };
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
