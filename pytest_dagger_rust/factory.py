"""Builds with several option sets in one session, each made once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pytest_dagger_rust.builds.options import with_changes
from pytest_dagger_rust.rust_build import RustBuild, build
from pytest_dagger_rust.wheels.wheel import Wheel, WheelRequest, build_wheel, python_version

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import dagger

    from pytest_dagger_rust.builds.caches import Caches
    from pytest_dagger_rust.builds.options import CargoOptions
    from pytest_dagger_rust.engine.engine import Engine
    from pytest_dagger_rust.workspace import RustWorkspace


T = TypeVar("T")


class BuildObserver(Protocol):
    """Is notified of every build."""

    def observe(
        self, options: CargoOptions, root: Path
    ) -> AbstractContextManager[Callable[[RustBuild], None]]:
        """Record a build of the workspace at `root`; the yielded function is called with the finished build."""
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
    ) -> None:
        self.options = options
        self._engine = engine
        self._client = client
        self._workspace = workspace
        self._builder = builder
        self._runtime = runtime
        self._excludes = excludes
        self._observer = observer
        self._caches = caches
        self._builds = _Once[RustBuild]()
        self._wheels = _Once[Wheel]()

    async def __call__(self, options: CargoOptions | None = None, /, **changes: Any) -> RustBuild:
        """Build with `options`, by default the configured ones, changed by `changes`.

        Raises ConfigurationError for an unknown option, and what `build` raises.
        """
        return await self._engine.acall(self._once, with_changes(options or self.options, changes))

    def blocking(self, options: CargoOptions | None = None, /, **changes: Any) -> RustBuild:
        """Build as a call does, and wait for the result."""
        return self._engine.call(self._once, with_changes(options or self.options, changes))

    async def wheel(self, package: str, *, python: str | None = None, **changes: Any) -> Wheel:
        """Build a package that is a Python module, and return its wheel, made by maturin.

        `python` is a version such as "3.13", by default the running one. Options you leave out are the configured ones.

        Raises ConfigurationError for a package that is not a Python module, DaggerRustError if maturin fails, and
        what a call raises.
        """
        version, options = python_version(python), with_changes(self.options, changes)
        return await self._engine.acall(self._wheel_once, package, version, options)

    def blocking_wheel(self, package: str, *, python: str | None = None, **changes: Any) -> Wheel:
        """Return a wheel as `wheel` does, and wait for it."""
        version, options = python_version(python), with_changes(self.options, changes)
        return self._engine.call(self._wheel_once, package, version, options)

    async def _once(self, options: CargoOptions) -> RustBuild:
        return await self._builds.get(options, lambda: self._build(options))

    async def _wheel_once(self, package: str, python: str, options: CargoOptions) -> Wheel:
        key = (package, python, options)
        return await self._wheels.get(key, lambda: build_wheel(self._wheel_request(*key)))

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
        )

    async def _build(self, options: CargoOptions) -> RustBuild:
        if self._observer is None:
            return await self._made(options)
        with self._observer.observe(options, self._workspace.root) as done:
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
        )
