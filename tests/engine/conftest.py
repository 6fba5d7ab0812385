"""Fixtures of the pipeline's tests: the real engine, and workspaces to build on it."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import RustWorkspace, build
from pytest_dagger_rust.container import agent
from tests.conftest import BINARY
from tests.engine.scenario import Scenario
from tests.engine.telltale import Telltale
from tests.pytest import program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import dagger

    from pytest_dagger_rust import BlockingRustBuild, Engine, RustBuild

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def engine(_dagger_engine: Engine) -> Engine:
    """The connection the plugin itself has opened."""
    return _dagger_engine


@pytest.fixture(scope="session")
def older_builder_image(rust_builder_image: str) -> str:
    """A builder with a toolchain eleven releases older, from the development stack where that is in use."""
    if not rust_builder_image.startswith("127.0.0.1:"):
        return "rust:1.85-bookworm"
    command = [sys.executable, "-m", "dev.stack", "image", "rust:1.85"]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


@pytest.fixture
def count_binaries(request: pytest.FixtureRequest) -> Callable[[bool], None]:
    """Return a function that is told of each binary of the matrix whether it was right."""
    return lambda is_right: request.node.user_properties.append((BINARY, is_right))


@pytest.fixture
def make_scenario(
    engine: Engine, tmp_path: Path, rust_builder_image: str, rust_runtime_container: dagger.Container
) -> Callable[[Mapping[str, str]], Scenario]:
    """Return a function that lays out a workspace no build has seen before, with caches of its own."""

    def make(files: Mapping[str, str]) -> Scenario:
        # A root of its own makes the first build a cold one, whatever earlier runs have left in the engine. The
        # builder is everybody's, so that the agent is compiled once for all.
        builder = engine.client.container().from_(rust_builder_image)
        root = tmp_path / uuid.uuid4().hex[:8] / "workspace"
        scenario = Scenario(engine, root, builder, rust_runtime_container)
        scenario.write(files)
        return scenario

    return make


@pytest.fixture
def shared_agent(engine: Engine, rust_builder_image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent is everybody's, although the test's builder is its own: compiling it takes longer than the build."""
    compiled = agent.program

    def program(client: dagger.Client, _: dagger.Container, *rest: str) -> dagger.File:
        return compiled(client, client.container().from_(rust_builder_image), *rest)

    monkeypatch.setattr(agent, "program", program)


@pytest.fixture
def telltale(make_scenario: Callable[[Mapping[str, str]], Scenario]) -> Telltale:
    """The workspace that tells what it was built from, in a volume of its own."""
    telltale = Telltale(make_scenario({}))
    telltale.write_all()
    telltale.toolchain = telltale.told()["toolchain"]
    return telltale


@pytest.fixture(scope="session")
def build_on(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, rust_builder_image: str
) -> Callable[[dagger.Container], RustBuild]:
    """Return a function that builds the program that does on request what programs do, to run in a container."""
    root = tmp_path_factory.mktemp("program")
    for name, text in program.FILES.items():
        (root / name).write_text(text)

    def build_it(runtime: dagger.Container) -> RustBuild:
        async def run() -> RustBuild:
            builder = engine.client.container().from_(rust_builder_image)
            workspace = RustWorkspace.load(root)
            return await build(engine.client, workspace, builder=builder, runtime=runtime, engine=engine)

        return engine.call(run)

    return build_it


@pytest.fixture(scope="session")
def built(
    build_on: Callable[[dagger.Container], RustBuild], rust_runtime_container: dagger.Container
) -> RustBuild:
    """Its build, to run in the ordinary container."""
    return build_on(rust_runtime_container)


@pytest.fixture(scope="session")
def app(built: RustBuild) -> BlockingRustBuild:
    """The same, for tests that are no coroutines."""
    return built.blocking
