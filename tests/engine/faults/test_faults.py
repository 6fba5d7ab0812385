"""Tests of faults: a killed pytest, CLI, engine, cargo and rustc, a full disk, and clocks that jump, at any moment.

A dozen of them, 200 with SOAK=1. The variables FAULTS and FAULTS_SEED choose how many, and others; the same seed gives
the same ones.
"""

from __future__ import annotations

import dataclasses
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from dev.stack.source import RUNNER_HOST
from pytest_dagger_rust.engine import marker
from pytest_dagger_rust.errors import EngineUnavailable
from tests.conftest import FAULT
from tests.engine import accidents
from tests.engine.faults.harness import Harness
from tests.engine.faults.kinds import KINDS, Fault, plan
from tests.engine.faults.second_engine import is_usable, second_engine

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.engine.telltale import Telltale

SEED = int(os.environ.get("FAULTS_SEED", "1"))
COUNT = int(os.environ.get("FAULTS", "200" if os.environ.get("SOAK") else "12"))

pytestmark = [
    pytest.mark.skipif(
        not is_usable(), reason="the engine in use is not one that the development stack has built"
    ),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Generator[Harness]:
    """The engine that all faults happen to, one after the other: it has to bear them all."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # What a shell starts in the background ignores SIGINT, and so would every pytest run here.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    with second_engine() as engine:
        harness = Harness(engine, tmp_path_factory.mktemp("faults"))
        harness.prepare()
        yield harness


@pytest.mark.parametrize("fault", plan(COUNT, SEED), ids=str)
def test_the_next_run_is_right(fault: Fault, harness: Harness, request: pytest.FixtureRequest) -> None:
    """Whatever happened to a run: the next one is right, nothing is left of both, and the first has said what it was."""
    if KINDS[fault.kind].needs_disk and not harness.engine.has_disk:
        pytest.skip("this machine gives the second engine no disk of its own")
    verdict = harness.inflict(fault)
    counts = [verdict.is_in_time, len(verdict.wrong), len(verdict.hangs), len(verdict.leftovers)]
    request.node.user_properties.append((FAULT, counts))
    assert not verdict.complaints, "\n".join(verdict.complaints)
    if not verdict.is_in_time:
        pytest.skip("each run was over before the fault came: it has shown nothing")


def test_the_engine_is_killed_while_the_compiler_runs(
    telltale: Telltale, harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session says that it is lost. After a restart the next one is right, whatever the engine has kept.

    A restart while a session asks for nothing is noticed where it may wait without end: for files of this machine.
    """
    monkeypatch.setattr(marker, "LOOK", 1.0)
    monkeypatch.setenv(RUNNER_HOST, harness.engine.address)
    with accidents.another_session(telltale.scenario) as before:
        second = dataclasses.replace(telltale, scenario=before.scenario)
        assert second.told() == telltale.expected()
        second.edit("main", "library")
        with ThreadPoolExecutor(1) as threads:
            doomed = threads.submit(second.told)
            accidents.wait_for_rustc("telltale", before.mark)
            harness.engine.kill()
            assert isinstance(doomed.exception(accidents.PATIENCE), EngineUnavailable)
        harness.engine.up()
        with pytest.raises(EngineUnavailable, match="connection to the Dagger engine was lost"):
            before.engine.call(before.engine.client.version)
    with accidents.another_session(telltale.scenario) as after:
        again = dataclasses.replace(second, scenario=after.scenario)
        assert again.told() == second.expected()
        harness.engine.kill()
        harness.engine.up()
        (tmp_path / "file").touch()
        file = after.engine.client.host().file(str(tmp_path / "file"))
        with pytest.raises(EngineUnavailable, match="connection to the Dagger engine was lost: "):
            after.engine.call(file.contents)
