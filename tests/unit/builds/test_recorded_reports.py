"""Tests of what is read of builds by several versions of cargo, from recorded reports of the agent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import RustWorkspace
from pytest_dagger_rust.builds.agent_report import read_report
from pytest_dagger_rust.builds.outcome import build_report
from tests.unit.builds.recorded_workspace import EDITED, FILES, RECORDED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_dagger_rust import BuildReport

    Read = Callable[[str], BuildReport]

# The last one is cargo's newer layout of its build directory.
VERSIONS = ("cargo-1.85.1", "cargo-1.95.0", "cargo-1.97.1", "cargo-1.97.1-new-layout")


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that reads a recorded report of the workspace."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    workspace = RustWorkspace.load(tmp_path)

    def read_it(name: str) -> BuildReport:
        text = (RECORDED / f"{name}.json").read_text()
        return build_report(read_report(text, workspace), json.loads(text)["run_id"], 0)

    return read_it


@pytest.mark.parametrize("version", VERSIONS)
def test_the_first_build(read: Read, version: str) -> None:
    """All that is the workspace's own was compiled; the warning, the programs and the seconds of each are read."""
    report = read(f"{version}-first")
    assert report.compiled == ("library", "macros", "program")
    assert (report.fresh, report.cached, report.reasons["library"]) == ((), False, "not built before")
    assert [(found.level, found.spans[0].file) for found in report.diagnostics] == [
        ("warning", "program/src/main.rs")
    ]
    assert {"program", "with-a-dash"} <= set(report.sizes)
    assert {timing.package for timing in report.timings} == {"library", "macros", "program"}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_build_after_an_edit(read: Read, version: str) -> None:
    """What the edit did not touch is fresh; each package that was compiled has its reason in the same words."""
    report = read(f"{version}-edited")
    assert (report.compiled, report.fresh) == (("library", "program"), ("macros",))
    assert report.reasons == {
        "library": f"{EDITED[0]} changed",
        "program": "dependency library was compiled again",
    }
