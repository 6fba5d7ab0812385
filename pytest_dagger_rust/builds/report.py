"""What a build did, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_dagger_rust.builds.timings import Timing
    from pytest_dagger_rust.diagnostics import Diagnostic


@dataclass(frozen=True)
class BuildReport:
    """What a build did.

    `compiled` and `fresh` are package names, in cargo's order; a package compiled twice is named twice. `seconds`
    is the whole build as the caller waited for it, `steps` the seconds of each step in its containers. `cached` is
    True when the engine had the very same build already and nothing ran. `reasons` says in words why a package was
    compiled, `caches` for "dependencies" and "target folder" whether they were kept, new, not used, or emptied and why.
    `timings` says when each package was compiled. `sizes` has the bytes of each binary, of the target folder, and as
    they were when the dependencies were compiled, of these and of the downloaded packages. `rewritten` are the files
    that build scripts have written among the sources: taken back after the build, and in its binaries only.
    """

    compiled: tuple[str, ...]
    fresh: tuple[str, ...]
    seconds: float
    cached: bool
    diagnostics: tuple[Diagnostic, ...] = ()
    steps: Mapping[str, float] = field(default_factory=dict[str, float])
    reasons: Mapping[str, str] = field(default_factory=dict[str, str])
    caches: Mapping[str, str] = field(default_factory=dict[str, str])
    timings: tuple[Timing, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])
    rewritten: tuple[str, ...] = ()

    @property
    def warnings(self) -> int:
        """How many warnings the compiler gave for the workspace's own packages."""
        return sum(1 for diagnostic in self.diagnostics if diagnostic.level == "warning")
