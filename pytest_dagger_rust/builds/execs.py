"""The execs of a build: the builder with all that the agent needs, and the agent's command line."""

from __future__ import annotations

import hashlib
import os
import tempfile
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pytest_dagger_rust.builds import toolchains
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
        return (*skeleton.command(options, tests=self.tests), *options.build_flags())

    def source_arguments(self) -> tuple[str, ...]:
        """Return cargo's subcommand and flags for the sources."""
        if not self.tests:
            return ("build", *self.options.selection_flags(), *self.options.build_flags())
        flags = self.options.build_flags(tests=True)
        return ("test", "--no-fail-fast", *self.options.selection_flags(), *flags)


@dataclass(frozen=True)
class Step:
    """What both execs of a build share; `builder` is the request's with the toolchain that the workspace names."""

    request: BuildRequest
    volume: str
    base: Path
    root: str
    user: str
    builder: dagger.Container


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
    for name, value in request.options.env.items():
        container = container.with_env_variable(name, value)
    options = agent.options(
        {
            **_PLACES,
            "archive": f"{INPUT}/{packed.path.name}",
            "digest": packed.digest,
            "base": f"{INPUT}/{packed.base.name}" if packed.base else None,
            "root": step.root,
            "lock": request.workspace.lock_file.relative_to(step.base).as_posix(),
            "build-id": build_id,
            "variables": variables,
            "clear": request.caches.clear or None,
            "restored": RESTORED if start.restored is not None else None,
            "state": STATE if start.state is not None else None,
            "skipped": start.skipped or None,
            "marker": STUB_MARKER,
            **toolchains.choice(request.workspace, request.options, step.base),
        }
    )
    command = [agent.PROGRAM, _SUBCOMMANDS[phase], *options, "--", *arguments]
    return Exec(container.with_exec(command), build_id)


_SUBCOMMANDS: Mapping[Phase, str] = {"dependencies": "dependencies", "sources": "build"}
_PLACES = {"volume": VOLUME, "packages": PACKAGES, "out": OUT, "run-id": RUN_ID}


def _mounted(step: Step, phase: Phase, packed: archive.Archive, build_id: str) -> dagger.Container:
    """Return the builder with all that the agent needs, owned by the user that the builder's programs run as."""
    client, user = step.request.client, step.user
    packages = client.cache_volume("pytest-dagger-rust-packages")
    container = (
        step.builder.with_mounted_cache(VOLUME, _volume(step, phase), owner=user)
        .with_mounted_cache(PACKAGES, packages, owner=user)
        .with_mounted_directory(OUT, agent.empty_directory(client), owner=user)
        .with_mounted_file(agent.PROGRAM, step.request.program())
        .with_mounted_secret(RUN_ID, _run_id(step.request, f"{step.volume}-{build_id}"), mode=0o444)
    )
    for path in filter(None, (packed.path, packed.base)):
        container = container.with_mounted_file(f"{INPUT}/{path.name}", client.host().file(str(path)))
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
