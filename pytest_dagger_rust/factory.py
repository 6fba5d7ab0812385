"""Builds with several option sets in one session, each made once."""

from __future__ import annotations

import asyncio
import os
import warnings
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pytest_dagger_rust.builds.options import with_changes
from pytest_dagger_rust.errors import DeprecatedNameWarning
from pytest_dagger_rust.run.unawaited import watched
from pytest_dagger_rust.rust_build import RustBuild, build
from pytest_dagger_rust.wheels.wheel import Wheel, WheelRequest, build_wheel, python_version
from pytest_dagger_rust.workspace import RustWorkspace

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from contextlib import AbstractContextManager
    from os import PathLike

    import dagger
    from typing_extensions import Unpack

    from pytest_dagger_rust.builds.access import BuildAccess
    from pytest_dagger_rust.builds.caches import Caches
    from pytest_dagger_rust.builds.options import CargoOptionChanges, CargoOptions
    from pytest_dagger_rust.engine.engine import Engine


T = TypeVar("T")

# What the options of one workspace say about names that another one does not have.
_OF_A_WORKSPACE: dict[str, Any] = {
    **dict.fromkeys(("packages", "bins", "examples", "features"), ()),
    **dict.fromkeys(("all_features", "no_default_features"), False),
}


class BuildObserver(Protocol):
    """Is notified of every build."""

    def observe(
        self, options: CargoOptions, root: Path, *, manifest_path: str = "", wheel: str = ""
    ) -> AbstractContextManager[Callable[[RustBuild | Wheel], None]]:
        """Record a build of the workspace at `root`; the yielded function is called with what was made.

        `manifest_path` is the path to show of a workspace that is not the configured one, `wheel` says which wheel is
        made.
        """
        ...


class _Once(Generic[T]):
    """Makes something once for each key; concurrent callers wait for the same result."""

    def __init__(self) -> None:
        self._tasks: dict[object, asyncio.Task[T]] = {}

    async def get(self, key: object, make: Callable[[], Coroutine[Any, Any, T]]) -> T:
        # Always on the client's own loop, so that the same key asked for twice at once shares one task.
        task = self._tasks.get(key)
        if task is None or task.cancelled():
            task = asyncio.ensure_future(make())
            self._tasks[key] = task
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            raise


class RustBuildFactory:
    """Returns the build for a set of cargo options: the same build for the same options.

    Use `await factory(features=["tls"])` in a coroutine, `factory.blocking(features=["tls"])` in a function. Options
    you leave out are those of `options`, the configured ones.
    """

    def __init__(  # noqa: PLR0913 - each is a decision of its own
        self,
        engine: Engine,
        client: dagger.Client,
        workspace: RustWorkspace,
        options: CargoOptions,
        *,
        builder: dagger.Container,
        runtime: dagger.Container,
        excludes: Sequence[str] = (),
        observer: BuildObserver | None = None,
        caches: Caches | None = None,
        folder: Path | None = None,
        access: BuildAccess | None = None,
    ) -> None:
        self.options = options
        self._workspace = workspace
        self._engine = engine
        self._client = client
        self._builder = builder
        self._runtime = runtime
        self._excludes = excludes
        self._observer = observer
        self._caches = caches
        self._access = access
        # What `for_workspace` takes relative paths to be relative to.
        self._folder = folder or Path.cwd()
        self._manifest_path = ""
        self._builds = _Once[RustBuild]()
        self._wheels = _Once[Wheel]()
        self._others: dict[object, RustBuildFactory] = {}

    @property
    def blocking(self) -> BlockingRustBuildFactory:
        """The same factory with ordinary methods, for plain functions: `factory.blocking(features=["tls"])`."""
        return BlockingRustBuildFactory(self, self._engine)

    @watched
    async def __call__(
        self, options: CargoOptions | None = None, /, **changes: Unpack[CargoOptionChanges]
    ) -> RustBuild:
        """Build with `options`, by default the configured ones, changed by `changes`.

        Raises ConfigurationError for an unknown option, and what `build` raises.
        """
        return await self._engine.acall(self._once, with_changes(options or self.options, changes))

    async def warm(self, options: CargoOptions | None, changes: CargoOptionChanges) -> None:
        """Build as a call does and keep no result, so that a later call of the same finds all of it in the caches."""
        await self._build(with_changes(options or self.options, changes))

    @watched
    async def wheel(
        self, package: str, *, python: str | None = None, **changes: Unpack[CargoOptionChanges]
    ) -> Wheel:
        """Build a package that is a Python module, and return its wheel, made by maturin.

        `python` is a version such as "3.13", by default the running one. Options you leave out are the configured ones.

        Raises ConfigurationError for a package that is not a Python module, DaggerRustError if maturin fails, and
        what a call raises.
        """
        version, options = python_version(python), with_changes(self.options, changes)
        return await self._engine.acall(self._wheel_once, package, version, options)

    def blocking_wheel(
        self, package: str, *, python: str | None = None, **changes: Unpack[CargoOptionChanges]
    ) -> Wheel:
        """Return a wheel as `blocking.wheel` does, which replaces this name."""
        msg = "factory.blocking_wheel is deprecated: write factory.blocking.wheel"
        warnings.warn(msg, DeprecatedNameWarning, stacklevel=2)
        return self.blocking.wheel(package, python=python, **changes)

    def for_workspace(
        self,
        workspace: str | PathLike[str] | RustWorkspace,
        *,
        builder: dagger.Container | None = None,
        runtime: dagger.Container | None = None,
    ) -> RustBuildFactory:
        """Return the factory for another workspace, whose builds are shown and cached like those of this one.

        A relative path is relative to pytest's rootdir. `builder` and `runtime` are by default the containers of this
        factory. Of its options those apply that name nothing of a workspace: profile, target, env, locked and offline.

        Raises WorkspaceError if the workspace cannot be read.
        """
        other = self._loaded(workspace)
        builder, runtime = builder or self._builder, runtime or self._runtime
        key = (other.root, id(builder), id(runtime))
        if key not in self._others:
            self._others[key] = self._for(other, builder, runtime)
        return self._others[key]

    def _loaded(self, workspace: str | PathLike[str] | RustWorkspace) -> RustWorkspace:
        if isinstance(workspace, RustWorkspace):
            return workspace
        return RustWorkspace.load(self._folder / workspace)

    def _for(
        self, workspace: RustWorkspace, builder: dagger.Container, runtime: dagger.Container
    ) -> RustBuildFactory:
        other = RustBuildFactory(
            self._engine,
            self._client,
            workspace,
            replace(self.options, **_OF_A_WORKSPACE),
            builder=builder,
            runtime=runtime,
            excludes=self._excludes,
            observer=self._observer,
            caches=self._caches,
            access=self._access,
            folder=self._folder,
        )
        other._manifest_path = os.path.relpath(workspace.root / "Cargo.toml", self._folder)
        return other

    async def _once(self, options: CargoOptions) -> RustBuild:
        return await self._builds.get(options, lambda: self._build(options))

    async def _wheel_once(self, package: str, python: str, options: CargoOptions) -> Wheel:
        key = (package, python, options)
        return await self._wheels.get(key, lambda: self._build_wheel(self._wheel_request(*key)))

    async def _build_wheel(self, request: WheelRequest) -> Wheel:
        name, root = request.member().name, self._workspace.root
        if self._observer is None:
            return await build_wheel(request)
        what, path = f"{name} for Python {request.python}", self._manifest_path
        options = replace(request.options, packages=(), bins=(), examples=())
        with self._observer.observe(options, root, manifest_path=path, wheel=what) as done:
            made = await build_wheel(request)
            done(made)
        return made

    def _wheel_request(self, package: str, python: str, options: CargoOptions) -> WheelRequest:
        return WheelRequest(
            self._client,
            self._workspace,
            package,
            python,
            options,
            builder=self._builder,
            runtime=self._runtime,
            excludes=tuple(self._excludes),
            caches=self._caches,
            access=self._access,
        )

    async def _build(self, options: CargoOptions) -> RustBuild:
        if self._observer is None:
            return await self._made(options)
        with self._observer.observe(options, self._workspace.root, manifest_path=self._manifest_path) as done:
            made = await self._made(options)
            done(made)
        return made

    async def _made(self, options: CargoOptions) -> RustBuild:
        return await build(
            self._client,
            self._workspace,
            options,
            builder=self._builder,
            runtime=self._runtime,
            excludes=self._excludes,
            engine=self._engine,
            caches=self._caches,
            access=self._access,
        )


@dataclass(frozen=True)
class BlockingRustBuildFactory:
    """A RustBuildFactory whose methods wait for their results."""

    factory: RustBuildFactory
    engine: Engine

    @property
    def options(self) -> CargoOptions:
        """The configured options."""
        return self.factory.options

    def __call__(
        self, options: CargoOptions | None = None, /, **changes: Unpack[CargoOptionChanges]
    ) -> RustBuild:
        """Build as a call of the factory does, and wait for the result."""
        return self.engine.call(partial(self.factory, options, **changes))

    def wheel(
        self, package: str, *, python: str | None = None, **changes: Unpack[CargoOptionChanges]
    ) -> Wheel:
        """Return a wheel as RustBuildFactory.wheel does, and wait for it."""
        return self.engine.call(partial(self.factory.wheel, package, python=python, **changes))

    def for_workspace(
        self,
        workspace: str | PathLike[str] | RustWorkspace,
        *,
        builder: dagger.Container | None = None,
        runtime: dagger.Container | None = None,
    ) -> BlockingRustBuildFactory:
        """Return the factory for another workspace as RustBuildFactory.for_workspace does."""
        return self.factory.for_workspace(workspace, builder=builder, runtime=runtime).blocking
