"""The one room that builds the DAG: base image, dependencies from the skeleton, sources, artifacts.

Two execs do all the work. The first builds the skeleton, and its layer holds every compiled dependency; the engine
answers it from its cache while the skeleton stays the same. The second puts the sources beside a target folder kept
in a cache volume, seeds that folder from the layer where it has to, and lets cargo compile what changed. What cargo
built leaves by copy in the exec that built it. `docs/how-it-works.md` tells the whole story.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import tempfile
import time
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from pytest_dagger_rust import archive, messages
from pytest_dagger_rust.errors import DaggerRustError, RustBuildError, StaleBinaryError
from pytest_dagger_rust.lockfile import STUB_VERSION
from pytest_dagger_rust.options import CargoOptions
from pytest_dagger_rust.rust_build import BuildReport, RustBuild
from pytest_dagger_rust.stubs import STUB_MARKER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    import dagger

    from pytest_dagger_rust.engine import Engine
    from pytest_dagger_rust.skeleton import Skeleton
    from pytest_dagger_rust.workspace import RustWorkspace

Phase = Literal["dependencies", "sources"]

VOLUME = "/pytest-dagger-rust"
PACKAGES = "/pytest-dagger-rust-packages"
INPUT = "/pytest-dagger-rust-input"
SEED = f"{INPUT}/seed"
OUT = "/out"

# Exit codes of scripts/cargo.sh.
SOURCES_CHANGED, NOT_PROVED, CARGO_FAILED = 95, 96, 101


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


async def build(
    client: dagger.Client,
    workspace: RustWorkspace,
    options: CargoOptions | None = None,
    *,
    builder: dagger.Container,
    runtime: dagger.Container,
    excludes: Sequence[str] = (),
    engine: Engine | None = None,
) -> RustBuild:
    """Build the workspace in `builder`, and give its binaries on top of `runtime`.

    `excludes` are patterns for files no build needs; `engine` is the connection `client` came from, where the
    build's `blocking` methods are wanted.

    Raises RustBuildError when cargo fails, StaleBinaryError when a binary cannot be proved fresh.
    """
    started = time.time()
    with tempfile.TemporaryDirectory(prefix="pytest-dagger-rust-") as folder:
        request = BuildRequest(
            client, workspace, options or CargoOptions(), builder, runtime, tuple(excludes), Path(folder)
        )
        out, text = await _run(request)
    report = _report(text, started)
    container = runtime.with_directory("/usr/local/bin", out.directory("examples")).with_directory(
        "/usr/local/bin", out.directory("bin")
    )
    binaries = {artifact.name: artifact for artifact in messages.parse(_section(text, "sources")).executables}
    return RustBuild(MappingProxyType(binaries), report, container, out, client, engine)


async def _run(request: BuildRequest) -> tuple[dagger.Directory, str]:
    skeleton = request.workspace.skeleton()
    outside = _outside_paths(request.workspace, skeleton)
    base, root = tree_base(request.workspace, outside)
    step = _Step(request, await _volume_key(request), base, root)
    packed = archive.pack(_source_entries(request, base, outside), request.folder)
    seed = _dependencies(step, skeleton).directory(f"{OUT}/seed")
    try:
        return await _sources(step, packed, seed)
    except _DependenciesFailed:
        # A skeleton that does not build says nothing about the workspace. Without it everything is compiled in the
        # sources step: slower, and whatever is really wrong is then said in terms of the user's own files.
        return await _sources(step, packed, None)


class _DependenciesFailed(Exception):  # noqa: N818 - never seen by a user
    pass


@dataclass(frozen=True)
class _Step:
    """What both execs of a build share."""

    request: BuildRequest
    key: str
    base: Path
    root: str


def _dependencies(step: _Step, skeleton: Skeleton) -> dagger.Container:
    request = step.request
    entries = [
        *archive.text_entries((f"{step.root}/{path}", text) for path, text in skeleton.files.items()),
        *filter(
            None,
            (
                archive.disk_entry(step.base, Path(os.path.normpath(request.workspace.root / path)))
                for path in skeleton.sources
            ),
        ),
    ]
    flags = (*skeleton.selection(request.options.packages, request.options.bins, request.options.examples), *request.options.build_flags())
    return _exec(step, "dependencies", archive.pack(entries, request.folder), flags)


async def _sources(
    step: _Step, packed: archive.Archive, seed: dagger.Directory | None
) -> tuple[dagger.Directory, str]:
    options = step.request.options
    container = _exec(step, "sources", packed, (*options.selection_flags(), *options.build_flags()), seed)
    out = container.directory(OUT)
    async with _build_errors(step):
        return out, await out.file("report").contents()


def tree_base(workspace: RustWorkspace, outside: Sequence[str]) -> tuple[Path, str]:
    """Give the folder the archives are relative to, and the workspace's root relative to that.

    It is the root itself, unless the workspace reaches for packages or cargo configuration beside or above it;
    `outside` are those paths, relative to the root.
    """
    above = [os.path.normpath(workspace.root / path) for path in outside]
    base = Path(os.path.commonpath([workspace.root, *above]))
    return base, PurePosixPath(workspace.root.relative_to(base)).as_posix()


def _outside_paths(workspace: RustWorkspace, skeleton: Skeleton) -> list[str]:
    folders = [str(PurePosixPath(package.manifest_path).parent) for package in workspace.local_packages]
    files = [*skeleton.files, *skeleton.sources]
    outside = [path for path in folders if path.startswith("..")]
    outside += [path for path in files if path.startswith("..") and (workspace.root / path).is_file()]
    return [path for path in outside if not any(path.startswith(f"{folder}/") for folder in folders)]


def _source_entries(request: BuildRequest, base: Path, outside: Sequence[str]) -> Iterator[archive.Entry]:
    root = request.workspace.root
    yield from archive.disk_entries(base, root, request.excludes)
    for path in (Path(os.path.normpath(root / path)) for path in outside):
        if path.is_dir():
            yield from archive.disk_entries(base, path, request.excludes)
        elif entry := archive.disk_entry(base, path):
            yield entry


async def _volume_key(request: BuildRequest) -> str:
    """Name the volume's content: this workspace, in this place, built in this image."""
    names = sorted(package.name for package in request.workspace.packages)
    parts = [str(request.workspace.root), *names, await request.builder.id()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _exec(
    step: _Step, phase: Phase, packed: archive.Archive, flags: tuple[str, ...], seed: dagger.Directory | None = None
) -> dagger.Container:
    client = step.request.client
    container = (
        step.request.builder.with_mounted_cache(VOLUME, _volume(step, phase))
        .with_mounted_cache(PACKAGES, client.cache_volume("pytest-dagger-rust-packages"))
        .with_mounted_file(f"{INPUT}/{packed.digest}.tar", client.host().file(str(packed.path)))
        .with_env_variable("VOLUME", VOLUME)
        .with_env_variable("PACKAGES", PACKAGES)
    )
    if seed is not None:
        container = container.with_mounted_directory(SEED, seed)
    for name, value in step.request.options.env.items():
        container = container.with_env_variable(name, value)
    return container.with_exec(_command(phase, packed, step.root, flags))


def _volume(step: _Step, phase: Phase) -> dagger.CacheVolume:
    return step.request.client.cache_volume(f"pytest-dagger-rust-{phase}-{step.key}")


def _command(phase: Phase, packed: archive.Archive, root: str, flags: tuple[str, ...]) -> list[str]:
    script = resources.files(__package__).joinpath("scripts/cargo.sh").read_text("utf-8")
    build_id = hashlib.sha256("\0".join([script, packed.digest, root, *flags]).encode()).hexdigest()
    arguments = [phase, f"{INPUT}/{packed.digest}.tar", packed.digest, root, SEED, build_id, STUB_MARKER]
    return ["sh", "-c", script, "cargo.sh", *arguments, *flags]


@contextlib.asynccontextmanager
async def _build_errors(step: _Step) -> AsyncIterator[None]:
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    try:
        yield
    except dagger.ExecError as error:
        if "cargo.sh" not in error.command:
            raise
        phase, build_id = error.command[4], error.command[9]
        if phase == "dependencies":
            raise _DependenciesFailed from None
        raise await _explained(step, error, build_id) from None


async def _explained(step: _Step, error: dagger.ExecError, build_id: str) -> DaggerRustError:
    prefix = "pytest-dagger-rust: "
    said = "\n".join(line.removeprefix(prefix) for line in error.stderr.splitlines() if line.startswith(prefix))
    if error.exit_code == NOT_PROVED:
        return StaleBinaryError(said)
    if error.exit_code == CARGO_FAILED:
        return await _cargo_failure(step, build_id)
    return DaggerRustError(f"The build container failed (exit code {error.exit_code}).\n{said or error.stderr}")


async def _cargo_failure(step: _Step, build_id: str) -> RustBuildError:
    """Read what cargo said in a failed exec from the volume: the exec itself left no layer to read."""
    script = f"""
        cd {VOLUME}/failed
        [ "$(cat id)" = {build_id} ] && cat messages
        echo "== stderr"
        cat stderr
    """
    container = (
        step.request.builder.with_mounted_cache(VOLUME, _volume(step, "sources"))
        .with_env_variable("PYTEST_DAGGER_RUST_RUN", os.urandom(8).hex())
        .with_exec(["sh", "-c", f"( {script} ) >/failure"])
    )
    said, _, stderr = (await container.file("/failure").contents()).partition("== stderr\n")
    diagnostics = messages.parse(said.splitlines()).diagnostics
    return RustBuildError(_failure_text(diagnostics, stderr), diagnostics=diagnostics)


_CARGO_PROGRESS = re.compile(r"\s+(Compiling|Updating|Downloading|Downloaded|Locking|Adding|Fresh|Blocking|Checking) ")


def _failure_text(diagnostics: Sequence[messages.Diagnostic], stderr: str) -> str:
    rendered = [diagnostic.rendered.rstrip("\n") for diagnostic in diagnostics if diagnostic.level != "warning"]
    own = [line for line in stderr.splitlines() if not _CARGO_PROGRESS.match(line)]
    return "\n\n".join(filter(None, [*rendered, "\n".join(own).strip()]))


def _section(text: str, name: str) -> list[str]:
    lines = text.splitlines()
    start = lines.index(f"== {name}") + 1
    end = next((i for i in range(start, len(lines)) if lines[i].startswith("== ")), len(lines))
    return lines[start:end]


def _report(text: str, started: float) -> BuildReport:
    sources = messages.parse(_section(text, "sources"))
    dependencies = messages.parse(_section(text, "dependencies"))
    cached = _finished(text, "sources finished") < started
    compiled: list[str] = []
    if _finished(text, "dependencies finished") >= started:
        stubs = {artifact.package for artifact in dependencies.artifacts if artifact.version == STUB_VERSION}
        compiled += [name for name in dependencies.compiled if name not in stubs]
    if not cached:
        compiled += sources.compiled
    everything = dict.fromkeys(artifact.package for artifact in sources.artifacts)
    return BuildReport(
        compiled=tuple(compiled),
        fresh=tuple(name for name in everything if name not in compiled),
        seconds=time.time() - started,
        cached=cached,
        diagnostics=sources.diagnostics,
        steps={} if cached else _steps(_section(text, "steps")),
    )


def _finished(text: str, section: str) -> float:
    """Seconds since the epoch; 0 for a step that was left out. A busybox knows no fractions: its second counts full."""
    lines = _section(text, section)
    if not lines:
        return 0.0
    whole, _, fraction = lines[0].partition(".")
    return float(f"{whole}.{fraction if fraction.isdigit() else 999}")


def _steps(lines: Sequence[str]) -> dict[str, float]:
    marks = [(name, float(uptime)) for name, uptime in (line.split() for line in lines)]
    return {name: ended - began for (_, began), (name, ended) in itertools.pairwise(marks)}
