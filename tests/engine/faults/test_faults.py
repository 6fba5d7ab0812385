"""Tests of faults: a killed pytest, CLI, engine, cargo and rustc, a full disk, and clocks that jump, at any moment."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.conftest import FAULT
from tests.engine.faults.harness import Harness
from tests.engine.faults.kinds import KINDS, Fault, plan
from tests.engine.faults.second_engine import is_usable, second_engine

if TYPE_CHECKING:
    from collections.abc import Generator

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
    assert verdict.is_in_time, "the run was over before the fault came"
