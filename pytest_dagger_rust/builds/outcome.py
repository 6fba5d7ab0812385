"""What a build's containers said, read into a report or into the text of an error."""

from __future__ import annotations

import itertools
import re
import time
from typing import TYPE_CHECKING

from pytest_dagger_rust.builds import caches, messages
from pytest_dagger_rust.builds.reasons import why_compiled
from pytest_dagger_rust.builds.timings import Timing, read_timings
from pytest_dagger_rust.manifests.lockfile import STUB_VERSION
from pytest_dagger_rust.rust_build import BuildReport

if TYPE_CHECKING:
    from collections.abc import Sequence

_CARGO_STATUS = re.compile(r"\s+[A-Z][a-z]+ ")


def failure_text(diagnostics: Sequence[messages.Diagnostic], stderr: str) -> str:
    """Put cargo's own last word first, then what the compiler said."""
    own = [line for line in stderr.splitlines() if line.strip() and not _CARGO_STATUS.match(line)]
    errors = [line for line in own if line.startswith("error: could not compile")]
    rendered = [diagnostic.text.rstrip("\n") for diagnostic in diagnostics if diagnostic.level == "error"]
    if not rendered:
        return "\n".join(own)
    summary = "; ".join(line.removeprefix("error: ") for line in errors) or "cargo failed"
    return "\n\n".join([summary, *rendered])


def section(text: str, name: str) -> list[str]:
    """Return the lines below a headline of the report file, up to the next one."""
    lines = text.splitlines()
    start = lines.index(f"== {name}") + 1
    end = next((i for i in range(start, len(lines)) if lines[i].startswith("== ")), len(lines))
    return lines[start:end]


def read_report(text: str, started: float) -> BuildReport:
    """Read the report file of a build that began at `started`, in seconds since the epoch."""
    sources = messages.parse(section(text, "sources"))
    dependencies = messages.parse(section(text, "dependencies"))
    cached = _finished(text, "sources finished") < started
    compiled: list[str] = []
    has_new_layer = _finished(text, "dependencies finished") >= started
    if has_new_layer:
        stubs = {artifact.package for artifact in dependencies.artifacts if artifact.version == STUB_VERSION}
        compiled += [name for name in dependencies.compiled if name not in stubs]
    if not cached:
        compiled += sources.compiled
    before = messages.parse(section(text, "before"))
    lock = "\n".join(section(text, "lock"))
    everything = dict.fromkeys(artifact.package for artifact in sources.artifacts)
    return BuildReport(
        compiled=tuple(compiled),
        fresh=tuple(name for name in everything if name not in compiled),
        seconds=time.time() - started,
        cached=cached,
        diagnostics=sources.diagnostics,
        steps={
            **({"dependencies": _seconds(section(text, "dependencies steps"))} if has_new_layer else {}),
            **({} if cached else _steps(section(text, "steps"))),
        },
        reasons=why_compiled(dict.fromkeys(compiled), sources, before, section(text, "dirty"), lock),
        timings=_timings(text, dependencies if has_new_layer else None, None if cached else sources, lock),
        sizes=_sizes(text),
        caches={
            caches.DEPENDENCIES: _layer_state(text, is_new=has_new_layer),
            caches.TARGET: caches.KEPT if cached else _facts(text)["volume"],
        },
    )


def _layer_state(text: str, *, is_new: bool) -> str:
    if not layer_of(text):
        return caches.UNUSED
    return caches.NEW if is_new else caches.KEPT


def _timings(
    text: str, dependencies: messages.CargoMessages | None, sources: messages.CargoMessages | None, lock: str
) -> tuple[Timing, ...]:
    found: tuple[Timing, ...] = ()
    for headline, said in (("dependencies timeline", dependencies), ("timeline", sources)):
        if said is not None:
            found += read_timings(section(text, headline), said.artifacts, lock)
    return found


def _sizes(text: str) -> dict[str, int]:
    pairs = (line.partition(" ") for line in section(text, "sizes"))
    sizes = {name: int(size) for size, _, name in pairs}
    for headline, name in (
        ("target size", caches.TARGET),
        ("layer size", caches.DEPENDENCIES),
        ("packages size", caches.PACKAGES),
    ):
        if kilobytes := section(text, headline):
            sizes[name] = int(kilobytes[0]) * 1024
    return sizes


def layer_of(text: str) -> str:
    """Return the name of the dependency layer that a report's build was made on, empty where there was none."""
    return _facts(text).get("layer", "")


def _facts(text: str) -> dict[str, str]:
    pairs = (line.partition(" ") for line in section(text, "caches"))
    return {name: value for name, _, value in pairs}


def _finished(text: str, headline: str) -> float:
    """Seconds since the epoch; 0 for a step that was left out. A busybox knows no fractions: its second counts full."""
    lines = section(text, headline)
    if not lines:
        return 0.0
    whole, _, fraction = lines[0].partition(".")
    return float(f"{whole}.{fraction if fraction.isdigit() else 999}")


def _steps(lines: Sequence[str]) -> dict[str, float]:
    marks = [(name, float(uptime)) for name, uptime in (line.split() for line in lines)]
    return {name: ended - began for (_, began), (name, ended) in itertools.pairwise(marks)}


def _seconds(lines: Sequence[str]) -> float:
    return sum(_steps(lines).values())
