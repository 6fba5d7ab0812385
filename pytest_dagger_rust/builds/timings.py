"""When each package of a build was compiled, and what it waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pytest_dagger_rust.manifests.lockfile import STUB_VERSION

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from pytest_dagger_rust.builds.messages import Artifact

Needs: TypeAlias = "Mapping[str, Collection[str]]"

_AT_ONCE = 0.5


@dataclass(frozen=True)
class Timing:
    """One package's time: seconds that the machine the engine runs on has been up.

    `waited_for` is the dependency that was done last before it began, None where nothing held it up.
    """

    package: str
    began: float
    ended: float
    waited_for: str | None = None


def read_timings(
    starts: Iterable[tuple[str, float]], ends: Iterable[float], artifacts: Sequence[Artifact], needs: Needs
) -> tuple[Timing, ...]:
    """Return the times of a build's packages: `starts` by their names, `ends` by the artifacts.

    `needs` are the names of what each package depends on.

    A package ends with the last of its artifacts; what was fresh or a stub has no time.
    """
    began: dict[str, float] = {}
    for package, time in starts:
        began.setdefault(package, time)
    ended = {
        artifact.package: time
        for artifact, time in zip(artifacts, ends, strict=False)
        if not artifact.fresh and artifact.version != STUB_VERSION
    }
    return tuple(
        Timing(package, began[package], time, _waited_for(began[package], needs.get(package, ()), ended))
        for package, time in ended.items()
        if package in began
    )


def _waited_for(began: float, needs: Iterable[str], ended: Mapping[str, float]) -> str | None:
    # Cargo begins with a package as soon as the last of its dependencies lets it, so that one has just been done.
    just_done = [(ended[name], name) for name in needs if abs(ended.get(name, 0.0) - began) < _AT_ONCE]
    return max(just_done)[1] if just_done else None
