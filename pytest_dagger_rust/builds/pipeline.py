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
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pytest_dagger_rust.builds import (
    archive,
    attempts,
    base_archive,
    binaries,
    builders,
    keys,
    layers,
    state,
)
from pytest_dagger_rust.builds.agent_report import read_report
from pytest_dagger_rust.builds.ahead import compiled_ahead
from pytest_dagger_rust.builds.execs import (
    OUT,
    VOLUME_LAYOUT,
    BuildRequest,
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
from pytest_dagger_rust.builds.plan import Plan, Volume, archives, pack_sources, planned, with_toolchain
from pytest_dagger_rust.container import agent
from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.errors import DaggerRustError, RustBuildError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dagger

    from pytest_dagger_rust.builds.agent_report import AgentReport
    from pytest_dagger_rust.builds.report import BuildReport


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
        # Before anything asks for the builder's id, as the pull of a runtime container made from it does.
        steps = builders.steps(request.builder)
        volume = Volume(await _volume_key(request))
        async with request.caches.turn(name[:24]):
            if request.caches.shared is None:
                return await _made(request, volume, started)
            return await _made_or_pulled(await planned(request, volume), steps, started)


async def _made_or_pulled(plan: Plan, steps: builders.Steps, started: float) -> Made:
    """Return what another machine has made of the same, or build and publish that."""
    request, volume = plan.step.request, plan.volume
    is_cold = request.caches.are_unknown(volume.name) and not request.caches.clear
    naming = asyncio.ensure_future(_named(plan, steps))
    naming.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        if is_cold:
            plan, named = await naming
            found = named and await binaries.pulled(plan.step, named[0], started)
            if found is not None:
                return found
            plan = await _with_state(plan)
        # Where the engine's own caches are warm, nothing is waited for.
        made = await _made(plan.step.request, volume, started, plan)
        named_plan, named = await naming
    finally:
        naming.cancel()
    if named:
        binaries.publish(request, *named, made)
    if not made.report.cached:
        step = replace(plan.step, request=replace(plan.step.request, libc=made.libc))
        await state.publish(step, named_plan.volume.recipe)
    return made


async def _named(plan: Plan, steps: builders.Steps) -> tuple[Plan, tuple[str, Mapping[str, str]] | None]:
    """Return the plan with the builder's recipe, and the name of the binaries."""
    recipe = await keys.recipe(plan.step.request, steps)
    named = await keys.binaries(plan.step, plan.packed, recipe)
    return plan._replace(volume=plan.volume._replace(recipe=recipe)), named


async def _made(request: BuildRequest, volume: Volume, started: float, plan: Plan | None = None) -> Made:
    """Build here."""
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    is_first = request.caches.are_unknown(volume.name) and request.agents is None
    try:
        async with compiled_ahead(request, is_first=is_first):
            output = await _run(plan or await planned(request, volume))
    except dagger.ExecError as error:
        if not agent.lacks_libc(error):
            raise
        request = replace(request, libc=agent.DYNAMIC, agents=None)
        output = await _run(await planned(request, volume))
    said = read_report(output.text, request.workspace)
    if request.caches.write_lock:
        write_lock(request.workspace, said.lock)
    report = _finished_report(request, volume.name, said, started)
    report = with_origin(report, pulled=output.pulled, state=output.state, failed=output.failed)
    builder, runner = await with_toolchain(request), request.runner()
    return Made(output.out, said, report, request.libc, builder, runner, output.packages)


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


async def _run(plan: Plan) -> _Output:
    request = plan.step.request
    try:
        return await _run_fetched(plan)
    except RustBuildError as error:
        raise with_withheld(request.access.explained(error), request.withheld) from None


async def _run_fetched(plan: Plan) -> _Output:
    request = plan.step.request
    try:
        return await _run_packed(plan)
    except FetchFailedError as error:
        attempts.failed(plan.step.volume)
        # Of the workspace's own files, cargo says more when it has them.
        if error.is_final or request.access.has_secrets or request.access.network == "fetch":
            raise RustBuildError(str(error), root=request.workspace.root) from None
        return await _run_packed(await planned(request, plan.volume, is_fetched=False))


async def _run_packed(plan: Plan) -> _Output:
    cache = archives(plan.step.request)
    try:
        return await _run_execs(plan)
    except SourcesChangedError:
        if cache is None:
            raise
        base_archive.forget_all(cache)
        return await _run_execs(plan._replace(packed=pack_sources(plan.step, plan.outside, None)))


async def _run_execs(plan: Plan) -> _Output:
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


async def _with_state(plan: Plan) -> Plan:
    """Return the plan with what another machine has left to go on from, and with that machine's agent."""
    request = plan.step.request
    # It is needed next, whatever is found; what is wrong with it is said there.
    pulling = asyncio.ensure_future(request.builder.sync())
    pulling.add_done_callback(lambda done: done.cancelled() or done.exception())
    found = await state.pulled(plan.step, plan.volume.recipe)
    if found is None:
        return plan
    pulled, libc, agents = found
    request = replace(request, libc=libc, agents=agents)
    step = replace(plan.step, request=request)
    # Secrets are for no program of another machine.
    if plan.skeleton is not None and not request.access.has_secrets:
        step = replace(step, packages=fetched(step, plan.skeleton))
    return plan._replace(step=step, state=pulled)


async def _from_state(plan: Plan) -> _Output | None:
    """Build in the target directory that another machine has left; None where there is none to go on from."""
    found, shared = plan.state, plan.step.request.caches.shared
    if found is None or shared is None:
        return None
    try:
        skipped = "" if plan.dependencies is None else plan.dependencies.build_id
        start = Start(skipped=skipped, state=found.directory.directory("state"))
        return (await _sources(plan.step, plan.packed, start))._replace(state=found.place)
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
