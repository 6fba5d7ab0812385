"""Builds the Dagger graph: base image, dependency build, source build, artifacts.

Packages are fetched first, in an exec that runs none of their code. The dependency build compiles the skeleton, and
its layer holds every compiled dependency. The engine answers both from its cache while the skeleton stays the same; the
dependency build is skipped while the source build has a target directory to start from. The source build puts the
sources next to a target directory in a cache volume, restores dependencies from the layer if they are missing, and lets
cargo compile what changed. It copies the binaries out itself. `docs/how-it-works.md` explains the details.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_dagger_rust.builds import archive, base_archive, builders, toolchains
from pytest_dagger_rust.builds.agent_report import read_report
from pytest_dagger_rust.builds.ahead import compiled_ahead
from pytest_dagger_rust.builds.caches import DEPENDENCIES, PULLED, UNUSED
from pytest_dagger_rust.builds.execs import (
    OUT,
    VOLUME_LAYOUT,
    BuildRequest,
    Exec,
    Step,
    digest,
    fetched,
    pairs,
    prepare,
    read_failure,
)
from pytest_dagger_rust.builds.failures import (
    DependenciesFailedError,
    FetchFailedError,
    LayerNeededError,
    SourcesChangedError,
    build_errors,
    cargo_failure,
    engine_errors,
    is_about_others,
    with_withheld,
)
from pytest_dagger_rust.builds.outcome import build_report, layer_of
from pytest_dagger_rust.builds.source_tree import (
    outside_paths,
    source_entries,
    tree_base,
    without_excluded,
)
from pytest_dagger_rust.container import agent
from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.errors import DaggerRustError, RustBuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import dagger

    from pytest_dagger_rust.builds.agent_report import AgentReport
    from pytest_dagger_rust.builds.report import BuildReport
    from pytest_dagger_rust.skeleton.skeleton import Skeleton


@dataclass(frozen=True)
class Made:
    """What a build has made.

    `out` is the folder of all that left it, `said` the agent's report, `libc` how the agent was linked, `builder`
    the builder with the toolchain that the workspace names, and `packages` a folder like cargo's home.
    """

    out: dagger.Directory
    said: AgentReport
    report: BuildReport
    libc: str
    builder: dagger.Container
    packages: dagger.Directory


async def run_build(request: BuildRequest, started: float) -> Made:
    """Run the execs of a build that began at `started`, in seconds since the epoch.

    The runtime container's image is pulled meanwhile: one that cannot be is known before cargo has ended.
    """
    async with engine_errors():
        building = asyncio.ensure_future(_run_build(request, started))
        pulling = asyncio.ensure_future(request.runtime.sync())
        try:
            made, _ = await asyncio.gather(building, pulling)
        finally:
            building.cancel()
            pulling.cancel()
    return made


async def _run_build(request: BuildRequest, started: float) -> Made:
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    request = replace(request, workspace=request.workspace.with_variables(request.options.env))
    name = digest(str(request.workspace.root), *request.source_arguments(), *pairs(request.options))
    async with engine_errors():
        volume = await _volume_key(request)
        async with request.caches.turn(name[:24]):
            try:
                async with compiled_ahead(request, is_first=request.caches.are_unknown(volume)):
                    made = await _run(request, volume)
            except dagger.ExecError as error:
                if not agent.lacks_libc(error):
                    raise
                request = replace(request, libc=agent.DYNAMIC)
                made = await _run(request, volume)
        builder = await _with_toolchain(request)
    said = read_report(made.text, request.workspace)
    report = _finished_report(request, volume, said, started)
    if made.pulled:
        report = replace(
            report,
            caches={**report.caches, DEPENDENCIES: PULLED},
            cache_reasons={**report.cache_reasons, DEPENDENCIES: f"from {made.pulled}"},
        )
    if made.failed:
        reason = f"the dependency build failed: {made.failed}"
        report = replace(
            report,
            caches={**report.caches, DEPENDENCIES: UNUSED},
            cache_reasons={**report.cache_reasons, DEPENDENCIES: reason},
        )
    return Made(made.out, said, report, request.libc, builder, made.packages)


async def _with_toolchain(request: BuildRequest) -> dagger.Container:
    parts = (request.client, request.workspace, request.options)
    return await toolchains.installed(*parts, request.builder, request.program())


def _finished_report(request: BuildRequest, volume: str, said: AgentReport, started: float) -> BuildReport:
    """Return the report, and remember what the build has left."""
    report, layer = build_report(said, request.run_id, started), layer_of(said)
    states = request.caches.summary(volume, layer, report.caches)
    request.caches.remember(volume, layer)
    return replace(report, caches=states, withheld=tuple(sorted(request.withheld)))


class _Output(NamedTuple):
    """What left a source build, the agent's report, and the packages it had.

    Also why its dependency build failed, and where it was pulled from.
    """

    out: dagger.Directory
    text: str
    packages: dagger.Directory
    failed: str = ""
    pulled: str = ""


async def _run(request: BuildRequest, volume: str) -> _Output:
    skeleton = request.workspace.skeleton()
    outside = outside_paths(request.workspace, skeleton)
    base, root = tree_base(request.workspace, outside)
    user, builder = await request.builder.user(), await _with_toolchain(request)
    nothing = agent.empty_directory(request.client, permissions=0o777)
    step = Step(request, volume, base, root, user, builder, nothing)
    reduced = _packed_skeleton(step, skeleton, outside)
    packages = fetched(step, reduced) if skeleton.has_dependencies else nothing
    try:
        try:
            return await _run_on(replace(step, packages=packages), skeleton, reduced, outside)
        except FetchFailedError as error:
            # Of the workspace's own files, cargo says more when it has them.
            if error.is_final or request.access.has_secrets or request.access.network == "fetch":
                raise RustBuildError(str(error), root=request.workspace.root) from None
            return await _run_on(step, skeleton, reduced, outside)
    except RustBuildError as error:
        raise with_withheld(request.access.explained(error), request.withheld) from None


async def _run_on(
    step: Step, skeleton: Skeleton, reduced: archive.Archive, outside: Sequence[str]
) -> _Output:
    """Build with the packages of a step."""
    request = step.request
    cache = base_archive.folder_of(request.caches.folder, request.workspace.root)
    dependencies = None
    if skeleton.has_dependencies:
        dependencies = prepare(step, "dependencies", reduced, request.dependency_arguments(skeleton))
    try:
        return await _run_execs(step, dependencies, _packed(step, outside, cache))
    except SourcesChangedError:
        if cache is None:
            raise
        base_archive.forget_all(cache)
        return await _run_execs(step, dependencies, _packed(step, outside, None))


async def _run_execs(step: Step, dependencies: Exec | None, packed: archive.Archive) -> _Output:
    if dependencies is None:
        return await _sources(step, packed, None)
    # A lock file that cargo has to make is made with the layer.
    has_lock = step.request.workspace.lock is not None
    if has_lock and step.request.caches.can_skip_dependency_build(step.volume, dependencies.build_id):
        with contextlib.suppress(LayerNeededError):
            return await _sources(step, packed, None, skipped_layer=dependencies.build_id)
    pulled, key = await _pulled(step, dependencies)
    if pulled is not None:
        directory, place = pulled
        return (await _sources(step, packed, directory))._replace(pulled=place)
    try:
        output = await _sources(step, packed, dependencies.container.directory(OUT))
    except DependenciesFailedError as error:
        # A stub that does not build says nothing about the workspace. Without a layer, the source build compiles
        # everything: slower, but a genuine error is reported against the user's own files.
        failed = await _dependency_failure(step, error.build_id)
        return (await _sources(step, packed, None))._replace(failed=failed)
    shared = step.request.caches.shared
    if key and shared is not None:
        shared.publish(step.request.client, key, dependencies.container.directory(OUT))
    return output


async def _pulled(step: Step, dependencies: Exec) -> tuple[tuple[dagger.Directory, str] | None, str]:
    """Return the dependencies that another machine has compiled, and their name; neither if this machine has them."""
    request, shared = step.request, step.request.caches.shared
    if shared is None or request.caches.clear or request.caches.knows(step.volume, dependencies.build_id):
        return None, ""
    choice = toolchains.choice(request.workspace, request.options, step.base).values()
    toolchain = [*toolchains.words(request.workspace, request.options), *filter(None, choice)]
    parts = (VOLUME_LAYOUT, dependencies.build_id, await builders.identity(request.builder), *toolchain)
    key = f"dependencies-{digest(*parts)[:40]}"
    return await shared.pull(request.client, key, dependencies.build_id), key


async def _dependency_failure(step: Step, build_id: str) -> str:
    """Return the first line of what cargo said of the skeleton; raise it where a package from elsewhere failed."""
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    if not build_id:
        return "it ended before cargo began"
    try:
        failure = cargo_failure(await read_failure(step, build_id, phase="dependencies"))
    except (DaggerRustError, dagger.ExecError):
        return "cargo's messages are no longer there"
    workspace = step.request.workspace
    if is_about_others(failure, {item.name for item in (*workspace.packages, *workspace.local_packages)}):
        raise failure
    return next(iter(lines_of(str(failure))), "cargo failed")


def _packed(step: Step, outside: Sequence[str], cache: Path | None) -> archive.Archive:
    request = step.request

    def entries() -> Iterator[archive.Entry]:
        return source_entries(request.workspace, request.excludes, step.base, outside, request.withheld)

    return base_archive.pack_tree(entries, request.folder, cache)


def _packed_skeleton(step: Step, skeleton: Skeleton, outside: Sequence[str]) -> archive.Archive:
    request = step.request
    sources = without_excluded(skeleton.sources, request.excludes, outside)
    verbatim = (Path(os.path.normpath(request.workspace.root / path)) for path in sources)
    entries = [
        *archive.text_entries((f"{step.root}/{path}", text) for path, text in skeleton.files.items()),
        *filter(None, (archive.disk_entry(step.base, path) for path in verbatim)),
    ]
    return archive.pack(entries, request.folder)


async def _sources(
    step: Step, packed: archive.Archive, restored: dagger.Directory | None, *, skipped_layer: str = ""
) -> _Output:
    """Build on a layer of dependencies, or skip the layer named `skipped_layer`."""
    run = prepare(step, "sources", packed, step.request.source_arguments(), restored, skipped_layer)
    out = run.container.directory(OUT)
    async with build_errors(functools.partial(read_failure, step), step.request.workspace.root):
        return _Output(out, await out.file("report.json").contents(), step.packages)


async def _volume_key(request: BuildRequest) -> str:
    """Name the volumes' content: this workspace, in this place, built in this image."""
    names = sorted(package.name for package in request.workspace.packages)
    parts = [VOLUME_LAYOUT, str(request.workspace.root), *names, await builders.identity(request.builder)]
    return digest(*parts)[:24]
