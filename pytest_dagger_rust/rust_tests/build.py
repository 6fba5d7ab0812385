"""The test binaries of a workspace: built like programs, and placed where `cargo test` would run them."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_dagger_rust import scratch
from pytest_dagger_rust.builds.access import BuildAccess
from pytest_dagger_rust.builds.caches import Caches
from pytest_dagger_rust.builds.execs import VOLUME, BuildRequest
from pytest_dagger_rust.builds.pipeline import run_build
from pytest_dagger_rust.container import agent
from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.errors import DaggerRustError
from pytest_dagger_rust.run.inputs import HostInputs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import dagger

    from pytest_dagger_rust.builds.agent_report import AgentReport, Record
    from pytest_dagger_rust.builds.made import Made
    from pytest_dagger_rust.builds.messages import Artifact
    from pytest_dagger_rust.builds.options import CargoOptions
    from pytest_dagger_rust.builds.report import BuildReport
    from pytest_dagger_rust.workspace import RustWorkspace

# What the build and the engine set, and `cargo test` on a user's machine would not.
_OURS = re.compile(
    "CARGO_BUILD_BUILD_DIR|CARGO_BUILD_DEP_INFO_BASEDIR|CARGO_TARGET_DIR|CARGO_TARGET_.*_RUNNER|RUSTDOC"
    "|CARGO_TERM_PROGRESS_.*|PYTEST_DAGGER_RUST_.*|OTEL_.*|TRACEPARENT|PWD|OLDPWD"
)

_LISTED = re.compile(r"(?P<name>\S.*): test")


@dataclass(frozen=True, eq=False)
class RustTestBinary:
    """One test binary; `src_path` is relative to the workspace's root, the other paths are the container's.

    `kind` is that of its target: "lib", "bin", "test", "example" or "bench"; `triple` is what it was built for.
    `folder` and `env` are those that `cargo test` runs it with. One without `harness` has a `main` of its own.

    One of the kind "doc" is rustdoc with the `arguments` for a library, whose doctests are `names`.
    """

    package: str
    target: str
    kind: str
    src_path: str
    harness: bool
    executable: str
    folder: str
    env: Mapping[str, str] = field(repr=False)
    triple: str = ""
    arguments: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class RustTestBuild:
    """All test binaries of one build, by source file, and the container in which they can be run.

    `root` is the workspace's folder in it.
    """

    binaries: tuple[RustTestBinary, ...]
    report: BuildReport
    client: dagger.Client
    container: dagger.Container
    inputs: HostInputs
    root: str = ""


async def build_tests(
    client: dagger.Client,
    workspace: RustWorkspace,
    options: CargoOptions,
    *,
    builder: dagger.Container,
    runner: dagger.Container | None = None,
    excludes: Sequence[str] = (),
    caches: Caches | None = None,
    access: BuildAccess | None = None,
) -> RustTestBuild:
    """Build the tests of the selected packages in `builder`, as `cargo test` does.

    `runner` is the container to run them in, where it is another one.

    Raises what `build` raises.
    """
    started = time.time()
    with scratch.temporary_folder() as folder:
        request = BuildRequest(
            client,
            workspace,
            options,
            builder,
            runner or builder,
            tuple(excludes),
            folder,
            caches or Caches(),
            access or BuildAccess(),
            tests=True,
        )
        made = await run_build(request, started)
    container = await _with_surroundings(runner or made.builder, made)
    # cargo reports them as they finish; every pytest-xdist worker needs the same order.
    found = (*_binaries(workspace, made.said), *_doctests(made.said))
    binaries = tuple(sorted(found, key=lambda b: (b.src_path, b.kind == "doc", b.kind, b.target)))
    container = agent.installed(client, container, made.runner)
    return RustTestBuild(binaries, made.report, client, container, HostInputs(client), made.said.root)


async def _with_surroundings(container: dagger.Container, made: Made) -> dagger.Container:
    """Return the container with what tests look for, and may write to, as whichever user they run."""
    owner = await container.user()
    places = {f"{VOLUME}/target": "target", f"{VOLUME}/files": "files"}
    # What calls cargo finds the workspace's own packages without a network.
    places |= {f"{made.said.home}/{name}": f"packages/{name}" for name in ("registry", "git")}
    for place, name in places.items():
        container = container.with_mounted_directory(place, made.out.directory(name), owner=owner)
    return container


def _binaries(workspace: RustWorkspace, said: AgentReport) -> Iterator[RustTestBinary]:
    harnessless = {
        (package.name, target.kind, target.name)
        for package in workspace.packages
        for target in package.targets
        if not target.harness
    }
    for artifact, record in _recorded(said):
        # The kind of a library is what it is compiled to.
        kind = artifact.kind[0] if artifact.kind[0] in {"bin", "test", "example", "bench"} else "lib"
        yield RustTestBinary(
            package=artifact.package,
            target=artifact.name,
            kind=kind,
            src_path=os.path.relpath(artifact.src_path, said.root),
            harness=(artifact.package, kind, artifact.name) not in harnessless,
            executable=record.program,
            triple=record.triple,
            folder=record.folder,
            env=MappingProxyType(_environment(record)),
        )


def _recorded(said: AgentReport) -> Iterator[tuple[Artifact, Record]]:
    """Yield each test binary that cargo has built with the way cargo calls it.

    Raises DaggerRustError where there is one without the other: its tests would be missing without a word.
    """
    records = {record.program: record for record in said.tests}
    built = {artifact.executable: artifact for artifact in said.said.tests}
    if without := sorted(set(map(str, built)) ^ set(records)):
        raise DaggerRustError(
            f"cargo has built test binaries and not run them, or run others: {', '.join(without)}.\n"
            "  Does a wrapper stand in for cargo in the builder image, or is a target of its own chosen there?"
        )
    for executable, record in records.items():
        yield built[executable], record


def _doctests(said: AgentReport) -> Iterator[RustTestBinary]:
    for record in said.doctests:
        words = record.arguments
        source = next(word for word in words if word.endswith(".rs"))
        env = _environment(record)
        yield RustTestBinary(
            package=env["CARGO_PKG_NAME"],
            target=words[words.index("--crate-name") + 1],
            kind="doc",
            src_path=os.path.relpath(os.path.join(record.folder, source), said.root),  # noqa: PTH118 - keeps ".."
            harness=True,
            executable=record.program,
            folder=record.folder,
            env=MappingProxyType(env),
            arguments=words,
            names=tuple(dict.fromkeys(listed_names(record.listed))),
            ignored=tuple(listed_names(record.ignored)),
        )


def listed_names(text: str) -> list[str]:
    """Return the tests that a harness lists."""
    return [found["name"] for line in lines_of(text) if (found := _LISTED.fullmatch(line))]


def _environment(record: Record) -> dict[str, str]:
    return {name: value for name, value in record.environment.items() if not _OURS.fullmatch(name)}
