"""The binaries of one build, and what a test can do with them."""

from __future__ import annotations

import contextlib
import difflib
import time
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from pytest_dagger_rust import scratch
from pytest_dagger_rust.builds.access import BuildAccess
from pytest_dagger_rust.builds.caches import Caches
from pytest_dagger_rust.builds.execs import BuildRequest
from pytest_dagger_rust.builds.options import CargoOptions
from pytest_dagger_rust.builds.pipeline import run_build
from pytest_dagger_rust.container import agent
from pytest_dagger_rust.errors import ConfigurationError
from pytest_dagger_rust.run import keywords, started
from pytest_dagger_rust.run.blocking_service import BlockingService
from pytest_dagger_rust.run.export import export
from pytest_dagger_rust.run.inputs import HostInputs
from pytest_dagger_rust.run.running import RunRequest, RunResult, run
from pytest_dagger_rust.run.sandbox import Sandbox, SandboxRunner
from pytest_dagger_rust.run.service import ServiceRequest
from pytest_dagger_rust.run.service_runner import ServiceRunner
from pytest_dagger_rust.run.setup import Runtime, Setup
from pytest_dagger_rust.run.unawaited import AsyncContext, watched

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from os import PathLike
    from pathlib import Path

    import dagger
    from typing_extensions import Unpack

    from pytest_dagger_rust.builds.messages import Artifact
    from pytest_dagger_rust.builds.report import BuildReport
    from pytest_dagger_rust.engine.engine import Engine
    from pytest_dagger_rust.run.running import RunOptions
    from pytest_dagger_rust.run.sandbox import BlockingSandbox
    from pytest_dagger_rust.run.service import Service, ServiceOptions
    from pytest_dagger_rust.run.setup import SetupOptions
    from pytest_dagger_rust.workspace import RustWorkspace

T = TypeVar("T")


class RustBuild:
    """The binaries of one build, ready to run in containers.

    Its methods are coroutines that any event loop can await; `blocking` has them as ordinary methods.
    `artifacts` is the folder of everything that left the build, cargo's messages included. `packages` is a folder like
    cargo's home, with the packages that the build needed.
    """

    def __init__(  # noqa: PLR0913 - what a build has made, by name
        self,
        binaries: Mapping[str, Artifact],
        libraries: Mapping[str, Artifact],
        report: BuildReport,
        container: dagger.Container,
        artifacts: dagger.Directory,
        client: dagger.Client,
        engine: Engine | None = None,
        *,
        agents: agent.Agents,
        packages: dagger.Directory,
    ) -> None:
        self.binaries = binaries
        self.libraries = libraries
        self.report = report
        self.container = container
        self.artifacts = artifacts
        self.agents = agents
        self.packages = packages
        self._runtime = Runtime(agent.installed(client, container, agents.runner), HostInputs(client))
        self._client = client
        self._engine = engine

    def __repr__(self) -> str:
        return f"<RustBuild {', '.join(self.binaries) or 'without binaries'}>"

    @property
    def blocking(self) -> BlockingRustBuild:
        """The same build with ordinary methods, for plain functions.

        Raises ConfigurationError if the build was made without an Engine.
        """
        if self._engine is None:
            msg = "blocking: this build has no Engine to wait on; pass `engine=` to build(), or await its methods."
            raise ConfigurationError(msg)
        return BlockingRustBuild(self, self._engine)

    @watched
    async def run(self, name: str, *args: str, **options: Unpack[RunOptions]) -> RunResult:
        """Run a binary in a new container and return its result.

        Raises ConfigurationError for an unknown binary or invalid options, RunTimeoutError, and with `check`
        RunFailedError.
        """
        self._artifact(name)
        return await self._run("run", (name, *args), options)

    @watched
    async def exec(self, command: Sequence[str], **options: Unpack[RunOptions]) -> RunResult:
        """Run any command of the runtime container as `run` does a binary: `await build.exec(["ls", "-l", "/"])`.

        Raises ConfigurationError for a command that is not there or invalid options, RunTimeoutError, and with `check`
        RunFailedError.
        """
        self._check_open()
        if isinstance(command, (str, bytes)) or not command:
            raise ConfigurationError(f"exec takes a list, such as ['ls', '-l']: got {command!r}.")
        return await self._run("exec", tuple(command), options)

    async def _run(self, what: str, command: tuple[str, ...], options: Mapping[str, Any]) -> RunResult:
        made = keywords.request(RunRequest, what, command, options)
        started.note(started.Started(self._client, self._engine, self._runtime, made))
        return await run(self._runtime, made)

    def service(
        self, name: str, *args: str, **options: Unpack[ServiceOptions]
    ) -> AbstractAsyncContextManager[Service]:
        """Run a binary as a server while the context lasts: `async with build.service("api", ports=[8080]) as api`.

        Raises ConfigurationError for an unknown binary or invalid options, and ServiceError if the service ends by
        itself or does not become healthy.
        """
        return AsyncContext(self._serving(self.service_runner(name, *args, **options)), "service")

    @contextlib.asynccontextmanager
    async def _serving(self, runner: ServiceRunner) -> AsyncGenerator[Service]:
        service = await self._on_client_loop(runner.start)
        try:
            yield service
        except BaseException:
            await self._on_client_loop(partial(runner.stop, quiet=True))
            raise
        await self._on_client_loop(runner.stop)

    def service_runner(self, name: str, *args: str, **options: Unpack[ServiceOptions]) -> ServiceRunner:
        """Return an object that starts and stops a binary as a server, where `with` cannot be used; see `service`."""
        self._artifact(name)
        request = keywords.request(ServiceRequest, "service", (name, *args), options)
        started.note(started.Started(self._client, self._engine, self._runtime, request))
        return ServiceRunner(self._client, self._runtime, request, self._engine)

    def sandbox(self, **options: Unpack[SetupOptions]) -> AbstractAsyncContextManager[Sandbox]:
        """Keep one container for many runs while the context lasts: `async with build.sandbox() as sandbox`.

        The options are for the container: variables, files, services and the folder that `exec` and `run` need not know
        of. Raises ConfigurationError for invalid ones.
        """
        return AsyncContext(self._sandboxed(self.new_sandbox(**options)), "sandbox")

    @contextlib.asynccontextmanager
    async def _sandboxed(self, sandbox: Sandbox) -> AsyncGenerator[Sandbox]:
        try:
            yield sandbox
        finally:
            await sandbox.close()

    def new_sandbox(self, **options: Unpack[SetupOptions]) -> Sandbox:
        """Return a sandbox for where `with` cannot be used, such as a fixture; `close` ends it. See `sandbox`."""
        self._check_open()
        setup = keywords.request(Setup, "sandbox", ("sandbox",), options)
        return Sandbox(self, SandboxRunner(self._client, self._runtime, setup), self._engine)

    def require(self, name: str) -> None:
        """Raise ConfigurationError if the build has no binary of this name."""
        self._artifact(name)

    async def _on_client_loop(self, function: Callable[[], Awaitable[T]]) -> T:
        return await (self._engine.acall(function) if self._engine is not None else function())

    @watched
    async def export(self, name: str, destination: str | PathLike[str]) -> Path:
        """Copy a binary or library to the host and return its path; `destination` is a file name or an existing folder.

        The file is executable, and written whole or not at all; missing folders are created.

        Raises ConfigurationError if it was not built, or if the destination cannot be written.
        """
        return await export(self.file(name), name, destination)

    def file(self, name: str) -> dagger.File:
        """Return a binary, or a library by its file name (`libapp.so`, `libapp.a`), as a `dagger.File`.

        Raises ConfigurationError if it was not built.
        """
        self._check_open()
        if name in self.libraries:
            return self.artifacts.file(f"lib/{name}")
        artifact = self._artifact(name)
        folder = "examples" if "example" in artifact.kind else "bin"
        return self.artifacts.file(f"{folder}/{name}")

    def _check_open(self) -> None:
        if self._engine is not None:
            self._engine.check_open()

    def _artifact(self, name: str) -> Artifact:
        self._check_open()
        if name not in self.binaries:
            raise ConfigurationError(_no_such_binary(name, [*self.binaries, *self.libraries]))
        return self.binaries[name]


def _no_such_binary(name: str, names: list[str]) -> str:
    if not names:
        return f"There is no binary {name!r}: this build has none at all."
    close = difflib.get_close_matches(name, names, 1)
    guess = f" Did you mean {close[0]!r}?" if close else ""
    return f"There is no binary {name!r} in this build.{guess} It has: {', '.join(sorted(names))}."


@dataclass(frozen=True)
class BlockingRustBuild:
    """A RustBuild whose methods wait for their results."""

    build: RustBuild
    engine: Engine

    def __repr__(self) -> str:
        return f"{self.build!r}.blocking"

    @property
    def binaries(self) -> Mapping[str, Artifact]:
        """The build's binaries by name."""
        return self.build.binaries

    @property
    def libraries(self) -> Mapping[str, Artifact]:
        """The build's libraries for other languages, by file name."""
        return self.build.libraries

    @property
    def report(self) -> BuildReport:
        """The build's report."""
        return self.build.report

    @property
    def container(self) -> dagger.Container:
        """The build's container; wait for what you compose on it with `wait`."""
        return self.build.container

    @property
    def artifacts(self) -> dagger.Directory:
        """The folder of everything that left the build."""
        return self.build.artifacts

    def file(self, name: str) -> dagger.File:
        """Return a binary or a library as RustBuild.file does."""
        return self.build.file(name)

    def run(self, name: str, *args: str, **options: Unpack[RunOptions]) -> RunResult:
        """Run a binary as RustBuild.run does, and wait for its result."""
        return self.engine.call(partial(self.build.run, name, *args, **options))

    def exec(self, command: Sequence[str], **options: Unpack[RunOptions]) -> RunResult:
        """Run any command of the runtime container as RustBuild.exec does, and wait for its result."""
        return self.engine.call(partial(self.build.exec, command, **options))

    @property
    def blocking(self) -> BlockingRustBuild:
        """This object, so that `.blocking` may be written for any build."""
        return self

    @contextlib.contextmanager
    def service(self, name: str, *args: str, **options: Unpack[ServiceOptions]) -> Generator[BlockingService]:
        """Run a binary as a server as RustBuild.service does: `with build.blocking.service("api") as api`."""
        runner = self.build.service_runner(name, *args, **options)
        service = self.engine.call(runner.start)
        try:
            yield BlockingService(service, self.engine)
        except BaseException:
            self.engine.call(partial(runner.stop, quiet=True))
            raise
        self.engine.call(runner.stop)

    @contextlib.contextmanager
    def sandbox(self, **options: Unpack[SetupOptions]) -> Generator[BlockingSandbox]:
        """Keep one container for many runs as RustBuild.sandbox does: `with rust_build.sandbox() as sandbox`."""
        sandbox = self.build.new_sandbox(**options)
        try:
            yield sandbox.blocking
        finally:
            self.engine.call(sandbox.close)

    def export(self, name: str, destination: str | PathLike[str]) -> Path:
        """Copy a binary to the host as RustBuild.export does."""
        return self.engine.call(self.build.export, name, destination)

    def wait(self, function: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Call a coroutine method of Dagger's and return its result: `blocking.wait(container.stdout)`."""
        return self.engine.call(function, *args)


async def build(  # noqa: PLR0913 - each is a decision of its own
    client: dagger.Client,
    workspace: RustWorkspace,
    options: CargoOptions | None = None,
    *,
    builder: dagger.Container,
    runtime: dagger.Container,
    excludes: Sequence[str] = (),
    engine: Engine | None = None,
    caches: Caches | None = None,
    access: BuildAccess | None = None,
) -> RustBuild:
    """Build the workspace in `builder`, and return its binaries on top of `runtime`.

    `excludes` are patterns of files that no build needs. `access` is what it may use besides its sources. Pass the
    connection that `client` came from as `engine` to get `blocking` methods.

    Raises RustBuildError if cargo fails, StaleBinaryError if a binary cannot be proved fresh, EngineUnavailable if the
    connection to the engine is lost, and DaggerRustError if an image cannot be used.
    """
    started = time.time()
    with scratch.temporary_folder() as folder:
        request = BuildRequest(
            client,
            workspace,
            options or CargoOptions(),
            builder,
            runtime,
            tuple(excludes),
            folder,
            caches or Caches(),
            access or BuildAccess(),
        )
        made = await run_build(request, started)
    out, said, report = made.out, made.said.said, made.report
    container = runtime.with_directory("/usr/local/bin", out.directory("examples")).with_directory(
        "/usr/local/bin", out.directory("bin")
    )
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
        agents=agent.Agents(agent.program(client, builder, agent.BUILDER, made.libc), made.runner),
        packages=made.packages,
    )
