"""The execs of a build: the builder with all that the agent needs, and the agent's command line."""

from __future__ import annotations

import hashlib
import os
import tempfile
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytest_dagger_rust.builds import attempts, toolchains
from pytest_dagger_rust.builds.access import BuildAccess
from pytest_dagger_rust.builds.caches import Caches
from pytest_dagger_rust.container import agent
from pytest_dagger_rust.skeleton.stubs import STUB_MARKER

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dagger

    from pytest_dagger_rust.builds import archive
    from pytest_dagger_rust.builds.options import CargoOptions
    from pytest_dagger_rust.skeleton.skeleton import Skeleton
    from pytest_dagger_rust.workspace import RustWorkspace

Phase = Literal["dependencies", "sources"]

VOLUME = "/pytest-dagger-rust"
# Raise it when the agent changes the layout of a volume.
VOLUME_LAYOUT = "3"
PACKAGES = "/pytest-dagger-rust-packages"
DOWNLOADS = "/pytest-dagger-rust-downloads"
SHARED_DOWNLOADS = "/pytest-dagger-rust-shared-downloads"
INPUT = "/pytest-dagger-rust-input"
RESTORED = f"{INPUT}/dependencies"
STATE = f"{INPUT}/state"
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
    access: BuildAccess = field(default_factory=BuildAccess)
    tests: bool = False
    libc: str = agent.STATIC
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    # Those of another machine, where this one has none.
    agents: agent.Agents | None = None
    # What is not sent, because it may hold secrets; found while the sources are read.
    withheld: set[str] = field(default_factory=set[str])

    def program(self) -> dagger.File:
        """Return the half of the agent that builds."""
        if self.agents is not None:
            return self.agents.builder
        return agent.program(self.client, self.builder, agent.BUILDER, self.libc)

    def runner(self) -> dagger.Directory:
        """Return the folder with the half of the agent that runs."""
        if self.agents is not None:
            return self.agents.runner
        return agent.folder(self.client, self.builder, self.libc)

    def dependency_arguments(self, skeleton: Skeleton) -> tuple[str, ...]:
        """Return cargo's subcommand and flags for the skeleton."""
        # cargo compiles the dependencies of tests with the profile of tests, too.
        options = self.options
        if self.tests and options.profile == "dev":
            options = replace(options, profile="test")
        return (*skeleton.command(options, tests=self.tests), *options.build_flags(), *self._offline())

    def fetch_arguments(self) -> tuple[str, ...]:
        """Return the flags of `cargo fetch` that a build of these options needs."""
        options = self.options
        flags = ["--target", options.target] if options.target else []
        flags += ["--locked"] if options.locked else []
        return (*flags, "--offline") if options.offline else tuple(flags)

    def source_arguments(self) -> tuple[str, ...]:
        """Return cargo's subcommand and flags for the sources."""
        if not self.tests:
            flags = (*self.options.build_flags(), *self._offline())
            return ("build", *self.options.selection_flags(), *flags)
        flags = (*self.options.build_flags(tests=True), *self._offline())
        return ("test", "--no-fail-fast", *self.options.selection_flags(), *flags)

    def _offline(self) -> tuple[str, ...]:
        # Or cargo would try what the kernel refuses, and try it again.
        return ("--offline",) if self.access.network == "fetch" and not self.options.offline else ()


@dataclass(frozen=True)
class Step:
    """What the execs of a build share.

    `builder` is the request's with the toolchain that the workspace names, `packages` are those that it needs.
    """

    request: BuildRequest
    volume: str
    base: Path
    root: str
    user: str
    builder: dagger.Container
    packages: dagger.Directory


@dataclass(frozen=True)
class Exec:
    """A run of the agent, and what names it."""

    container: dagger.Container
    build_id: str


@dataclass(frozen=True)
class Start:
    """What a source build starts from.

    `restored` is the result of a dependency build, `skipped` the name of one that is not made, and `state` what another
    machine's volume had.
    """

    restored: dagger.Directory | None = None
    skipped: str = ""
    state: dagger.Directory | None = None


def prepare(
    step: Step,
    phase: Phase,
    packed: archive.Archive,
    arguments: tuple[str, ...],
    start: Start = Start(),
) -> Exec:
    """Return a run of the agent, to build what was packed."""
    request = step.request
    variables = digest(*pairs(request.options))
    build_id = digest(agent.digest(), packed.digest, step.root, *arguments, variables)
    container = _mounted(step, phase, packed, build_id)
    for place, directory in ((RESTORED, start.restored), (STATE, start.state)):
        if directory is not None:
            container = container.with_mounted_directory(place, directory)
    options = agent.options(
        {
            **_PLACES,
            **_sources(step, packed),
            "build-id": build_id,
            "variables": variables,
            "clear": request.caches.clear or None,
            "restored": RESTORED if start.restored is not None else None,
            "state": STATE if start.state is not None else None,
            "skipped": start.skipped or None,
            "marker": STUB_MARKER,
            **request.access.build_options(),
        }
    )
    command = [agent.PROGRAM, _SUBCOMMANDS[phase], *options, "--", *arguments]
    return Exec(container.with_exec(command), build_id)


_SUBCOMMANDS: Mapping[Phase, str] = {"dependencies": "dependencies", "sources": "build"}
_PLACES = {"volume": VOLUME, "packages": PACKAGES, "out": OUT, "run-id": RUN_ID}


def fetched(step: Step, packed: archive.Archive) -> dagger.Directory:
    """Return the packages that what was packed needs, like cargo's home.

    No build script runs where they are downloaded, and what build scripts do to them later is in no other build.
    """
    client, user = step.request.client, step.user
    container = (
        attempts.with_attempt(_with_inputs(step, step.builder, packed), step.volume)
        .with_mounted_cache(
            DOWNLOADS, client.cache_volume(f"pytest-dagger-rust-downloads-{step.volume}"), owner=user
        )
        .with_mounted_cache(SHARED_DOWNLOADS, client.cache_volume("pytest-dagger-rust-downloads"), owner=user)
    )
    access = step.request.access
    container = access.with_secrets(client, container, step.request.caches.folder, user)
    places = {"volume": DOWNLOADS, "shared": SHARED_DOWNLOADS, "out": OUT}
    options = agent.options({**places, **_sources(step, packed), **access.fetch_options()})
    command = [agent.PROGRAM, "fetch", *options, "--", *step.request.fetch_arguments()]
    return container.with_exec(command).directory(OUT)


def _sources(step: Step, packed: archive.Archive) -> dict[str, str | None]:
    """Return the options that say where the sources are, and what is where in them."""
    request = step.request
    return {
        "archive": f"{INPUT}/{packed.path.name}",
        "digest": packed.digest,
        "base": f"{INPUT}/{packed.base.name}" if packed.base else None,
        "root": step.root,
        "lock": request.workspace.lock_file.relative_to(step.base).as_posix(),
        **toolchains.choice(request.workspace, request.options, step.base),
    }


def _mounted(step: Step, phase: Phase, packed: archive.Archive, build_id: str) -> dagger.Container:
    """Return the builder with all that the agent needs, owned by the user that the builder's programs run as."""
    # The packages were written by the same user.
    container = (
        step.builder.with_mounted_directory(PACKAGES, step.packages)
        .with_mounted_cache(VOLUME, _volume(step, phase), owner=step.user)
        .with_mounted_secret(RUN_ID, _run_id(step.request, f"{step.volume}-{build_id}"), mode=0o444)
    )
    return _with_inputs(step, container, packed)


def _with_inputs(step: Step, container: dagger.Container, packed: archive.Archive) -> dagger.Container:
    """Return the container with the agent, what was packed, the variables, and a folder for what leaves."""
    client, program = step.request.client, step.request.program()
    container = container.with_mounted_directory(
        OUT, agent.empty_directory(client), owner=step.user
    ).with_mounted_file(agent.PROGRAM, program)
    for path in filter(None, (packed.path, packed.base)):
        container = container.with_mounted_file(f"{INPUT}/{path.name}", client.host().file(str(path)))
    for name, value in step.request.options.env.items():
        container = container.with_env_variable(name, value)
    return container


def _run_id(request: BuildRequest, name: str) -> dagger.Secret:
    """Return the id of this run as what is in no cache's key: an answer with another id comes from a cache.

    A session has one secret of each key, so other builds that run at once have other keys.
    """
    path = request.folder / f"{request.run_id}.id"
    path.write_text(request.run_id)
    return request.client.secret(f"file://{path}", cache_key=f"pytest-dagger-rust-run-id-{name}")


def _volume(step: Step, phase: Phase) -> dagger.CacheVolume:
    return step.request.client.cache_volume(f"pytest-dagger-rust-{phase}-{step.volume}")


def pairs(options: CargoOptions) -> list[str]:
    """Return the variables of a build as NAME=value."""
    return [f"{name}={value}" for name, value in options.env.items()]


def digest(*parts: str) -> str:
    """Return a name for these texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


async def read_failure(step: Step, build_id: str, *, phase: Phase = "sources") -> str:
    """Read what cargo said in a failed exec from the volume: the exec itself left no layer to read."""
    place = f"{OUT}/failure.json"
    options = agent.options(
        {"volume": VOLUME, "build-id": build_id, "out": place, "run-id": os.urandom(8).hex()}
    )
    container = _beside_volume(step, phase).with_exec([agent.PROGRAM, "failure", *options])
    return await container.file(place).contents()


def copied_state(step: Step) -> dagger.Directory:
    """Return a copy of what the volume of the sources has by now."""
    options = agent.options({"volume": VOLUME, "out": OUT, "run-id": step.request.run_id})
    return _beside_volume(step, "sources").with_exec([agent.PROGRAM, "state", *options]).directory(OUT)


def _beside_volume(step: Step, phase: Phase) -> dagger.Container:
    """Return the builder with the volume and the agent, and nothing to build."""
    client = step.request.client
    return (
        step.request.builder.with_mounted_cache(VOLUME, _volume(step, phase), owner=step.user)
        .with_mounted_directory(OUT, agent.empty_directory(client), owner=step.user)
        .with_mounted_file(agent.PROGRAM, step.request.program())
    )
