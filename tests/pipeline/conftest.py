"""Fixtures of the pipeline's tests: the real engine, and workspaces to build on it."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.pipeline.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import dagger

    from pytest_dagger_rust import Engine


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
