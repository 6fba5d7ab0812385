"""What the summary says about a build, in plain values that a worker can send to its controller."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_dagger_rust.errors import RustBuildError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_dagger_rust.builds.caches import CacheName, CacheState
    from pytest_dagger_rust.builds.report import BuildReport
    from pytest_dagger_rust.diagnostics import Diagnostic
    from pytest_dagger_rust.report.build_log import BuildRecord


@dataclass(frozen=True)
class Finding:
    """One message of the compiler; `file` is relative to the workspace's root, None where there is no place."""

    level: str
    message: str
    code: str | None
    rendered: str
    text: str
    file: str | None
    line: int
    column: int


@dataclass(frozen=True)
class BuildFacts:
    """One build: `name` is its options in words, `key` the same for equal ones, `started` an epoch time.

    `error` is the first line of why it failed. `state` is "up to date" if nothing was compiled, else "partly
    rebuilt", "rebuilt", "pulled", "failed" or "interrupted". `reasons` says why a package was compiled again, `sizes`
    how many bytes a binary has, `timings` package, begin and end in seconds of some clock, and the package that was
    waited for.
    `rewritten` are the sources that build scripts wrote.
    """

    name: str
    key: str
    root: str
    started: float
    seconds: float
    state: str
    compiled: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    steps: Mapping[str, float] = field(default_factory=dict[str, float])
    reasons: Mapping[str, str] = field(default_factory=dict[str, str])
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])
    caches: Mapping[str, str] = field(default_factory=dict[str, str])
    timings: tuple[tuple[str, float, float, str | None], ...] = ()
    findings: tuple[Finding, ...] = ()
    error: str | None = None
    rewritten: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()

    @property
    def warnings(self) -> int:
        """How many warnings the compiler gave."""
        return sum(1 for finding in self.findings if finding.level == "warning")

    def plain(self) -> dict[str, Any]:
        """Return the facts as what JSON knows."""
        return asdict(self)

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> BuildFacts:
        """Read what `plain` returned."""
        findings = tuple(Finding(**finding) for finding in values["findings"])
        known: dict[str, Any] = {**values, "findings": findings}
        return cls(**known)


def facts_of(build: BuildRecord) -> BuildFacts:
    """Return the facts of one build, failed or not."""
    common: dict[str, Any] = {
        "name": _name(build),
        "key": hashlib.sha256(f"{build.root}\0{_command(build)}".encode()).hexdigest()[:12],
        "root": str(build.root),
        "started": build.started,
        "seconds": build.seconds,
    }
    if build.made is None:
        diagnostics = build.error.diagnostics if isinstance(build.error, RustBuildError) else ()
        error = str(build.error).partition("\n")[0] or type(build.error).__name__
        state = "failed" if isinstance(build.error, Exception) else "interrupted"
        return BuildFacts(**common, state=state, findings=_findings(diagnostics), error=error)
    report = build.made.report
    return BuildFacts(
        **common,
        state=_state(report),
        compiled=report.compiled,
        fresh=report.fresh,
        steps=dict(report.steps),
        reasons=dict(report.reasons),
        caches={name: _cache_state(report, name, state) for name, state in report.caches.items()},
        sizes=dict(report.sizes),
        timings=tuple((t.package, t.began, t.ended, t.waited_for) for t in report.timings),
        findings=_findings(report.diagnostics),
        rewritten=report.rewritten,
        withheld=report.withheld,
    )


def _cache_state(report: BuildReport, name: CacheName, state: CacheState) -> str:
    reason = report.cache_reasons.get(name)
    return f"{state}: {reason}" if reason else state


def _name(build: BuildRecord) -> str:
    # Values of variables may be secrets, and these facts end up in files.
    variables = [f"{name}=..." for name in build.options.env]
    return " ".join([*variables, _command(replace(build, options=replace(build.options, env={})))])


def _command(build: BuildRecord) -> str:
    place = f"--manifest-path {build.manifest_path} " if build.manifest_path else ""
    words = build.options.describe().replace("--package *", "--workspace", 1)
    command = f"wheel {build.wheel}" if build.wheel else f"cargo {'test' if build.tests else 'build'}"
    return f"{command} {place}{words}".rstrip()


def _state(report: BuildReport) -> str:
    if report.caches.get("binaries") == "pulled":
        return "pulled"
    if report.cached or not report.compiled:
        return "up to date"
    return "partly rebuilt" if report.fresh else "rebuilt"


def _findings(diagnostics: Iterable[Diagnostic]) -> tuple[Finding, ...]:
    return tuple(_finding(diagnostic) for diagnostic in diagnostics)


def _finding(diagnostic: Diagnostic) -> Finding:
    span = next(iter(diagnostic.spans), None)
    place = (span.file, span.line, span.column) if span else (None, 0, 0)
    rendered, text = diagnostic.rendered.rstrip("\n"), diagnostic.text.rstrip("\n")
    return Finding(diagnostic.level, diagnostic.message, diagnostic.code, rendered, text, *place)


def merged(builds: Iterable[BuildFacts]) -> list[BuildFacts]:
    """Merge equal builds of all workers; the one that did the work remains."""
    found: dict[str, BuildFacts] = {}
    for build in builds:
        known = found.get(build.key)
        if known is None or _work(build) > _work(known):
            found[build.key] = build
    return list(found.values())


def _work(build: BuildFacts) -> tuple[bool, int, float]:
    return build.error is not None, len(build.compiled), build.seconds
