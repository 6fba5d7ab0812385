"""Builds the Dagger graph: base image, dependency build, source build, artifacts.

The dependency build compiles the skeleton, and its layer holds every compiled dependency. The engine answers it from
its cache while the skeleton stays the same; it is skipped while the source build has a target directory to start from.
The source build puts the sources next to a target directory in a cache volume, restores dependencies from the layer
if they are missing, and lets cargo compile what changed. It copies the binaries out itself. `docs/how-it-works.md`
explains the details.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import tempfile
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from pytest_dagger_rust.builds import archive, base_archive, builders
from pytest_dagger_rust.builds.agent_report import read_report
from pytest_dagger_rust.builds.caches import DEPENDENCIES, UNUSED, Caches
from pytest_dagger_rust.builds.failures import (
    DependenciesFailedError,
    LayerNeededError,
    SourcesChangedError,
    build_errors,
    cargo_failure,
    engine_errors,
    is_about_others,
    with_withheld,
)
from pytest_dagger_rust.builds.outcome import build_report, layer_of
from pytest_dagger_rust.builds.source_tree import outside_paths, source_entries, tree_base
from pytest_dagger_rust.container import agent
from pytest_dagger_rust.errors import DaggerRustError, RustBuildError
from pytest_dagger_rust.skeleton.stubs import STUB_MARKER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import dagger

    from pytest_dagger_rust.builds.agent_report import AgentReport
    from pytest_dagger_rust.builds.options import CargoOptions
    from pytest_dagger_rust.builds.report import BuildReport
    from pytest_dagger_rust.skeleton.skeleton import Skeleton
    from pytest_dagger_rust.workspace import RustWorkspace

Phase = Literal["dependencies", "sources"]

VOLUME = "/pytest-dagger-rust"
# Raise it when the agent changes the layout of a volume.
VOLUME_LAYOUT = "3"
PACKAGES = "/pytest-dagger-rust-packages"
INPUT = "/pytest-dagger-rust-input"
RESTORED = f"{INPUT}/dependencies"
RUN_ID = "/pytest-dagger-rust-run-id"
OUT = "/pytest-dagger-rust-out"


@dataclass(frozen=True)
class BuildRequest:
    """Everything one build depends on."""

    client: dagger.Client
    workspace: RustWorkspace
    options: CargoOptions
    builder: dagger.Container
    runtime: dagger.Container
    excludes: tuple[str, ...] = ()
    folder: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
    caches: Caches = field(default_factory=Caches)
    tests: bool = False
    libc: str = agent.STATIC
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    # What is not sent, because it may hold secrets; found while the sources are read.
    withheld: set[str] = field(default_factory=set[str])

    def dependency_arguments(self, skeleton: Skeleton) -> tuple[str, ...]:
        """Return cargo's subcommand and flags for the skeleton."""
        # cargo compiles the dependencies of tests with the profile of tests, too.
        options = self.options
        if self.tests and options.profile == "dev":
            options = replace(options, profile="test")
        return (*skeleton.command(options, tests=self.tests), *options.build_flags())

    def source_arguments(self) -> tuple[str, ...]:
        """Return cargo's subcommand and flags for the sources."""
        if not self.tests:
            return ("build", *self.options.selection_flags(), *self.options.build_flags())
        flags = self.options.build_flags(tests=True)
        return ("test", "--no-fail-fast", *self.options.selection_flags(), *flags)


@dataclass(frozen=True)
class Made:
    """What a build has made: the folder of all that left it, what the agent said, and how the agent was linked."""

    out: dagger.Directory
    said: AgentReport
    report: BuildReport
    libc: str


async def run_build(request: BuildRequest, started: float) -> Made:
    """Run the execs of a build that began at `started`, in seconds since the epoch."""
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    name = _digest(str(request.workspace.root), *request.source_arguments(), *_pairs(request.options))
    async with engine_errors():
        volume = await _volume_key(request)
        async with request.caches.turn(name[:24]):
            try:
                made = await _run(request, volume)
            except dagger.ExecError as error:
                if not agent.lacks_libc(error):
                    raise
                request = replace(request, libc=agent.DYNAMIC)
                made = await _run(request, volume)
    said = read_report(made.text, request.workspace)
    report = _finished_report(request, volume, said, started)
    if made.failed:
        caches = {**report.caches, DEPENDENCIES: f"{UNUSED}, the dependency build failed: {made.failed}"}
        report = replace(report, caches=caches)
    return Made(made.out, said, report, request.libc)


def _finished_report(request: BuildRequest, volume: str, said: AgentReport, started: float) -> BuildReport:
    """Return the report, and remember what the build has left."""
    report, layer = build_report(said, request.run_id, started), layer_of(said)
    states = request.caches.summary(volume, layer, report.caches)
    request.caches.remember(volume, layer)
    return replace(report, caches=states, withheld=tuple(sorted(request.withheld)))


class _Output(NamedTuple):
    """What left a source build, the agent's report, and why its dependency build failed."""

    out: dagger.Directory
    text: str
    failed: str = ""


async def _run(request: BuildRequest, volume: str) -> _Output:
    skeleton = request.workspace.skeleton()
    outside = outside_paths(request.workspace, skeleton)
    base, root = tree_base(request.workspace, outside)
    step = _Step(request, volume, base, root, await request.builder.user())
    cache = base_archive.folder_of(request.caches.folder, request.workspace.root)
    try:
        return await _run_execs(step, skeleton, _packed(step, outside, cache))
    except SourcesChangedError:
        if cache is None:
            raise
        base_archive.forget_all(cache)
        return await _run_execs(step, skeleton, _packed(step, outside, None))
    except RustBuildError as error:
        raise with_withheld(error, request.withheld) from None


async def _run_execs(step: _Step, skeleton: Skeleton, packed: archive.Archive) -> _Output:
    dependencies = _dependencies(step, skeleton)
    # A lock file that cargo has to make is made with the layer.
    has_lock = step.request.workspace.lock is not None
    if has_lock and step.request.caches.can_skip_dependency_build(step.volume, dependencies.build_id):
        with contextlib.suppress(LayerNeededError):
            return await _sources(step, packed, None, skipped_layer=dependencies.build_id)
    try:
        return await _sources(step, packed, dependencies.container.directory(OUT))
    except DependenciesFailedError as error:
        # A stub that does not build says nothing about the workspace. Without a layer, the source build compiles
        # everything: slower, but a genuine error is reported against the user's own files.
        failed = await _dependency_failure(step, error.build_id)
        return (await _sources(step, packed, None))._replace(failed=failed)


async def _dependency_failure(step: _Step, build_id: str) -> str:
    """Return the first line of what cargo said of the skeleton; raise it where a package from elsewhere failed."""
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    if not build_id:
        return "it ended before cargo began"
    try:
        failure = cargo_failure(await _read_failure(step, build_id, phase="dependencies"))
    except (DaggerRustError, dagger.ExecError):
        return "cargo's messages are no longer there"
    workspace = step.request.workspace
    if is_about_others(failure, {item.name for item in (*workspace.packages, *workspace.local_packages)}):
        raise failure
    return next(iter(str(failure).splitlines()), "cargo failed")


def _packed(step: _Step, outside: Sequence[str], cache: Path | None) -> archive.Archive:
    request = step.request

    def entries() -> Iterator[archive.Entry]:
        return source_entries(request.workspace, request.excludes, step.base, outside, request.withheld)

    return base_archive.pack_tree(entries, request.folder, cache)


@dataclass(frozen=True)
class _Step:
    """What both execs of a build share."""

    request: BuildRequest
    volume: str
    base: Path
    root: str
    user: str


@dataclass(frozen=True)
class _Exec:
    """A run of the agent, and what names it."""

    container: dagger.Container
    build_id: str


def _dependencies(step: _Step, skeleton: Skeleton) -> _Exec:
    request = step.request
    verbatim = (Path(os.path.normpath(request.workspace.root / path)) for path in skeleton.sources)
    entries = [
        *archive.text_entries((f"{step.root}/{path}", text) for path, text in skeleton.files.items()),
        *filter(None, (archive.disk_entry(step.base, path) for path in verbatim)),
    ]
    packed = archive.pack(entries, request.folder)
    return _exec(step, "dependencies", packed, request.dependency_arguments(skeleton))


async def _sources(
    step: _Step, packed: archive.Archive, restored: dagger.Directory | None, *, skipped_layer: str = ""
) -> _Output:
    """Build on a layer of dependencies, or skip the layer named `skipped_layer`."""
    run = _exec(step, "sources", packed, step.request.source_arguments(), restored, skipped_layer)
    out = run.container.directory(OUT)
    async with build_errors(functools.partial(_read_failure, step)):
        return _Output(out, await out.file("report.json").contents())


async def _volume_key(request: BuildRequest) -> str:
    """Name the volumes' content: this workspace, in this place, built in this image."""
    names = sorted(package.name for package in request.workspace.packages)
    parts = [VOLUME_LAYOUT, str(request.workspace.root), *names, await builders.identity(request.builder)]
    return _digest(*parts)[:24]


def _exec(
    step: _Step,
    phase: Phase,
    packed: archive.Archive,
    arguments: tuple[str, ...],
    restored: dagger.Directory | None = None,
    skipped_layer: str = "",
) -> _Exec:
    request = step.request
    program = agent.program(request.client, request.builder, agent.BUILDER, request.libc)
    container = _mounted(step, phase, packed, program)
    if restored is not None:
        container = container.with_mounted_directory(RESTORED, restored)
    for name, value in request.options.env.items():
        container = container.with_env_variable(name, value)
    variables = _digest(*_pairs(request.options))
    build_id = _digest(agent.digest(), packed.digest, step.root, *arguments, variables)
    options = agent.options(
        {
            **_PLACES,
            "archive": f"{INPUT}/{packed.path.name}",
            "digest": packed.digest,
            "base": f"{INPUT}/{packed.base.name}" if packed.base else None,
            "root": step.root,
            "build-id": build_id,
            "variables": variables,
            "clear": request.caches.clear or None,
            "restored": RESTORED if restored is not None else None,
            "skipped": skipped_layer or None,
            "marker": STUB_MARKER,
        }
    )
    command = [agent.PROGRAM, _SUBCOMMANDS[phase], *options, "--", *arguments]
    return _Exec(container.with_exec(command), build_id)


_SUBCOMMANDS: Mapping[Phase, str] = {"dependencies": "dependencies", "sources": "build"}
_PLACES = {"volume": VOLUME, "packages": PACKAGES, "out": OUT, "run-id": RUN_ID}


def _mounted(step: _Step, phase: Phase, packed: archive.Archive, program: dagger.File) -> dagger.Container:
    """Return the builder with all that the agent needs, owned by the user that the builder's programs run as."""
    client, user = step.request.client, step.user
    packages = client.cache_volume("pytest-dagger-rust-packages")
    container = (
        step.request.builder.with_mounted_cache(VOLUME, _volume(step, phase), owner=user)
        .with_mounted_cache(PACKAGES, packages, owner=user)
        .with_mounted_directory(OUT, agent.empty_directory(client), owner=user)
        .with_mounted_file(agent.PROGRAM, program)
        .with_mounted_secret(RUN_ID, _run_id(step.request), mode=0o444)
    )
    for path in filter(None, (packed.path, packed.base)):
        container = container.with_mounted_file(f"{INPUT}/{path.name}", client.host().file(str(path)))
    return container


def _run_id(request: BuildRequest) -> dagger.Secret:
    """Return the id of this run as what is in no cache's key: an answer with another id comes from a cache."""
    path = request.folder / f"{request.run_id}.id"
    path.write_text(request.run_id)
    return request.client.secret(f"file://{path}", cache_key="pytest-dagger-rust-run-id")


def _volume(step: _Step, phase: Phase) -> dagger.CacheVolume:
    return step.request.client.cache_volume(f"pytest-dagger-rust-{phase}-{step.volume}")


def _pairs(options: CargoOptions) -> list[str]:
    return [f"{name}={value}" for name, value in options.env.items()]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


async def _read_failure(step: _Step, build_id: str, *, phase: Phase = "sources") -> str:
    """Read what cargo said in a failed exec from the volume: the exec itself left no layer to read."""
    request, place = step.request, f"{OUT}/failure.json"
    options = agent.options(
        {"volume": VOLUME, "build-id": build_id, "out": place, "run-id": os.urandom(8).hex()}
    )
    container = (
        request.builder.with_mounted_cache(VOLUME, _volume(step, phase), owner=step.user)
        .with_mounted_directory(OUT, agent.empty_directory(request.client), owner=step.user)
        .with_mounted_file(
            agent.PROGRAM, agent.program(request.client, request.builder, agent.BUILDER, request.libc)
        )
        .with_exec([agent.PROGRAM, "failure", *options])
    )
    return await container.file(place).contents()
