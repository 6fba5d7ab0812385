"""rustup installs what a toolchain file names once, and nothing that the builder image has."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from pytest_dagger_rust import DaggerRustError
from tests.engine.builds.dist_server import HOST, DistServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import dagger

    from pytest_dagger_rust import Engine
    from tests.engine.scenario import Scenario

    MakeScenario = Callable[[Mapping[str, str]], Scenario]

MAIN = 'fn main() {\n    println!("{} one", env!("TOOLCHAIN"));\n}\n'
WORKSPACE = {
    "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n',
    "src/main.rs": MAIN,
}
BIN = "/usr/local/cargo/bin"
WHOLE = [f"{name}-{HOST}.tar.gz" for name in ("cargo", "rust-std", "rustc")]


@pytest.fixture(scope="session")
def dist() -> Iterator[DistServer]:
    """The server that rustup downloads from."""
    server = DistServer()
    yield server
    server.close()


class Builder(NamedTuple):
    """A builder with rustup, and the version of the only toolchain it has."""

    container: dagger.Container
    version: str


@pytest.fixture(scope="session")
def builder(engine: Engine, dist: DistServer, rust_builder_image: str) -> Builder:
    """A builder made as the official images are: rustup, and one toolchain by its version's name."""
    found = shutil.which("rustup")
    if found is None:
        pytest.skip("there is no rustup on this machine to put into an image")
    rustup = str(Path(found).resolve())

    async def make() -> Builder:
        import dagger  # noqa: PLC0415 - importing dagger takes most of a second

        client = engine.client
        image = client.container().from_(rust_builder_image)
        said = await image.with_exec(["rustc", "--version"]).stdout()
        service = client.host().service([dagger.PortForward(backend=dist.port, frontend=80)])
        container = (
            image.with_service_binding("dist", service)
            .with_env_variable("RUSTUP_DIST_SERVER", "http://dist")
            .with_env_variable("RUSTUP_HOME", "/usr/local/rustup")
            .with_file(f"{BIN}/rustup", client.host().file(rustup), permissions=0o755)
        )
        for name in ("cargo", "rustc", "rustdoc"):
            container = container.with_symlink("rustup", f"{BIN}/{name}")
        version = said.split()[1]
        for words in (["set", "profile", "minimal"], ["toolchain", "install", version], ["default", version]):
            container = container.with_exec(["rustup", *words])
        return Builder(await container.sync(), version)

    return engine.call(make)


@pytest.fixture
def scenario(make_scenario: MakeScenario, builder: Builder, dist: DistServer) -> Scenario:
    """A program that prints which toolchain it was compiled with."""
    scenario = make_scenario(WORKSPACE)
    scenario.builder = builder.container
    dist.taken()
    return scenario


def write(scenario: Scenario, text: str, path: str = "rust-toolchain.toml") -> None:
    """Write a toolchain file, in which `VERSION` is the builder's."""
    scenario.write({path: text})


def edited(scenario: Scenario, dist: DistServer) -> tuple[str, list[str]]:
    """Edit the program, and return what it prints and what was downloaded."""
    scenario.replace("src/main.rs", "one", "two")
    return scenario.output(), dist.taken()


def test_a_toolchain_is_downloaded_once(scenario: Scenario, dist: DistServer) -> None:
    """With all it is asked for with; no edit downloads anything again, nor does another workspace."""
    file = (
        '[toolchain]\nchannel = "nightly-2026-02-03"\ncomponents = ["rust-src"]\n'
        'targets = ["wasm32-unknown-unknown"]\nprofile = "minimal"\n'
    )
    write(scenario, file)
    assert scenario.output() == "nightly-2026-02-03 one\n"
    more = ["rust-src-*.tar.gz", "rust-std-wasm32-unknown-unknown.tar.gz"]
    assert sorted(dist.taken()) == sorted(["channel-rust-nightly.toml", *WHOLE, *more])
    assert edited(scenario, dist) == ("nightly-2026-02-03 two\n", [])
    write(scenario, f"# Another text of the same meaning.\n{file}")
    scenario.replace("Cargo.toml", 'edition = "2021"\n', 'edition = "2021"\n[profile.dev]\nopt-level = 1\n')
    assert scenario.output() == "nightly-2026-02-03 two\n"
    assert dist.taken() == []


@pytest.mark.parametrize("channel", ["stable", "VERSION", "MINOR"])
def test_a_channel_that_the_image_has_is_not_downloaded(
    scenario: Scenario, builder: Builder, dist: DistServer, channel: str
) -> None:
    """Neither by its version, nor by the version without its last number, nor as the newest stable one."""
    minor = builder.version.rpartition(".")[0]
    name = channel.replace("VERSION", builder.version).replace("MINOR", minor)
    write(scenario, f'[toolchain]\nchannel = "{name}"\n')
    assert scenario.output() == f"{builder.version} one\n"
    assert edited(scenario, dist) == (f"{builder.version} two\n", [])


def test_components_are_added_to_the_image_s_toolchain(
    scenario: Scenario, builder: Builder, dist: DistServer
) -> None:
    """Only they are downloaded, and once; a file without a channel means the image's own."""
    write(scenario, '[toolchain]\ncomponents = ["rust-src", "rustc"]\n')
    assert scenario.output() == f"{builder.version} one\n"
    assert dist.taken() == ["rust-src-*.tar.gz"]
    assert edited(scenario, dist) == (f"{builder.version} two\n", [])


def test_the_old_form_of_the_file(scenario: Scenario, dist: DistServer) -> None:
    """Nothing but a channel; it counts before a file of the new form."""
    write(scenario, "1.42.0\n", "rust-toolchain")
    write(scenario, '[toolchain]\nchannel = "1.43.0"\n')
    assert scenario.output() == "1.42.0 one\n"
    assert sorted(dist.taken()) == sorted(["channel-rust-1.42.0.toml", *WHOLE])
    assert edited(scenario, dist) == ("1.42.0 two\n", [])


def test_a_file_above_the_workspace_counts_and_one_below_it_does_not(
    scenario: Scenario, dist: DistServer
) -> None:
    """As for a cargo that is called in the workspace's root."""
    (scenario.root.parent / ".git").mkdir()
    (scenario.root.parent / "rust-toolchain.toml").write_text('[toolchain]\nchannel = "1.44.0"\n')
    write(scenario, '[toolchain]\nchannel = "1.45.0"\n', "src/rust-toolchain.toml")
    assert scenario.output() == "1.44.0 one\n"
    assert sorted(dist.taken()) == sorted(["channel-rust-1.44.0.toml", *WHOLE])
    assert edited(scenario, dist) == ("1.44.0 two\n", [])


def test_a_toolchain_in_the_repository(scenario: Scenario, dist: DistServer) -> None:
    """A file may name it by its path; there is nothing to download."""
    write(scenario, '[toolchain]\npath = "tools/rust"\n')
    for program in ("rustc", "rustdoc", "cargo"):
        text = f'#!/bin/sh\nTOOLCHAIN=own\nexport TOOLCHAIN\nexec /usr/bin/{program} "$@"\n'
        scenario.write({f"tools/rust/bin/{program}": text})
        (scenario.root / f"tools/rust/bin/{program}").chmod(0o755)
    assert scenario.output() == "own one\n"
    assert edited(scenario, dist) == ("own two\n", [])


def test_the_variable_counts_before_the_file(scenario: Scenario, builder: Builder, dist: DistServer) -> None:
    """As for rustup; the file's components are then not asked for either."""
    write(scenario, '[toolchain]\nchannel = "1.46.0"\ncomponents = ["rust-src"]\n')
    assert scenario.output(env={"RUSTUP_TOOLCHAIN": builder.version}) == f"{builder.version} one\n"
    assert scenario.output(env={"RUSTUP_TOOLCHAIN": "1.47.0"}) == "1.47.0 one\n"
    assert sorted(dist.taken()) == sorted(["channel-rust-1.47.0.toml", *WHOLE])


def test_tests_have_the_toolchain_too(scenario: Scenario, dist: DistServer) -> None:
    """Doctests are compiled when they run, by the toolchain's rustdoc; nothing is downloaded for a run."""
    write(scenario, '[toolchain]\nchannel = "1.48.0"\n')
    scenario.write(
        {"src/lib.rs": '/// ```\n/// assert_eq!(env!("TOOLCHAIN"), "1.48.0");\n/// ```\npub fn f() {}\n'}
    )
    built = scenario.build_tests()
    assert sorted(dist.taken()) == sorted(["channel-rust-1.48.0.toml", *WHOLE])
    (doctests,) = [binary for binary in built.binaries if binary.kind == "doc"]
    assert doctests.names == ("src/lib.rs - f (line 1)",)
    said = built.container.with_exec(["rustc", "+1.48.0", "--version"]).stdout
    assert scenario.engine.call(said).startswith("rustc ")
    assert dist.taken() == []


def test_a_toolchain_that_nobody_has_is_named(scenario: Scenario) -> None:
    """The error says which it is and what rustup says of it."""
    write(scenario, '[toolchain]\nchannel = "beta"\n')
    with pytest.raises(DaggerRustError) as caught:
        scenario.build()
    text = str(caught.value)
    assert text.startswith(
        "The toolchain beta that rust-toolchain.toml names cannot be installed in the builder image:\nerror: "
    )
    assert text.endswith("\n  Check the name, or choose a builder image that has it.")
