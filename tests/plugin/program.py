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
use std::io::{Read, Write};

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
