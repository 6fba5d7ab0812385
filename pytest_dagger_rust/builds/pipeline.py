"""The one room that builds the DAG: base image, dependencies from the skeleton, sources, artifacts.

Two execs do all the work. The first builds the skeleton, and its layer holds every compiled dependency; the engine
answers it from its cache while the skeleton stays the same, and where the second has a target folder to start from, a
new layer is done without. The second puts the sources beside a target folder kept
in a cache volume, seeds that folder from the layer where it has to, and lets cargo compile what changed. What cargo
built leaves by copy in the exec that built it. `docs/how-it-works.md` tells the whole story.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from pytest_dagger_rust.builds import archive, base_archive, builders, messages
from pytest_dagger_rust.builds.caches import Caches
from pytest_dagger_rust.builds.failures import (
    DependenciesFailedError,
    LayerNeededError,
    SourcesChangedError,
    build_errors,
    engine_errors,
)
from pytest_dagger_rust.builds.options import CargoOptions
from pytest_dagger_rust.builds.outcome import layer_of, read_report, section
from pytest_dagger_rust.builds.source_tree import outside_paths, source_entries, tree_base
from pytest_dagger_rust.container import agent
from pytest_dagger_rust.container.scripts import script
from pytest_dagger_rust.rust_build import RustBuild
from pytest_dagger_rust.skeleton.stubs import STUB_MARKER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import dagger

    from pytest_dagger_rust.engine.engine import Engine
    from pytest_dagger_rust.rust_build import BuildReport
    from pytest_dagger_rust.skeleton.skeleton import Skeleton
    from pytest_dagger_rust.workspace import RustWorkspace

Phase = Literal["dependencies", "sources"]

VOLUME = "/pytest-dagger-rust"
# To be raised when what the scripts keep on a volume is no longer what earlier ones have kept there.
VOLUME_LAYOUT = "2"
PACKAGES = "/pytest-dagger-rust-packages"
INPUT = "/pytest-dagger-rust-input"
SEED = f"{INPUT}/seed"
OUT = "/out"


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

    def dependency_arguments(self, skeleton: Skeleton) -> tuple[str, ...]:
        """Return cargo's subcommand and flags for the skeleton."""
        return ("build", *skeleton.selection(self.options, tests=self.tests), *self.options.build_flags())

    def source_arguments(self) -> tuple[str, ...]:
        """Return cargo's subcommand and flags for the sources."""
        subcommand = ("test", "--tests", "--no-fail-fast") if self.tests else ("build",)
        return (*subcommand, *self.options.selection_flags(), *self.options.build_flags())


async def build(
    client: dagger.Client,
    workspace: RustWorkspace,
    options: CargoOptions | None = None,
    *,
    builder: dagger.Container,
    runtime: dagger.Container,
    excludes: Sequence[str] = (),
    engine: Engine | None = None,
    caches: Caches | None = None,
) -> RustBuild:
    """Build the workspace in `builder`, and give its binaries on top of `runtime`.

    `excludes` are patterns for files no build needs; `engine` is the connection `client` came from, where the
    build's `blocking` methods are wanted.

    Raises RustBuildError when cargo fails, StaleBinaryError when a binary cannot be proved fresh,
    EngineUnavailable when the engine is lost on the way, and DaggerRustError for an image that cannot be used.
    """
    started = time.time()
    with tempfile.TemporaryDirectory(prefix="pytest-dagger-rust-") as folder:
        request = BuildRequest(
            client,
            workspace,
            options or CargoOptions(),
            builder,
            runtime,
            tuple(excludes),
            Path(folder),
            caches or Caches(),
        )
        out, text, report = await run_build(request, started)
    container = runtime.with_directory("/usr/local/bin", out.directory("examples")).with_directory(
        "/usr/local/bin", out.directory("bin")
    )
    said = messages.parse(section(text, "sources"))
    libraries = {name: artifact for artifact in said.artifacts for name in artifact.libraries}
    binaries = {artifact.name: artifact for artifact in said.executables}
    return RustBuild(
        MappingProxyType(binaries),
        MappingProxyType(libraries),
        report,
        container,
        out,
        client,
        engine,
        agent_folder=agent.folder(client, builder),
    )


async def run_build(request: BuildRequest, started: float) -> tuple[dagger.Directory, str, BuildReport]:
    """Run the execs of a build that began at `started`, in seconds since the epoch.

    Returns the folder that the last one hands out, all that it said, and the report read from that.
    """
    name = _digest(str(request.workspace.root), *request.source_arguments(), *_pairs(request.options))
    async with engine_errors():
        volume = await _volume_key(request)
        async with request.caches.turn(name[:24]):
            out, text = await _run(request, volume)
    return out, text, _told_report(request.caches, volume, text, started)


def _told_report(caches: Caches, volume: str, text: str, started: float) -> BuildReport:
    """Read the report, and remember what the build has left."""
    report, layer = read_report(text, started), layer_of(text)
    states = caches.told(volume, layer, report.caches)
    caches.remember(volume, layer)
    return replace(report, caches=states)


async def _run(request: BuildRequest, volume: str) -> tuple[dagger.Directory, str]:
    skeleton = request.workspace.skeleton()
    outside = outside_paths(request.workspace, skeleton)
    base, root = tree_base(request.workspace, outside)
    step = _Step(request, volume, base, root)
    try:
        return await _run_execs(step, skeleton, _packed(step, outside, request.caches.folder))
    except SourcesChangedError:
        if request.caches.folder is None:
            raise
        base_archive.forget_all(request.caches.folder)
        return await _run_execs(step, skeleton, _packed(step, outside, None))


async def _run_execs(
    step: _Step, skeleton: Skeleton, packed: archive.Archive
) -> tuple[dagger.Directory, str]:
    dependencies = _dependencies(step, skeleton)
    # A lock file that cargo has to make is made with the layer.
    has_lock = (step.request.workspace.root / "Cargo.lock").is_file()
    if has_lock and step.request.caches.does_without(step.volume, dependencies.build_id):
        with contextlib.suppress(LayerNeededError):
            return await _sources(step, packed, None, without=dependencies.build_id)
    try:
        return await _sources(step, packed, dependencies.container.directory(f"{OUT}/seed"))
    except DependenciesFailedError:
        # A skeleton that does not build says nothing about the workspace. Without it everything is compiled in the
        # sources step: slower, and whatever is really wrong is then said in terms of the user's own files.
        return await _sources(step, packed, None)


def _packed(step: _Step, outside: Sequence[str], cache: Path | None) -> archive.Archive:
    request = step.request

    def entries() -> Iterator[archive.Entry]:
        return source_entries(request.workspace, request.excludes, step.base, outside)

    return base_archive.pack_tree(entries, request.folder, cache)


@dataclass(frozen=True)
class _Step:
    """What both execs of a build share."""

    request: BuildRequest
    volume: str
    base: Path
    root: str


@dataclass(frozen=True)
class _Exec:
    """A run of cargo.sh, and what names it."""

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
    step: _Step, packed: archive.Archive, seed: dagger.Directory | None, *, without: str = ""
) -> tuple[dagger.Directory, str]:
    """Build on a layer of dependencies, or `without` the one of this name."""
    run = _exec(step, "sources", packed, step.request.source_arguments(), seed, without)
    out = run.container.directory(OUT)
    async with build_errors(functools.partial(_read_failure, step)):
        return out, await out.file("report").contents()


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
    seed: dagger.Directory | None = None,
    without: str = "",
) -> _Exec:
    client = step.request.client
    container = (
        step.request.builder.with_mounted_cache(VOLUME, _volume(step, phase))
        .with_mounted_cache(PACKAGES, client.cache_volume("pytest-dagger-rust-packages"))
        .with_mounted_file(f"{INPUT}/{packed.path.name}", client.host().file(str(packed.path)))
        .with_env_variable("VOLUME", VOLUME)
        .with_env_variable("PACKAGES", PACKAGES)
        .with_env_variable("BUILD_VARIABLES", _digest(*_pairs(step.request.options)))
    )
    if packed.base is not None:
        base = client.host().file(str(packed.base))
        container = container.with_mounted_file(f"{INPUT}/{packed.base.name}", base)
    if seed is not None:
        container = container.with_mounted_directory(SEED, seed)
    for name, value in step.request.options.env.items():
        container = container.with_env_variable(name, value)
    text = script("tree.sh", "proofs.sh", "cargo.sh")
    build_id = _digest(text, packed.digest, step.root, *arguments, *_pairs(step.request.options))
    base_path = f"{INPUT}/{packed.base.name}" if packed.base else ""
    inputs = [f"{INPUT}/{packed.path.name}", packed.digest, base_path, step.root, SEED, without]
    command = ["sh", "-c", text, "cargo.sh", phase, build_id, *inputs, STUB_MARKER, step.request.caches.clear]
    return _Exec(container.with_exec([*command, *arguments]), build_id)


def _volume(step: _Step, phase: Phase) -> dagger.CacheVolume:
    return step.request.client.cache_volume(f"pytest-dagger-rust-{phase}-{step.volume}")


def _pairs(options: CargoOptions) -> list[str]:
    return [f"{name}={value}" for name, value in options.env.items()]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


async def _read_failure(step: _Step, build_id: str) -> tuple[str, str]:
    """Read what cargo said in a failed exec from the volume: the exec itself left no layer to read."""
    read = f"""
        cd {VOLUME}/failed
        [ "$(cat id)" = {build_id} ] && cat messages
        echo "== stderr"
        cat stderr
    """
    container = (
        step.request.builder.with_mounted_cache(VOLUME, _volume(step, "sources"))
        .with_env_variable("PYTEST_DAGGER_RUST_RUN", os.urandom(8).hex())
        .with_exec(["sh", "-c", f"( {read} ) >/failure"])
    )
    said, _, stderr = (await container.file("/failure").contents()).partition("== stderr\n")
    return said, stderr
