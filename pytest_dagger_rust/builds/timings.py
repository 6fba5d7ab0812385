"""When each package of a build was compiled, and what it waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_dagger_rust.manifests.lockfile import STUB_VERSION
from pytest_dagger_rust.manifests.toml_values import string, strings, tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_dagger_rust.builds.messages import Artifact

_AT_ONCE = 0.5


@dataclass(frozen=True)
class Timing:
    """One package's time: seconds on the clock of the machine the engine runs on, to a tenth.

    `waited_for` is the dependency that was done last before it began, None where nothing held it up.
    """

    package: str
    began: float
    ended: float
    waited_for: str | None = None


def read_timings(lines: Iterable[str], artifacts: Sequence[Artifact], lock: str) -> tuple[Timing, ...]:
    """Read the timeline that the build's script has written beside cargo's messages.

    A package ends with the last of its artifacts; what was fresh or a stub has no time.
    """
    began: dict[str, float] = {}
    done: list[float] = []
    for line in lines:
        time, word, package = [*line.split(), ""][:3]
        if word == "start":
            began.setdefault(package, float(time))
        else:
            done.append(float(time))
    ended = {
        artifact.package: time
        for artifact, time in zip(artifacts, done, strict=False)
        if not artifact.fresh and artifact.version != STUB_VERSION
    }
    needs = _dependencies(lock)
    return tuple(
        Timing(package, began[package], time, _waited_for(began[package], needs.get(package, ()), ended))
        for package, time in ended.items()
        if package in began
    )


def _waited_for(began: float, needs: Iterable[str], ended: Mapping[str, float]) -> str | None:
    # Cargo begins with a package as soon as the last of its dependencies lets it, so that one has just been done.
    just_done = [(ended[name], name) for name in needs if abs(ended.get(name, 0.0) - began) < _AT_ONCE]
    return max(just_done)[1] if just_done else None


def _dependencies(lock: str) -> dict[str, tuple[str, ...]]:
    import tomli  # noqa: PLC0415 - only for builds

    packages = tables(tomli.loads(lock).get("package"))
    return {
        string(package.get("name")) or "": tuple(
            item.split()[0] for item in strings(package.get("dependencies"))
        )
        for package in packages
    }
