"""What a package and its targets are, in cargo's terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

TargetKind: TypeAlias = Literal["lib", "bin", "example", "test", "bench", "custom-build"]
"""The kinds of cargo's targets; a procedural macro is a "lib"."""


@dataclass(frozen=True, slots=True)
class Target:
    """One target of a package, as `cargo metadata` describes it.

    `src_path` is relative to the workspace's root, with `../` when the package lies outside of it.
    """

    name: str
    kind: TargetKind
    crate_types: tuple[str, ...]
    src_path: str
    required_features: tuple[str, ...] = ()
    harness: bool = True
    edition: str = "2015"


@dataclass(frozen=True, slots=True)
class Package:
    """One package; `manifest_path` is relative to the workspace's root."""

    name: str
    version: str
    manifest_path: str
    targets: tuple[Target, ...]
    edition: str = "2015"
    default_run: str | None = None

    @property
    def library(self) -> Target | None:
        """The package's library target, proc-macros included."""
        return next((target for target in self.targets if target.kind == "lib"), None)

    def of_kind(self, kind: TargetKind) -> tuple[Target, ...]:
        """All targets of one kind."""
        return tuple(target for target in self.targets if target.kind == kind)
