"""Lets faults happen to runs, and looks at what came of them."""

from __future__ import annotations

import os
import random
import re
import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dev.stack.process import wait_until
from tests.engine.faults import kinds, processes
from tests.engine.faults.kinds import KINDS, Fault, Victim
from tests.engine.faults.project import Project, tag

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.faults.project import Run
    from tests.engine.faults.second_engine import SecondEngine

# Seconds in which every run has to end, whatever happened to it, and in which nothing may be left of it.
PATIENCE = 240.0
CLEARED = 20.0

# What is tried until a fault comes before the run has ended.
_TRIES = 4


@dataclass
class Verdict:
    """What came of one fault."""

    is_in_time: bool = False
    wrong: list[str] = field(default_factory=list[str])
    hangs: list[str] = field(default_factory=list[str])
    leftovers: list[str] = field(default_factory=list[str])
    others: list[str] = field(default_factory=list[str])

    @property
    def complaints(self) -> list[str]:
        """Return everything that is not as it should be."""
        return [*self.wrong, *self.hangs, *self.leftovers, *self.others]


@dataclass
class Harness:
    """The second engine, and workspaces in a folder."""

    engine: SecondEngine
    folder: Path
    seconds: float = 0.0
    warm: Project | None = None
    count: int = 0

    def prepare(self) -> None:
        """Build once, so that the images are there, and once more to see how long that takes."""
        project = self.warm = self._new_project()
        for _ in range(2):
            project.edit(tag("main"), tag("part"))
            run = project.start()
            assert run.ended(3 * PATIENCE), run.text
            assert run.process.returncode == 0, run.text
            self.seconds = time.monotonic() - run.began

    def inflict(self, fault: Fault) -> Verdict:
        """Let a fault happen to a run, then edit and run again; earlier where the run was over before."""
        verdict = Verdict()
        seconds = self.seconds
        for attempt in range(_TRIES):
            chance = random.Random(f"{fault} {attempt}")  # noqa: S311 - no secret
            project = self._project(fault)
            verdict = self._once(fault, project, seconds, chance)
            if verdict.is_in_time or verdict.complaints:
                break
            seconds /= 2
        return verdict

    def _once(self, fault: Fault, project: Project, seconds: float, chance: random.Random) -> Verdict:
        verdict = Verdict()
        before = dict(project.tags)
        self._edit(project, before, chance)
        project.shift = kinds.jump(chance) if fault.kind == "host-clock" else 0
        self._date(project)
        doomed = self._disturbed(fault, project, seconds, chance, verdict)
        project.shift = 0
        if chance.random() < 0.5:
            wait_until(lambda: not processes.of_run(doomed.mark) and not self.engine.work(), CLEARED)
        self._edit(project, before, chance)
        self.engine.up()
        again = project.start()
        self._look_at(again, project, verdict)
        self._look_for_leftovers(project, [doomed, again], verdict)
        return verdict

    def _disturbed(
        self, fault: Fault, project: Project, seconds: float, chance: random.Random, verdict: Verdict
    ) -> Run:
        """Run pytest with the fault."""
        run = project.start()
        with KINDS[fault.kind].inflict(Victim(run, self.engine, project, seconds, chance)) as is_in_time:
            verdict.is_in_time = is_in_time
            if not run.ended(PATIENCE):
                verdict.hangs.append(f"the disturbed run had not ended after {PATIENCE:g} s:\n{run.text}")
        if project.told not in {None, project.expected}:
            verdict.wrong.append(f"the disturbed run had {project.told}, not {project.expected}:\n{run.text}")
        said = KINDS[fault.kind].message
        if run.process.returncode > 0 and (not said or not re.search(said, run.text)):
            verdict.others.append(f"the disturbed run did not say {said!r}:\n{run.text}")
        is_shown = "Traceback" in run.text or "INTERNALERROR" in run.text
        if is_shown and not _interrupts_the_start(run.text):
            verdict.others.append(f"the disturbed run showed a traceback:\n{run.text}")
        return run

    @staticmethod
    def _look_at(run: Run, project: Project, verdict: Verdict) -> None:
        """Judge the run after the fault: it is right, without anything that anybody would have to do."""
        if not run.ended(PATIENCE):
            verdict.hangs.append(f"the next run had not ended after {PATIENCE:g} s:\n{run.text}")
        elif project.told not in {None, project.expected}:
            verdict.wrong.append(f"the next run had {project.told}, not {project.expected}:\n{run.text}")
        elif run.process.returncode != 0:
            verdict.others.append(f"the next run failed:\n{run.text}")

    def _look_for_leftovers(self, project: Project, runs: list[Run], verdict: Verdict) -> None:
        def left() -> list[str]:
            own = [str(process) for run in runs for process in processes.of_run(run.mark)]
            return [*own, *map(str, self.engine.work()), *self.engine.mounts(), *project.leftovers()]

        if not wait_until(lambda: not left(), CLEARED):
            verdict.leftovers.extend(left())

    def _project(self, fault: Fault) -> Project:
        if fault.is_cold or self.warm is None:
            return self._new_project()
        return self.warm

    def _new_project(self) -> Project:
        """Return a workspace that no engine has seen; the last one that was new is deleted."""
        self.count += 1
        shutil.rmtree(self.folder / f"cold-{self.count - 2}", ignore_errors=self.count < 4)
        name = "warm" if self.warm is None else f"cold-{self.count}"
        project = Project(self.folder / name, self.engine.address)
        project.lay_out()
        return project

    @staticmethod
    def _edit(project: Project, before: dict[str, str], chance: random.Random) -> None:
        """Write a fresh tag into one of the two packages or into both; the other has what it had before the fault."""
        fresh = {name: tag(name) for name in before}
        edited = chance.choice([["main"], ["part"], ["main", "part"]])
        tags = {name: fresh[name] if name in edited else before[name] for name in before}
        project.edit(tags["main"], tags["part"])

    @staticmethod
    def _date(project: Project) -> None:
        """Let the sources be of the time that the host's clock shows."""
        written = time.time() + project.shift
        for path in project.root.rglob("*.rs"):
            os.utime(path, (written, written))


def _interrupts_the_start(text: str) -> bool:
    """Return whether Python itself was interrupted, before pytest listened and before any code of the plugin's ran."""
    return text.rstrip().endswith("KeyboardInterrupt") and "pytest_dagger_rust/" not in text
