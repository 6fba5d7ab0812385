"""The peers: each builds a workload in its own way, and its seconds count until the program has said its version."""

from __future__ import annotations

import inspect
import json
import os
import sys
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from benchmarks.memory import peak
from benchmarks.timing import seconds_of
from pytest_dagger_rust import RustWorkspace

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.workloads import Workload

# Without hypothesis, which this project's own tests need and most users' environments do not have.
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:hypothesispytest", "-p", "no:randomly")
INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
# The tests run where this package is not.
PEAK = f"from pathlib import Path\n\n{inspect.getsource(peak)}\n"
TEST = """\
import json, pathlib, time

import pytest

@pytest.fixture(scope="session")
def timed(_dagger_engine, cached_rust_build_factory):
    started = time.perf_counter()
    cached_rust_build_factory.blocking()
    return time.perf_counter() - started

async def test_program(timed, cached_rust_build):
    await cached_rust_build.run("{binary}", "--version", check=True)
    report = cached_rust_build.report
    memory = peak()
    said = {{"fixture": timed, "steps": dict(report.steps), "compiled": report.compiled, "memory": memory}}
    # Beside the workspace, not in it: a new file in it is a new tree.
    pathlib.Path("../report.json").write_text(json.dumps(said))
"""


class Peer(Protocol):
    """One way to build a workload and run its program."""

    name: str

    def seconds(self, root: Path) -> float:
        """Build what is in `root`, run the program, and give the seconds from the start of it all."""
        ...


FLOOR = f"""\
import pathlib
import dagger
{PEAK}
def test_floor():
    pathlib.Path("memory").write_text(str(peak()))
"""


class Floor:
    """What everything with dagger and pytest takes at least."""

    name = "floor"

    def seconds(self, root: Path) -> float:
        """Run pytest on a test that only imports dagger; the file `memory` in `root` has its KB afterwards."""
        (root / "test_floor.py").write_text(FLOOR)
        (root / "pytest.ini").write_text(INI)
        return seconds_of([*PYTEST, "test_floor.py"], root)


@dataclass
class Plugin:
    """This plugin: a whole pytest run of one test that runs the binary."""

    workload: Workload
    builder: str
    name: str = "this plugin"
    report: dict[str, object] = field(default_factory=dict[str, object])

    def prepare(self, root: Path) -> None:
        """Download the packages, as the machine's own cargo has done before."""
        (root.parent / "script.py").write_text(SCRIPT.format(how=FETCH))
        seconds_of([sys.executable, "../script.py", "true", self.builder], root)

    def seconds(self, root: Path) -> float:
        """Run pytest; `report` then has what the build said of itself."""
        (root / "test_program.py").write_text(PEAK + TEST.format(binary=self.workload.binary))
        (root / "pytest.ini").write_text(INI)
        seconds = seconds_of([*PYTEST, "test_program.py"], root)
        self.report = json.loads((root.parent / "report.json").read_text())
        return seconds


@dataclass
class Host:
    """The limit: the machine's own cargo, with the same toolchain."""

    workload: Workload
    name: str = "cargo build"

    def seconds(self, root: Path) -> float:
        """Run cargo, then the program."""
        target = {"CARGO_TARGET_DIR": str(root / "target")}
        built = seconds_of(["cargo", "build", "--locked"], root, target)
        return built + seconds_of([str(root / "target/debug" / self.workload.binary), "--version"], root)


# Connects as the plugin's users would without it, and builds `how` says.
SCRIPT = """\
import asyncio, sys
import dagger

BINARY, BUILDER = sys.argv[1:3]

async def main():
    async with dagger.Connection(dagger.Config(log_output=open("../dagger.log", "w"))) as client:
        source = client.host().directory(".", exclude=["target", "node_modules", ".git"])
        container = build(client, source)
        print(await container.with_exec([BINARY, "--version"]).stdout())

{how}
asyncio.run(main())
"""

FETCH = """\
PACKAGES = "/packages"
COMMAND = f"rm -rf $CARGO_HOME/registry && mkdir -p {PACKAGES}/registry && ln -s {PACKAGES}/registry $CARGO_HOME"

def build(client, source):
    volume = client.cache_volume("pytest-dagger-rust-packages")
    container = client.container().from_(BUILDER).with_mounted_cache(PACKAGES, volume)
    container = container.with_directory("/src", source).with_workdir("/src")
    return container.with_exec(["sh", "-c", f"{COMMAND} && cargo fetch --locked"])
"""

FROM_DOCKERFILE = """\
def build(client, source):
    return source.docker_build(dockerfile="Dockerfile")
"""

TOOL = """\
FROM {builder} AS tool
RUN cargo install cargo-chef --version 0.1.77 --locked --root /usr/local
"""

# cargo-chef's own Dockerfile, for the dev profile.
CHEF = f"""\
{TOOL}
FROM tool AS chef
ARG NONCE={{nonce}}
RUN echo "$NONCE"
WORKDIR /app

FROM chef AS planner
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS builder
COPY --from=planner /app/recipe.json recipe.json
RUN cargo chef cook --recipe-path recipe.json
COPY . .
RUN cargo build --locked && cp target/debug/{{binary}} /usr/local/bin
"""

MOUNT = """\
FROM {builder}
WORKDIR /app
COPY . .
RUN --mount=type=cache,id=target-{nonce},target=/app/target \\
    --mount=type=cache,id=registry,target=/usr/local/cargo/registry \\
    cargo build --locked && cp target/debug/{binary} /usr/local/bin
"""


@dataclass
class Dockerfile:
    """A Dockerfile on the same engine, by `Directory.docker_build`."""

    workload: Workload
    name: str
    text: str
    builder: str
    nonce: str = field(default_factory=lambda: uuid.uuid4().hex)

    def prepare(self, root: Path) -> None:
        """Build the stage that has the tool itself, which is not measured."""
        if self.text.startswith(TOOL):
            self._run(root, TOOL, "true")

    def seconds(self, root: Path) -> float:
        """Write the Dockerfile and run the script."""
        return self._run(root, self.text, self.workload.binary)

    def _run(self, root: Path, text: str, binary: str) -> float:
        text = text.format(builder=self.builder, nonce=self.nonce, binary=binary)
        (root / "Dockerfile").write_text(text)
        # Beside the workspace, not in it: the script is no part of the tree.
        (root.parent / "script.py").write_text(SCRIPT.format(how=FROM_DOCKERFILE))
        return seconds_of([sys.executable, "../script.py", binary, self.builder], root)


# The plain form of the two builds, with stubs where the workload has its targets and a nonce for the volume.
SEED = """\
import json, os

STUBS = json.load(open("../stubs.json"))

def build(client, source):
    manifests = client.host().directory(".", include=["**/Cargo.toml", "**/Cargo.lock"], exclude=["target"])
    for path, text in STUBS.items():
        manifests = manifests.with_new_file(path, text)
    cache = client.cache_volume("rust_target_" + os.environ["NONCE"])
    base = client.container().from_(BUILDER).with_workdir("/mnt/src").with_env_variable("NONCE", os.environ["NONCE"])
    return (
        base.with_directory("/mnt/src", manifests)
        .with_exec(["cargo", "build"])
        .with_mounted_cache("/mnt/src/target", cache)
        .with_directory("/mnt/src", source)
        .with_exec(["cargo", "build"])
        .with_exec(["cp", "target/debug/" + BINARY, "/usr/local/bin/"])
    )
"""


@dataclass
class Seed:
    """Stubs first, then a cache volume over the target directory: the same two builds without any precaution."""

    workload: Workload
    builder: str
    name: str = "naive Dagger build"
    nonce: str = field(default_factory=lambda: uuid.uuid4().hex)

    def seconds(self, root: Path) -> float:
        """Write down the stubs and run the script."""
        stubs: dict[str, str] = {}
        for package in RustWorkspace.load(root).packages:
            for target in package.targets:
                stubs[target.src_path] = "fn some() {}" if target.kind == "lib" else "fn main() {}"
        (root.parent / "stubs.json").write_text(json.dumps(stubs))
        (root.parent / "script.py").write_text(SCRIPT.format(how=SEED))
        command = [sys.executable, "../script.py", self.workload.binary, self.builder]
        return seconds_of(command, root, {"NONCE": self.nonce})


def peers(workload: Workload) -> list[Peer]:
    """Return all peers of one run, those of the ratios first."""
    builder = os.environ["PYTEST_DAGGER_RUST_BUILDER_IMAGE"]
    return [
        Floor(),
        Plugin(workload, builder),
        Host(workload),
        Dockerfile(workload, "cargo-chef 0.1.77", CHEF, builder),
        Dockerfile(workload, "Dockerfile, --mount=type=cache", MOUNT, builder),
        Seed(workload, builder),
    ]
