"""Private packages: secrets are there while packages are fetched, and nothing that is compiled finds them."""

from __future__ import annotations

import base64
import uuid
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import BuildAccess
from pytest_dagger_rust.builds.caches import Caches
from pytest_dagger_rust.errors import RustBuildError
from tests.registry import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pytest_dagger_rust import Engine
    from tests.engine.scenario import Scenario
    from tests.registry import Registry

    MakeScenario = Callable[[Mapping[str, str]], Scenario]

MANIFEST = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\nclosed = { version = "1", registry = "own" }\n'
MAIN = 'fn main() {\n    println!("one {} {}", closed::FOUND, env!("FOUND"));\n}\n'
LIBRARY = 'pub const FOUND: &str = env!("FOUND");\n'

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
    forms = [token, token[::-1], base64.b64encode(token.encode()).decode().rstrip("=")]
    return str(["".join(chr(ord(letter) ^ 1) for letter in form) for form in forms]).replace("'", '"')


@pytest.fixture
def token() -> str:
    """A new token."""
    return f"token{uuid.uuid4().hex}"


@pytest.fixture
def registry(token: str) -> Iterator[Registry]:
    """A registry that answers nobody without the token, with one package that looks for it."""
    with serving(token, "registry") as registry:
        build = HOSTILE.replace("MARKS", marks(token)).replace("ADDRESS", f"registry:{registry.port}")
        registry.add("closed", "1.0.0", {"src/lib.rs": LIBRARY, "build.rs": build})
        yield registry


@pytest.fixture
def private(
    make_scenario: MakeScenario, registry: Registry, token: str, engine: Engine, tmp_path: Path
) -> Scenario:
    """A workspace that needs the private package, with the token in a file of this machine."""
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    (tmp_path / "token").write_text(token)
    build = HOSTILE.replace("MARKS", marks(token)).replace("ADDRESS", f"registry:{registry.port}")
    config = f'[registries.own]\nindex = "{registry.address}"\n'
    files = {"Cargo.toml": MANIFEST, "src/main.rs": MAIN, "build.rs": build, ".cargo/config.toml": config}
    scenario = make_scenario(files)
    service = engine.client.host().service(
        [dagger.PortForward(backend=registry.port, frontend=registry.port)]
    )
    scenario.builder = scenario.builder.with_service_binding("registry", service)
    scenario.caches = Caches(tmp_path / "cache")
    secrets = {"CARGO_REGISTRIES_OWN_TOKEN": f"file://{tmp_path / 'token'}"}
    scenario.access = BuildAccess(network="fetch", secrets=secrets)
    return scenario


def test_what_is_compiled_finds_no_token_and_no_network(
    private: Scenario, registry: Registry, tmp_path: Path
) -> None:
    """Build scripts of the package and of the workspace look everywhere; another token compiles nothing again."""
    build = private.build()
    assert build.blocking.run("app").stdout == f"one {NOTHING} {NOTHING}\n"
    assert registry.downloads() == ["closed-1.0.0.crate"]
    registry.token = f"other{uuid.uuid4().hex}"
    (tmp_path / "token").write_text(registry.token)
    private.replace("src/main.rs", "one", "two")
    build = private.build()
    assert build.report.compiled == ("app",)
    assert registry.downloads() == []


def test_a_token_that_is_refused_is_an_error_without_it(
    private: Scenario, token: str, tmp_path: Path
) -> None:
    """The error says that the server refused it, and which settings there are."""
    (tmp_path / "token").write_text(f"{token}-wrong")
    with pytest.raises(RustBuildError, match="dagger_rust_secrets") as caught:
        private.build()
    assert token not in str(caught.value)
    private.access = BuildAccess(secrets={})
    with pytest.raises(RustBuildError, match="dagger_rust_secrets"):
        private.build()


def test_a_build_that_needs_the_network_is_told_the_setting(make_scenario: MakeScenario) -> None:
    """Its build script is refused a socket; cargo's error is followed by what to set."""
    build = 'fn main() { std::net::UdpSocket::bind("127.0.0.1:0").unwrap(); }\n'
    manifest = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'
    scenario = make_scenario({"Cargo.toml": manifest, "src/main.rs": "fn main() {}\n", "build.rs": build})
    scenario.access = BuildAccess(network="fetch")
    with pytest.raises(RustBuildError, match=r"(?s)unreachable.*dagger_rust_build_network is fetch"):
        scenario.build()


def test_a_build_that_takes_too_long_is_told_the_setting(make_scenario: MakeScenario) -> None:
    """Cargo is stopped with all it has started, and the next build is right."""
    manifest = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'
    build = "fn main() { std::thread::sleep(std::time::Duration::from_secs(600)); }\n"
    scenario = make_scenario({"Cargo.toml": manifest, "src/main.rs": 'fn main() { println!("one"); }\n'})
    scenario.write({"build.rs": build})
    scenario.access = BuildAccess(timeout=5)
    with pytest.raises(RustBuildError, match=r"(?s)stopped after 5 s.*dagger_rust_build_timeout"):
        scenario.build()
    scenario.remove("build.rs")
    scenario.access = BuildAccess()
    assert scenario.output() == "one\n"
