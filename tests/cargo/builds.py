"""Builds of a skeleton and then of the sources, as the pipeline makes them, with the host's cargo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pytest_dagger_rust.workspace import RustWorkspace
from tests.cargo import oracle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_dagger_rust.skeleton.skeleton import Skeleton

Tree: TypeAlias = "Callable[[Mapping[str, str]], Path]"


@dataclass(frozen=True)
class Wanted:
    """What a build is told to select."""

    packages: tuple[str, ...] = ()
    bins: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()

    def flags(self) -> tuple[str, ...]:
        """Return the flags of the real build."""
        return (
            *(flag for name in self.packages for flag in ("--package", name)),
            *(flag for name in self.bins for flag in ("--bin", name)),
            *(flag for name in self.examples for flag in ("--example", name)),
        )


EVERYTHING = Wanted()


def skeleton_of(root: Path) -> Skeleton:
    """Return the skeleton of a workspace as it is now."""
    return RustWorkspace.load(root).skeleton()


def both_builds(
    root: Path,
    place: Path,
    wanted: Wanted = EVERYTHING,
    flags: tuple[str, ...] = (),
    *,
    same_place: bool = False,
) -> tuple[oracle.Compiled, oracle.Compiled]:
    """Build the skeleton, at another place unless told, and then the sources, with one target directory."""
    if not (root / "Cargo.lock").exists():
        oracle.cargo("generate-lockfile", "--offline", cwd=root)
    workspace = RustWorkspace.load(root)
    skeleton = workspace.skeleton()
    aside = place / "aside"
    if same_place:
        # cargo knows packages outside the root, and vendored ones, by their absolute paths.
        workspace.boundary.rename(aside)
    laid = oracle.lay(skeleton, workspace, workspace.boundary if same_place else place / "skeleton", aside)
    first = oracle.build(laid, place / "target", (*skeleton.selection(wanted), *flags))
    if same_place:
        workspace.boundary.rename(place / "skeleton")
        aside.rename(workspace.boundary)
    return first, oracle.build(workspace.root, place / "target", (*wanted.flags(), *flags))
