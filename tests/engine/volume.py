"""Reaches into the cache volume of a workspace, to do there what only accidents do."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from pytest_dagger_rust import CargoOptions, RustWorkspace
from pytest_dagger_rust.builds import pipeline
from pytest_dagger_rust.builds.execs import VOLUME, BuildRequest

if TYPE_CHECKING:
    from tests.engine.scenario import Scenario

PRUNE = f"find {VOLUME} -mindepth 1 -delete"


async def volume_keys(scenario: Scenario) -> list[str]:
    """Return the names of the two volumes a build of this scenario uses."""
    request = BuildRequest(
        scenario.engine.client,
        RustWorkspace.load(scenario.root),
        CargoOptions(),
        scenario.builder,
        scenario.runtime,
    )
    key = await pipeline._volume_key(request)  # pyright: ignore[reportPrivateUsage]
    return [f"pytest-dagger-rust-{phase}-{key}" for phase in ("sources", "dependencies")]


def in_volume(scenario: Scenario, script: str) -> str:
    """Run a script in the builder with the volume of the sources mounted, and give what it printed."""

    async def run() -> str:
        key, _ = await volume_keys(scenario)
        return await _executed(scenario, key, script)

    return scenario.engine.call(run)


def prune(scenario: Scenario) -> None:
    """Empty both volumes, as the engine's garbage collection may do between two builds."""

    async def run() -> None:
        for key in await volume_keys(scenario):
            await _executed(scenario, key, PRUNE)

    scenario.engine.call(run)


async def _executed(scenario: Scenario, key: str, script: str) -> str:
    container = (
        scenario.builder.with_mounted_cache(VOLUME, scenario.engine.client.cache_volume(key))
        .with_env_variable("NONCE", uuid.uuid4().hex)
        .with_exec(["sh", "-euc", script])
    )
    return await container.stdout()
