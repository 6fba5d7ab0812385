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
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_dagger_rust.builds import (
    archive,
    base_archive,
    binaries,
    builders,
    keys,
    layers,
    state,
    toolchains,
)
from pytest_dagger_rust.builds.agent_report import read_report
from pytest_dagger_rust.builds.ahead import compiled_ahead
from pytest_dagger_rust.builds.execs import (
    OUT,
    VOLUME_LAYOUT,
    BuildRequest,
    Exec,
    Start,
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
from pytest_dagger_rust.builds.lock_file import write_lock
from pytest_dagger_rust.builds.made import Made
from pytest_dagger_rust.builds.outcome import build_report, layer_of, with_origin
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
    request = replace(request, workspace=request.workspace.with_variables(request.options.env))
    name = digest(str(request.workspace.root), *request.source_arguments(), *pairs(request.options))
    async with engine_errors():
        recipe = await keys.recipe(request)
        volume = await _volume_key(request)
        async with request.caches.turn(name[:24]):
            if request.caches.shared is None:
                return await _made(request, _Place(volume), started)
            plan = await _planned(request, _Place(volume, recipe))
            named = await keys.binaries(plan.step, plan.packed, recipe)
            if named and request.caches.are_unknown(volume) and not request.caches.clear:
                found = await binaries.pulled(plan.step, named[0], started)
                if found is not None:
                    return found
            made = await _made(request, _Place(volume, recipe), started, plan)
            if named:
                binaries.publish(request, *named, made)
            if not made.report.cached:
                await state.publish(replace(plan.step, request=replace(request, libc=made.libc)), recipe)
            return made


async def _made(request: BuildRequest, place: _Place, started: float, plan: _Plan | None = None) -> Made:
    """Build here."""
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    try:
        async with compiled_ahead(request, is_first=request.caches.are_unknown(place.volume)):
            output = await _run(plan or await _planned(request, place))
    except dagger.ExecError as error:
        if not agent.lacks_libc(error):
            raise
        request = replace(request, libc=agent.DYNAMIC)
        output = await _run(await _planned(request, place))
    said = read_report(output.text, request.workspace)
    if request.caches.write_lock:
        write_lock(request.workspace, said.lock)
    report = _finished_report(request, place.volume, said, started)
    report = with_origin(report, pulled=output.pulled, state=output.state, failed=output.failed)
    builder, runner = (
        await _with_toolchain(request),
        agent.folder(request.client, request.builder, request.libc),
    )
    return Made(output.out, said, report, request.libc, builder, runner, output.packages)


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
    """What left a source build, the agent's report, and the packages that it had.

    `failed` is why its dependency build failed; `pulled` and `state` are where the dependencies and the target
    directory came from.
    """

    out: dagger.Directory
    text: str
    packages: dagger.Directory
    failed: str = ""
    pulled: str = ""
    state: str = ""


class _Place(NamedTuple):
    """The name of the volumes, and the builder's recipe, where it is needed and known."""

    volume: str
    recipe: str = ""


class _Plan(NamedTuple):
    """A build that is ready to run: the sources are packed."""

    step: Step
    place: _Place
    outside: Sequence[str]
    dependencies: Exec | None
    packed: archive.Archive


async def _planned(request: BuildRequest, place: _Place, *, is_fetched: bool = True) -> _Plan:
    skeleton = request.workspace.skeleton()
    outside = outside_paths(request.workspace, skeleton)
    base, root = tree_base(request.workspace, outside)
    user, builder = await request.builder.user(), await _with_toolchain(request)
    step = Step(request, place.volume, base, root, user, builder, _nothing(request))
    packed = _packed(step, outside, _archives(request))
    if not skeleton.has_dependencies:
        return _Plan(step, place, outside, None, packed)
    reduced = _packed_skeleton(step, skeleton, outside)
    step = replace(step, packages=fetched(step, reduced)) if is_fetched else step
    dependencies = prepare(step, "dependencies", reduced, request.dependency_arguments(skeleton))
    return _Plan(step, place, outside, dependencies, packed)


def _nothing(request: BuildRequest) -> dagger.Directory:
    return agent.empty_directory(request.client, permissions=0o777)


def _archives(request: BuildRequest) -> Path | None:
    return base_archive.folder_of(request.caches.folder, request.workspace.root)


async def _run(plan: _Plan) -> _Output:
    request = plan.step.request
    try:
        return await _run_fetched(plan)
    except RustBuildError as error:
        raise with_withheld(request.access.explained(error), request.withheld) from None


async def _run_fetched(plan: _Plan) -> _Output:
    request = plan.step.request
    try:
        return await _run_packed(plan)
    except FetchFailedError as error:
        # Of the workspace's own files, cargo says more when it has them.
        if error.is_final or request.access.has_secrets or request.access.network == "fetch":
            raise RustBuildError(str(error), root=request.workspace.root) from None
        return await _run_packed(await _planned(request, plan.place, is_fetched=False))


async def _run_packed(plan: _Plan) -> _Output:
    cache = _archives(plan.step.request)
    try:
        return await _run_execs(plan)
    except SourcesChangedError:
        if cache is None:
            raise
        base_archive.forget_all(cache)
        return await _run_execs(plan._replace(packed=_packed(plan.step, plan.outside, None)))


async def _run_execs(plan: _Plan) -> _Output:
    step, dependencies, packed = plan.step, plan.dependencies, plan.packed
    if dependencies is None:
        return await _from_state(plan) or await _sources(step, packed, Start())
    # A lock file that cargo has to make is made with the layer.
    has_lock = step.request.workspace.lock is not None
    if has_lock and step.request.caches.can_skip_dependency_build(step.volume, dependencies.build_id):
        with contextlib.suppress(LayerNeededError):
            return await _sources(step, packed, Start(skipped=dependencies.build_id))
    if has_lock and (output := await _from_state(plan)):
        return output
    pulled, tag = await layers.pulled(step, dependencies)
    if pulled is not None:
        return (await _sources(step, packed, Start(pulled.directory)))._replace(pulled=pulled.place)
    try:
        output = await _sources(step, packed, Start(dependencies.container.directory(OUT)))
    except DependenciesFailedError as error:
        # A stub that does not build says nothing about the workspace. Without a layer, the source build compiles
        # everything: slower, but a genuine error is reported against the user's own files.
        failed = await _dependency_failure(step, error.build_id)
        return (await _sources(step, packed, Start()))._replace(failed=failed)
    if tag:
        layers.publish(step, tag, dependencies)
    return output


async def _from_state(plan: _Plan) -> _Output | None:
    """Build in the target directory that another machine has left; None where there is none to go on from."""
    step, shared = plan.step, plan.step.request.caches.shared
    if shared is None or step.request.caches.clear or not step.request.caches.are_unknown(step.volume):
        return None
    found = await state.pulled(step, plan.place.recipe)
    if found is None:
        return None
    try:
        skipped = "" if plan.dependencies is None else plan.dependencies.build_id
        start = Start(skipped=skipped, state=found.directory.directory("state"))
        return (await _sources(step, plan.packed, start))._replace(state=found.place)
    except LayerNeededError as error:
        shared.problems.append(f"the target directory from {found.place} was not used: {error}")
    return None


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


async def _sources(step: Step, packed: archive.Archive, start: Start) -> _Output:
    run = prepare(step, "sources", packed, step.request.source_arguments(), start)
    out = run.container.directory(OUT)
    async with build_errors(functools.partial(read_failure, step), step.request.workspace.root):
        return _Output(out, await out.file("report.json").contents(), step.packages)


async def _volume_key(request: BuildRequest) -> str:
    """Name the volumes' content: this workspace, in this place, built in this image."""
    names = sorted(package.name for package in request.workspace.packages)
    parts = [VOLUME_LAYOUT, str(request.workspace.root), *names, await builders.identity(request.builder)]
    return digest(*parts)[:24]
