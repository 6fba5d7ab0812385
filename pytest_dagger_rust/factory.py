"""Builds with several option sets in one session, each made once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from pytest_dagger_rust.options import with_changes
from pytest_dagger_rust.pipeline import build

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    import dagger

    from pytest_dagger_rust.caches import Caches
    from pytest_dagger_rust.engine import Engine
    from pytest_dagger_rust.options import CargoOptions
    from pytest_dagger_rust.rust_build import RustBuild
    from pytest_dagger_rust.workspace import RustWorkspace


class BuildObserver(Protocol):
    """Somebody who wants to know of every build."""

    def observe(
        self, options: CargoOptions, root: Path
    ) -> AbstractContextManager[Callable[[RustBuild], None]]:
        """Enclose a build of the workspace at `root`; what it gives is called with the build when there is one."""
        ...


class RustBuildFactory:
    """Gives the build for a set of cargo options: the same build for the same options.

    `await factory(features=["tls"])` from a coroutine, `factory.blocking(features=["tls"])` elsewhere. What is not
    given is as in `options`, the configured ones.
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
        self._builds: dict[CargoOptions, asyncio.Task[RustBuild]] = {}

    async def __call__(self, options: CargoOptions | None = None, /, **changes: Any) -> RustBuild:
        """Build with `options`, or with the configured ones where they are not given, changed by `changes`.

        Raises ConfigurationError for an option cargo does not have, and what `build` raises.
        """
        return await self._engine.acall(self._once, with_changes(options or self.options, changes))

    def blocking(self, options: CargoOptions | None = None, /, **changes: Any) -> RustBuild:
        """Build as a call does, and wait for the result."""
        return self._engine.call(self._once, with_changes(options or self.options, changes))

    async def _once(self, options: CargoOptions) -> RustBuild:
        # Always on the client's own loop, so that the same options asked for twice at once share one task.
        task = self._builds.get(options)
        if task is None or task.cancelled():
            task = asyncio.ensure_future(self._build(options))
            self._builds[options] = task
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.cancel()
            raise

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
