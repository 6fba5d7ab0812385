"""What a build has made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagger

    from pytest_dagger_rust.builds.agent_report import AgentReport
    from pytest_dagger_rust.builds.report import BuildReport


@dataclass(frozen=True)
class Made:
    """What a build has made.

    `out` is the folder of all that left it, `said` the agent's report, `libc` how the agent was linked, `builder` the
    builder with the toolchain that the workspace names, `runner` the folder with the agent's half that runs, and
    `packages` a folder like cargo's home.
    """

    out: dagger.Directory
    said: AgentReport
    report: BuildReport
    libc: str
    builder: dagger.Container
    runner: dagger.Directory
    packages: dagger.Directory
