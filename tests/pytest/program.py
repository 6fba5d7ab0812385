"""A program that does on request what programs under test do."""

from __future__ import annotations

MANIFEST = """\
[package]
name = "app"
version = "1.2.3"
edition = "2021"

[lib]
path = "library.rs"

[[bin]]
name = "app"
path = "app.rs"

[[bin]]
name = "other"
path = "other.rs"
"""

LOCK = 'version = 3\n\n[[package]]\nname = "app"\nversion = "1.2.3"\n'

LIBRARY = 'pub fn greeting() -> &\'static str {\n    "hello"\n}\n'

OTHER = 'fn main() {\n    println!("other");\n}\n'

APP = r"""
use std::io::{BufRead, Read, Write};

fn answer(stream: std::net::TcpStream) -> Option<()> {
    let mut line = String::new();
    std::io::BufReader::new(stream.try_clone().ok()?).read_line(&mut line).ok()?;
    let words: Vec<&str> = line.split_whitespace().collect();
    let (_, rest) = words.get(1)?.split_at(1);
    let (command, argument) = rest.split_once('/').unwrap_or((rest, ""));
    println!("asked for {rest}");
    let mut body = vec![b'x'; argument.parse().unwrap_or(2)];
    match command {
        "exit" => std::process::exit(argument.parse().ok()?),
        "host" => body = std::env::var("HOSTNAME").unwrap_or_default().into_bytes(),
        "flood" => body.iter().for_each(|_| println!("{}", "flood ".repeat(200))),
        _ => {}
    }
    let status = if command == "missing" { "404 Not Found" } else { "200 OK" };
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let mut stream = stream;
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |number: usize| arguments.get(number).map_or("", String::as_str);
    let number = || argument(1).parse::<usize>().unwrap();
    match argument(0) {
        "exit" => {
            println!("last words");
            eprintln!("complaint");
            std::process::exit(number() as i32)
        }
        "abort" => std::process::abort(),
        "flood" => {
            let line = [b'x'; 1024];
            let mut out = std::io::stdout().lock();
            for _ in 0..number() {
                out.write_all(&line).unwrap();
            }
        }
        "invalid" => std::io::stdout().write_all(b"a\xff\xfe\0b").unwrap(),
        "cat" => {
            let mut input = Vec::new();
            std::io::stdin().read_to_end(&mut input).unwrap();
            std::io::stdout().write_all(&input).unwrap();
        }
        "read" => print!("{}", std::fs::read_to_string(argument(1)).unwrap()),
        "write" => {
            for path in &arguments[2..] {
                let path = std::path::Path::new(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, argument(1)).unwrap();
            }
        }
        "serve" => {
            eprintln!("serving on {}", argument(1));
            for stream in std::net::TcpListener::bind(argument(1)).unwrap().incoming() {
                std::thread::spawn(move || answer(stream.unwrap()));
            }
        }
        "get" => {
            let mut stream = std::net::TcpStream::connect(argument(1)).unwrap();
            stream.write_all(b"GET /host HTTP/1.0\r\n\r\n").unwrap();
            std::io::copy(&mut stream, &mut std::io::stdout()).unwrap();
        }
        "relay" => {
            std::net::TcpStream::connect(argument(2)).unwrap().write_all(b"GET /relay HTTP/1.0\r\n\r\n").unwrap();
            for stream in std::net::TcpListener::bind(argument(1)).unwrap().incoming() {
                std::thread::spawn(move || answer(stream.unwrap()));
            }
        }
        "stubborn" => {
            extern "C" {
                fn signal(number: i32, handler: usize) -> usize;
            }
            unsafe { signal(15, 1) };
            println!("stubborn");
            std::thread::sleep(std::time::Duration::from_secs(60))
        }
        "leave" => {
            std::process::Command::new("sleep").arg(argument(1)).spawn().unwrap();
            println!("parent");
        }
        "env" => {
            for (name, value) in std::env::vars() {
                println!("{name}={value}");
            }
        }
        "pwd" => println!("{}", std::env::current_dir().unwrap().display()),
        "sleep" => std::thread::sleep(std::time::Duration::from_secs(number() as u64)),
        "now" => println!("{:?}", std::time::SystemTime::now()),
        "args" => println!("{:?}", &arguments[1..]),
        _ => println!("{} {}", app::greeting(), env!("CARGO_PKG_VERSION")),
    }
}
"""

FILES = {"Cargo.toml": MANIFEST, "Cargo.lock": LOCK, "library.rs": LIBRARY, "app.rs": APP, "other.rs": OTHER}
