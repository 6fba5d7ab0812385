"""A build that is ready to run: what is sent is packed, and the dependency build is prepared."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_dagger_rust.builds import archive, base_archive, toolchains
from pytest_dagger_rust.builds.execs import BuildRequest, Exec, Step, fetched, prepare
from pytest_dagger_rust.builds.source_tree import (
    included_entries,
    outside_paths,
    source_entries,
    tree_base,
    without_excluded,
)
from pytest_dagger_rust.container import agent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import dagger

    from pytest_dagger_rust.builds.shared import Pulled
    from pytest_dagger_rust.skeleton.skeleton import Skeleton


class Volume(NamedTuple):
    """The name of a build's volumes, and the builder's recipe, where it is needed and known."""

    name: str
    recipe: str = ""


class Plan(NamedTuple):
    """A build that is ready to run: the sources are packed, and the skeleton where there is anything to fetch."""

    step: Step
    volume: Volume
    outside: Sequence[str]
    dependencies: Exec | None
    packed: archive.Archive
    skeleton: archive.Archive | None = None
    state: Pulled | None = None


async def planned(request: BuildRequest, volume: Volume, *, is_fetched: bool = True) -> Plan:
    """Pack what a build is made from, and have its packages fetched when they are asked for."""
    skeleton = request.workspace.skeleton()
    outside = outside_paths(request.workspace, skeleton)
    base, root = tree_base(request.workspace, outside)
    user, builder = await request.builder.user(), await with_toolchain(request)
    nothing = agent.empty_directory(request.client, permissions=0o777)
    step = Step(request, volume.name, base, root, user, builder, nothing)
    packed = pack_sources(step, outside, archives(request))
    # Names that the workspace does not have are an error of the skeleton's, with those that it has.
    arguments = request.dependency_arguments(skeleton)
    if not skeleton.has_dependencies:
        return Plan(step, volume, outside, None, packed)
    reduced = _packed_skeleton(step, skeleton, outside)
    step = replace(step, packages=fetched(step, reduced)) if is_fetched else step
    dependencies = prepare(step, "dependencies", reduced, arguments)
    return Plan(step, volume, outside, dependencies, packed, reduced if is_fetched else None)


def archives(request: BuildRequest) -> Path | None:
    """Return the folder of what was sent of the workspace before."""
    return base_archive.folder_of(request.caches.folder, request.workspace.root)


def pack_sources(step: Step, outside: Sequence[str], cache: Path | None) -> archive.Archive:
    """Pack the sources, on top of what was sent before where that pays."""
    request = step.request

    def entries() -> Iterator[archive.Entry]:
        return source_entries(request.workspace, request.excludes, step.base, outside, request.withheld)

    return base_archive.pack_tree(entries, request.folder, cache)


def _packed_skeleton(step: Step, skeleton: Skeleton, outside: Sequence[str]) -> archive.Archive:
    request = step.request
    sources = without_excluded(skeleton.sources, request.excludes, outside)
    verbatim = [Path(os.path.normpath(request.workspace.root / path)) for path in sources]

    def entries() -> Iterator[archive.Entry]:
        yield from archive.text_entries(
            (f"{step.root}/{path}", text) for path, text in skeleton.files.items()
        )
        yield from filter(None, (archive.disk_entry(step.base, path) for path in verbatim))
        if sources:
            yield from included_entries(request.workspace, request.excludes, step.base)

    return base_archive.pack_tree(entries, request.folder)


async def with_toolchain(request: BuildRequest) -> dagger.Container:
    """Return the builder with the toolchain that the workspace names."""
    parts = (request.client, request.workspace, request.options)
    return await toolchains.installed(*parts, request.builder, request.program())
