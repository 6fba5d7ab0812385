"""What a build did, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_dagger_rust.builds.caches import CacheName, CacheState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_dagger_rust.builds.timings import Timing
    from pytest_dagger_rust.diagnostics import Diagnostic


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    `compiled` and `fresh` are names of packages, in cargo's order; a package that is compiled twice appears twice.
    `seconds` is the whole build as the caller waited for it, `steps` the seconds of each step in the containers.
    `cached` is True if the engine returned an earlier, equal build. `reasons` says why each package was compiled.
    `caches` says what became of each cache: kept, new, pulled, cleared on request, emptied, dropped by the engine, or
    not used.
    `cache_reasons` says why, for those that were emptied or not used for a reason.
    `timings` says when each package was compiled. `sizes` has the bytes of each binary and of the target directory,
    and, as of the dependency build, of the dependencies and the downloaded packages. `rewritten` are the sources that
    build scripts changed: restored after the build, so only its binaries contain the change. `withheld` are the files
    and folders that were not sent to the engine, because they may hold secrets.
    """

    compiled: tuple[str, ...]
    fresh: tuple[str, ...]
    seconds: float
    cached: bool
    diagnostics: tuple[Diagnostic, ...] = ()
    steps: Mapping[str, float] = field(default_factory=dict[str, float])
    reasons: Mapping[str, str] = field(default_factory=dict[str, str])
    caches: Mapping[CacheName, CacheState] = field(default_factory=dict[CacheName, CacheState])
    cache_reasons: Mapping[CacheName, str] = field(default_factory=dict[CacheName, str])
    timings: tuple[Timing, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])
    rewritten: tuple[str, ...] = ()
    withheld: tuple[str, ...] = ()

    @property
    def warnings(self) -> int:
        """The number of compiler warnings in the workspace's own packages."""
        return sum(1 for diagnostic in self.diagnostics if diagnostic.level == "warning")
