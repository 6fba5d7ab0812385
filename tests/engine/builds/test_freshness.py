"""The adversarial matrix: whatever the times say and whatever happens around it, the binary is of these sources.

`make test` runs a selection in which every pair of values occurs, `make soak` every cell.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import uuid
from typing import TYPE_CHECKING, NamedTuple, cast

import pytest
from allpairspy import AllPairs  # pyright: ignore[reportMissingTypeStubs]

from pytest_dagger_rust.builds.caches import Caches
from pytest_dagger_rust.builds.places import Place
from pytest_dagger_rust.builds.shared import SharedCache
from tests.engine import accidents
from tests.engine.scenario import Scenario
from tests.engine.telltale import MODIFICATIONS, TIMES, Telltale

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    import dagger

    from pytest_dagger_rust import Engine

TOOLCHAIN_SWITCH = "toolchain switch"
NEW_ENGINE = "new engine, state pulled"
CIRCUMSTANCES = ("first run", "warm", NEW_ENGINE, "volume pruned", "branch beside it", "killed")


class Cell(NamedTuple):
    """One cell of the matrix."""

    times: str
    modification: str
    circumstance: str


def cells() -> list[Cell]:
    """Return every cell, or a selection in which every pair of values occurs."""
    values = (TIMES, (*MODIFICATIONS, TOOLCHAIN_SWITCH), CIRCUMSTANCES)
    chosen: Iterable[Iterable[str]] = itertools.product(*values)
    if not os.environ.get("SOAK"):
        chosen = cast("Iterable[list[str]]", AllPairs([list(items) for items in values]))
    # The costly circumstances one after the other, and a failure always at the same place.
    return sorted((Cell(*cell) for cell in chosen), key=lambda cell: CIRCUMSTANCES.index(cell.circumstance))


@pytest.fixture(scope="module")
def toolchains(
    engine: Engine, rust_builder_image: str, older_builder_image: str
) -> dict[str, dagger.Container]:
    """Two builders by the version of their toolchain, the default one first."""
    own = uuid.uuid4().hex
    builders = [
        engine.client.container().from_(image).with_env_variable("SCENARIO", own)
        for image in (rust_builder_image, older_builder_image)
    ]
    return {
        engine.call(builder.with_exec(["rustc", "--version"]).stdout).split()[1]: builder
        for builder in builders
    }


class Stage:
    """The workspace of all cells, its volume, and the switch between toolchains."""

    def __init__(self, telltale: Telltale, toolchains: dict[str, dagger.Container], folder: Path) -> None:
        self.telltale = telltale
        self.folder = folder
        self.pulled: list[bool] = []
        self.toolchains = toolchains
        self.use(next(iter(toolchains)))

    def use(self, toolchain: str) -> None:
        """Build with this toolchain from now on."""
        self.telltale.toolchain = toolchain
        self.telltale.scenario.builder = self.toolchains[toolchain]

    def modify(self, modification: str) -> None:
        """Make one change to what is built next."""
        if modification == TOOLCHAIN_SWITCH:
            self.use(next(name for name in self.toolchains if name != self.telltale.toolchain))
        else:
            MODIFICATIONS[modification](self.telltale)

    @contextlib.contextmanager
    def on_a_new_engine(self, patch: pytest.MonkeyPatch) -> Generator[None]:
        """Build on empty volumes, from what the cell before has published, and publish for the next one."""
        place = Place("./shared", self.folder / "shared")
        shared = SharedCache([place], [place], ["main"])
        caches = Caches(self.folder / uuid.uuid4().hex, shared=shared)
        accidents.use_volume(patch, uuid.uuid4().hex)
        patch.setattr(self.telltale.scenario, "caches", caches)
        yield
        self.telltale.scenario.engine.call(shared.finish)
        assert shared.problems == []
        self.pulled.append(any(line.startswith("target directory pulled") for line in shared.pulled))


@pytest.fixture(scope="module")
def stage(
    engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
    toolchains: dict[str, dagger.Container],
    rust_runtime_container: dagger.Container,
) -> Iterator[Stage]:
    """The workspace, built once; one volume for both toolchains, which is harder than one for each."""
    with pytest.MonkeyPatch.context() as patch:
        accidents.use_volume(patch, uuid.uuid4().hex)
        builder = next(iter(toolchains.values()))
        root = tmp_path_factory.mktemp("telltale") / "workspace"
        # With memory, as in pytest's runs: a warm volume then does without some of the layers.
        caches = Caches(tmp_path_factory.mktemp("caches"))
        scenario = Scenario(engine, root, builder, rust_runtime_container, caches=caches)
        telltale = Telltale(scenario)
        stage = Stage(telltale, toolchains, tmp_path_factory.mktemp("stage"))
        telltale.write_all()
        assert telltale.told() == telltale.expected()
        yield stage


@pytest.mark.parametrize("cell", cells(), ids=", ".join)
def test_the_binary_is_of_these_sources(
    stage: Stage, cell: Cell, monkeypatch: pytest.MonkeyPatch, count_binaries: Callable[[bool], None]
) -> None:
    """The program is run, and everything it tells of itself is what the workspace says now."""
    telltale = stage.telltale
    telltale.times = cell.times
    if cell.circumstance == "first run":
        accidents.use_volume(monkeypatch, uuid.uuid4().hex)
    is_elsewhere = cell.circumstance == NEW_ENGINE
    with stage.on_a_new_engine(monkeypatch) if is_elsewhere else contextlib.nullcontext():
        stage.modify(cell.modification)
        told = CIRCUMSTANCE[cell.circumstance](telltale)
    count_binaries(told == telltale.expected())
    assert told == telltale.expected()


def test_new_engines_have_begun_with_what_was_pulled(stage: Stage) -> None:
    """Those of the cells above that could: another toolchain, profile or feature has a target directory of its own."""
    if not stage.pulled:
        pytest.skip("no cell on a new engine was run")
    assert len(stage.pulled) < 4 or stage.pulled.count(True) >= len(stage.pulled) // 3


CIRCUMSTANCE: dict[str, Callable[[Telltale], dict[str, str]]] = {
    "first run": lambda telltale: telltale.told(),
    "warm": lambda telltale: telltale.told(),
    NEW_ENGINE: lambda telltale: telltale.told(),
    "volume pruned": accidents.told_after_pruning,
    "branch beside it": accidents.told_beside_a_branch,
    "killed": accidents.told_after_a_kill,
}
