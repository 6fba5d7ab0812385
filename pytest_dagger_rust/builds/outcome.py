"""Turns the output of a build's containers into a report, or into the text of an error."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dagger_rust.builds import caches
from pytest_dagger_rust.builds.reasons import why_compiled
from pytest_dagger_rust.builds.report import BuildReport
from pytest_dagger_rust.builds.timings import Needs, Timing, read_timings
from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.manifests.lockfile import STUB_VERSION, Lock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_dagger_rust.builds.agent_report import AgentReport
    from pytest_dagger_rust.builds.caches import CacheState
    from pytest_dagger_rust.diagnostics import Diagnostic

_NOT_COMPILED = "error: could not compile"
_CARGO_STATUS = re.compile(r"\s+[A-Z][a-z]+ ")


def failure_text(diagnostics: Sequence[Diagnostic], stderr: str) -> str:
    """Return cargo's own last error first, then the compiler's messages, and cargo's other errors."""
    own = list(_own_lines(stderr))
    rendered = [diagnostic.text.rstrip("\n") for diagnostic in diagnostics if diagnostic.level == "error"]
    if not rendered:
        return "\n".join(_error_first(own))
    errors = list(_errors(own))
    summary = "; ".join(text.removeprefix("error: ") for text in errors if text.startswith(_NOT_COMPILED))
    others = [text for text in errors if not text.startswith(_NOT_COMPILED)]
    return "\n\n".join([summary or "cargo failed", *rendered, *others])


def _own_lines(stderr: str) -> Iterator[str]:
    """Return the lines that say what is wrong: a cause may begin as what cargo is doing does."""
    is_cause = False
    for line in lines_of(stderr):
        is_cause = line == "Caused by:" or (is_cause and line.startswith("  "))
        if is_cause or (line.strip() and not _CARGO_STATUS.match(line)):
            yield line


def _errors(lines: Iterable[str]) -> Iterator[str]:
    """Return each of cargo's errors; of one that the compiler has explained, only the line that names the package."""
    block: list[str] = []
    for line in [*lines, "warning"]:
        if line.startswith(("error", "warning")):
            if block:
                yield block[0] if block[0].startswith(_NOT_COMPILED) else "\n".join(block)
            block = []
        if block or line.startswith("error"):
            block.append(line)


def _error_first(lines: Sequence[str]) -> list[str]:
    """Return the lines from cargo's error on, and the warnings of build scripts after them."""
    start = next((number for number, line in enumerate(lines) if line.startswith("error")), 0)
    return [*lines[start:], *lines[:start]]


def build_report(said: AgentReport, run_id: str, started: float) -> BuildReport:
    """Return the report of a build that began at `started`, in seconds since the epoch, and was to be run as `run_id`.

    Where the engine has answered from its cache, the agent has written the id of an earlier run.
    """
    cached = said.run_id != run_id
    made = said.dependencies if said.dependencies is not None and said.dependencies.run_id == run_id else None
    compiled: list[str] = []
    if made is not None:
        stubs = {artifact.package for artifact in made.said.artifacts if artifact.version == STUB_VERSION}
        compiled += [name for name in made.said.compiled if name not in stubs]
    if not cached:
        compiled += said.said.compiled
    needs = Lock(said.lock, Path("Cargo.lock")).dependencies()
    names = frozenset(compiled)
    everything = dict.fromkeys(artifact.package for artifact in said.said.artifacts)
    volume, why = said.volume
    return BuildReport(
        compiled=tuple(compiled),
        fresh=tuple(name for name in everything if name not in names),
        seconds=time.time() - started,
        cached=cached,
        diagnostics=said.said.diagnostics,
        steps={
            **({"dependencies": sum(made.steps.values())} if made is not None else {}),
            **({} if cached else said.steps),
        },
        reasons=why_compiled(dict.fromkeys(compiled), said.said, said.before, said.dirty, needs),
        timings=_timings(needs, *(part for part in (made, None if cached else said) if part is not None)),
        sizes=_sizes(said),
        caches={
            caches.DEPENDENCIES: _layer_state(said, is_new=made is not None),
            caches.TARGET: caches.KEPT if cached else volume,
        },
        cache_reasons={caches.TARGET: why} if why and not cached else {},
        rewritten=said.rewritten,
    )


def with_origin(report: BuildReport, *, pulled: str = "", state: str = "", failed: str = "") -> BuildReport:
    """Return the report with what became of the caches before cargo ran.

    `pulled` and `state` are the places where the dependencies and the target directory came from, `failed` is why the
    dependency build failed.
    """
    states, reasons = dict(report.caches), dict(report.cache_reasons)
    if pulled:
        states[caches.DEPENDENCIES], reasons[caches.DEPENDENCIES] = caches.PULLED, f"from {pulled}"
    if states.get(caches.TARGET) == caches.PULLED:
        reasons[caches.TARGET] = f"from {state}"
    if failed:
        states[caches.DEPENDENCIES] = caches.UNUSED
        reasons[caches.DEPENDENCIES] = f"the dependency build failed: {failed}"
    return replace(report, caches=states, cache_reasons=reasons)


def _layer_state(said: AgentReport, *, is_new: bool) -> CacheState:
    if said.dependencies is None:
        return caches.UNUSED
    return caches.NEW if is_new else caches.KEPT


def _timings(needs: Needs, *parts: AgentReport) -> tuple[Timing, ...]:
    found: tuple[Timing, ...] = ()
    for part in parts:
        found += read_timings(part.starts, part.ends, part.said.artifacts, needs)
    return found


def _sizes(said: AgentReport) -> dict[str, int]:
    programs = {name: size for name, size in said.sizes.items() if not name.startswith("lib/")}
    sizes = {name.partition("/")[2]: size for name, size in programs.items()}
    sizes[caches.TARGET] = said.target_size
    if said.dependencies is not None:
        sizes[caches.DEPENDENCIES] = said.dependencies.target_size
        if said.dependencies.packages_size is not None:
            sizes[caches.PACKAGES] = said.dependencies.packages_size
    return sizes


def layer_of(said: AgentReport) -> str:
    """Return the name of the dependency build that a build was made on, empty where there was none."""
    return said.dependencies.build_id if said.dependencies is not None else ""
