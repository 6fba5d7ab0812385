"""Private packages: secrets are there while packages are fetched, and nothing that is compiled finds them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import BuildAccess
from pytest_dagger_rust.builds.caches import Caches
from pytest_dagger_rust.errors import RustBuildError
from tests.engine.builds.intruder import NOTHING, script
from tests.registry import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from pytest_dagger_rust import Engine
    from tests.engine.scenario import Scenario
    from tests.registry import Registry

    MakeScenario = Callable[[Mapping[str, str]], Scenario]

pytestmark = pytest.mark.usefixtures("shared_agent")

MANIFEST = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\nclosed = { version = "1", registry = "own" }\n'
MAIN = 'fn main() {\n    println!("one {} {}", closed::FOUND, env!("FOUND"));\n}\n'
LIBRARY = 'pub const FOUND: &str = env!("FOUND");\n'


@pytest.fixture
def token() -> str:
    """A new token."""
    return f"token{uuid.uuid4().hex}"


@pytest.fixture
def registry(token: str) -> Iterator[Registry]:
    """A registry that answers nobody without the token, with one package that looks for it."""
    with serving(token, "registry") as registry:
        build = script(token, f"registry:{registry.port}")
        registry.add("closed", "1.0.0", {"src/lib.rs": LIBRARY, "build.rs": build})
        yield registry


@pytest.fixture
def private(
    make_scenario: MakeScenario, registry: Registry, token: str, engine: Engine, tmp_path: Path
) -> Scenario:
    """A workspace that needs the private package, with the token in a file of this machine."""
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    (tmp_path / "token").write_text(token)
    build = script(token, f"registry:{registry.port}")
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
    """The error says that the server refused it, and which settings there are; the next build reads it again."""
    (tmp_path / "token").write_text(f"{token}-wrong")
    with pytest.raises(RustBuildError, match="dagger_rust_secrets") as caught:
        private.build()
    assert token not in str(caught.value)
    refused, private.access = private.access, BuildAccess(secrets={})
    with pytest.raises(RustBuildError, match="dagger_rust_secrets"):
        private.build()
    private.access = refused
    (tmp_path / "token").write_text(token)
    assert set(private.build().report.compiled) == {"app", "closed"}


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
