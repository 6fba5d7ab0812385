"""What happens around builds: pruned volumes, another branch in the same volume, builds that are killed."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dagger_rust import DaggerRustError, Engine
from pytest_dagger_rust.builds import pipeline
from tests.engine.volume import prune

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import dagger
    import pytest

    from tests.engine.scenario import Scenario
    from tests.engine.telltale import Telltale

# Seconds in which a compiler has to show up, and a killed build has to be gone.
PATIENCE = 60.0

# A variable of builds, by whose value their compilers are told from those of other tests.
MARK = "DOOMED"


def use_volume(patch: pytest.MonkeyPatch, name: str) -> None:
    """Let all builds use one volume, whatever their folder and their builder."""

    async def key(_: object) -> str:
        return name

    patch.setattr(pipeline, "_volume_key", key)


def told_after_pruning(telltale: Telltale) -> dict[str, str]:
    """The engine has dropped both volumes."""
    prune(telltale.scenario)
    return telltale.told()


def told_beside_a_branch(telltale: Telltale) -> dict[str, str]:
    """Another branch of the workspace is built at the same time, in the same volume: both are right."""
    scenario = telltale.scenario
    root = scenario.root.with_name("branch")
    shutil.copytree(scenario.root, root)
    branch = dataclasses.replace(
        telltale,
        scenario=dataclasses.replace(scenario, root=root),
        tags=dict(telltale.tags),
        padding=dict(telltale.padding),
        count=telltale.count + 500_000,
    )
    branch.edit("main", "library", "data", "input")
    try:
        with ThreadPoolExecutor(2) as threads:
            ours, theirs = threads.map(type(telltale).told, (telltale, branch))
    finally:
        shutil.rmtree(root)
    assert theirs == branch.expected()
    return ours


def told_after_a_kill(telltale: Telltale) -> dict[str, str]:
    """A build is killed with its whole session while the compiler runs, and then made by another one."""
    kill_while_compiling(telltale.scenario, "telltale", **telltale.changes())
    return telltale.told()


def kill_while_compiling(scenario: Scenario, crate: str, **changes: object) -> None:
    """Start a build in a session of its own, and kill the session's process as soon as rustc compiles a crate."""
    with another_session(scenario) as doomed:
        failures: list[BaseException] = []

        def run() -> None:
            try:
                doomed.build(**changes)
            except (DaggerRustError, OSError) as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        wait_for_rustc(crate, doomed.mark)
        doomed.engine.kill()
        thread.join(PATIENCE)
        assert failures, "the build was over before it could be killed"


class Killable(Engine):
    """A connection whose process can be killed."""

    def kill(self) -> None:
        """Kill the CLI that serves the session."""
        assert self._cli is not None
        process = self._cli._process  # pyright: ignore[reportPrivateUsage]
        assert process is not None
        os.kill(process.pid, signal.SIGKILL)


@dataclasses.dataclass
class Doomed:
    """A scenario in a session that can be killed, and the mark that its compilers have."""

    engine: Killable
    scenario: Scenario
    mark: str

    def build(self, **changes: object) -> None:
        """Build as the scenario does."""
        self.scenario.build(**changes)


@contextlib.contextmanager
def another_session(scenario: Scenario) -> Generator[Doomed]:
    """Return the same scenario in a session of its own."""
    engine = Killable()
    with engine as client:
        # The engine may know the result of such a build: this one has to run.
        mark = uuid.uuid4().hex
        builder = of_session(client, scenario.builder).with_env_variable(MARK, mark)
        yield Doomed(
            engine,
            dataclasses.replace(
                scenario,
                engine=engine,
                builder=builder,
                runtime=of_session(client, scenario.runtime),
            ),
            mark,
        )


def of_session(client: dagger.Client, container: dagger.Container) -> dagger.Container:
    """Return what another session's container is made of, asked for in this one: ids are of one session only."""
    context = dataclasses.replace(container._ctx, conn=client._ctx.conn)  # pyright: ignore[reportPrivateUsage]
    return type(container)(context)


def wait_for_rustc(crate: str, mark: str) -> None:
    """Wait until a compiler works on a crate whose name begins so, with a mark in its environment.

    Containers are processes of this machine, and other tests may compile crates of that name at the same time.
    """
    deadline = time.monotonic() + PATIENCE
    while not any(True for _ in compilers_of(crate, mark)):
        assert time.monotonic() < deadline, f"no rustc has come to compile {crate}"
        time.sleep(0.005)


def compilers_of(crate: str, mark: str | None = None) -> Iterator[int]:
    """Return the process ids of compilers at work on a crate whose name begins so, with a mark if there is one."""
    wanted = f"--crate-name\0{crate}".encode()
    variable = f"{MARK}={mark}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            is_crate = wanted in (entry / "cmdline").read_bytes()
            if is_crate and (mark is None or variable in (entry / "environ").read_bytes().split(b"\0")):
                yield int(entry.name)
