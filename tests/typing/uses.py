"""Public uses as in a user's tests, for type checkers: nothing here is run.

Each line with a comment that silences the checkers is a wrong use, and a comment that silences nothing is an error.
"""

# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

import re
from pathlib import Path

import dagger
import pytest
from typing_extensions import assert_type

from pytest_dagger_rust import (
    Artifact,
    BlockingRustBuild,
    BlockingRustBuildFactory,
    BlockingSandbox,
    BlockingService,
    BuildReport,
    CacheState,
    CargoOptions,
    Diagnostic,
    Level,
    RunResult,
    RustBuild,
    RustBuildFactory,
    RustWorkspace,
    Sandbox,
    Service,
    Target,
    TargetKind,
    Wheel,
    build,
    mark_rust_build,
)


def options_are_made() -> None:
    """Names come in any sequence, and are kept in tuples."""
    options = CargoOptions(features=["loud"], packages=("app",), env={"A": "1"}, locked=True)
    assert_type(options.features, tuple[str, ...])
    assert_type(options.locked, bool | None)
    CargoOptions(feature=["loud"])  # type: ignore[call-arg]
    CargoOptions(features=[1])  # type: ignore[list-item]
    CargoOptions(locked="yes")  # type: ignore[arg-type]
    options.profile = "release"  # type: ignore[misc]


async def runs_share_a_container(build: RustBuild, rust_sandbox: BlockingSandbox) -> None:
    """A sandbox takes the options of a container, and its runs those of a run."""
    async with build.sandbox(env={"A": "1"}) as sandbox:
        assert_type(sandbox, Sandbox)
        assert_type(await sandbox.run("app", "x", timeout=1), RunResult)
    with build.blocking.sandbox() as blocking:
        assert_type(blocking.exec(["ls"]), RunResult)
    assert_type(rust_sandbox.run("app"), RunResult)
    rust_sandbox.run("app", stdn="x")  # type: ignore[call-arg]


async def builds_are_made(factory: RustBuildFactory) -> None:
    """A call takes the options of CargoOptions, each by its name."""
    assert_type(await factory(features=["loud"], profile="release"), RustBuild)
    assert_type(await factory(CargoOptions()), RustBuild)
    assert_type(await factory.wheel("words", python="3.13", features=["x"]), Wheel)
    assert_type(factory.for_workspace(Path("tools")), RustBuildFactory)
    await factory(feature=["loud"])  # type: ignore[call-arg]
    await factory(features=1)  # type: ignore[arg-type]
    factory(features=["loud"]).run  # type: ignore[attr-defined]  # noqa: B018


def builds_are_made_in_functions(factory: RustBuildFactory) -> None:
    """`blocking` can be called, and has the factory's methods."""
    assert_type(factory.blocking, BlockingRustBuildFactory)
    assert_type(factory.blocking(features=["loud"]), RustBuild)
    assert_type(factory.blocking.wheel("words"), Wheel)
    assert_type(factory.blocking.for_workspace("tools")(), RustBuild)
    factory.blocking(locked="yes")  # type: ignore[arg-type]


async def programs_are_run(cached_rust_build: RustBuild) -> None:
    """Runs and services take keyword arguments by name."""
    result = await cached_rust_build.run("app", "--flag", stdin="x", files={"/x": "text", "/y": Path("y")})
    assert_type(result, RunResult)
    assert_type(result.returncode, int)
    assert_type(await cached_rust_build.exec(["ls", "/"], timeout=3), RunResult)
    async with cached_rust_build.service("api", ports=[8080]) as api:
        assert_type(api, Service)
        await api.send_signal("SIGHUP")
        await cached_rust_build.run("app", services={"api": api})
    await cached_rust_build.run("app", 1)  # type: ignore[arg-type]
    await cached_rust_build.run("app", input="x")  # type: ignore[call-arg]
    cached_rust_build.run("app").stdout  # type: ignore[attr-defined]  # noqa: B018


def programs_are_run_in_functions(rust_build: BlockingRustBuild) -> None:
    """The blocking build has all that the build has."""
    assert_type(rust_build.run("app", check=True), RunResult)
    assert_type(rust_build.exec(["ls"]), RunResult)
    assert_type(rust_build.file("app"), dagger.File)
    assert_type(rust_build.artifacts, dagger.Directory)
    assert_type(rust_build.binaries["app"], Artifact)
    with rust_build.service("api") as api:
        assert_type(api, BlockingService)
        assert_type(api.wait_for_log("ready"), re.Match[str])
        api.restart()
        rust_build.run("app", services={"api": api})
    with rust_build.build.service("api"):  # type: ignore[attr-defined]
        pass


@mark_rust_build(features=["loud"])
def marked(rust_build: BlockingRustBuild) -> None:
    """The typed form of the marker knows the options."""


def markers_are_checked() -> None:
    """It refuses what CargoOptions refuses."""
    assert_type(mark_rust_build(locked=True), pytest.MarkDecorator)
    mark_rust_build(feature=["loud"])  # type: ignore[call-arg]


def reports_are_read(report: BuildReport, diagnostic: Diagnostic, target: Target) -> None:
    """Kinds, levels and states are words that a checker knows."""
    assert_type(target.kind, TargetKind)
    assert_type(diagnostic.level, Level)
    assert_type(report.caches["target directory"], CacheState)
    state: CacheState = "keptt"  # type: ignore[assignment]
    print(state, report.caches["target"])  # type: ignore[index]  # noqa: T201


async def without_pytest(client: dagger.Client, container: dagger.Container) -> None:
    """`build` needs neither a test nor a fixture."""
    workspace = RustWorkspace.load("rust")
    assert_type(await build(client, workspace, builder=container, runtime=container), RustBuild)
    await build(client, workspace)  # type: ignore[call-arg]
