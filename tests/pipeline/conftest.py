"""Fixtures of the pipeline's tests: the real engine, and workspaces to build on it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import RustWorkspace, build
from tests.pipeline.scenario import Scenario
from tests.plugin import program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import dagger

    from pytest_dagger_rust import BlockingRustBuild, Engine, RustBuild


@pytest.fixture(scope="session")
def engine(_dagger_engine: Engine) -> Engine:
    """The connection the plugin itself has opened."""
    return _dagger_engine


@pytest.fixture
def make_scenario(
    engine: Engine, tmp_path: Path, rust_builder_image: str, rust_runtime_container: dagger.Container
) -> Callable[[Mapping[str, str]], Scenario]:
    """Give a function that lays out a workspace no build has seen before, with caches of its own."""

    def make(files: Mapping[str, str]) -> Scenario:
        # A variable of its own makes the first build a cold one, whatever earlier runs have left in the engine.
        builder = (
            engine.client.container()
            .from_(rust_builder_image)
            .with_env_variable("SCENARIO", uuid.uuid4().hex)
        )
        scenario = Scenario(engine, tmp_path / "workspace", builder, rust_runtime_container)
        scenario.write(files)
        return scenario

    return make


@pytest.fixture(scope="session")
def build_on(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, rust_builder_image: str
) -> Callable[[dagger.Container], RustBuild]:
    """Give a function that builds the program that does on request what programs do, to run in a container."""
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
