"""The fixtures: one for each decision, to be overridden in a conftest.py."""

from __future__ import annotations

import atexit
import dataclasses
import gc
import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust.builds.images import default_builder_image, default_runtime_image
from pytest_dagger_rust.errors import ConfigurationError, EngineUnavailable
from pytest_dagger_rust.plugin import marks
from pytest_dagger_rust.plugin.own_files import with_own_files
from pytest_dagger_rust.plugin.state import REPORTING_KEY, SETTINGS_KEY
from pytest_dagger_rust.plugin.xdist import controller_of, run_id
from pytest_dagger_rust.rust_tests.selection import selected_packages

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import dagger

    from pytest_dagger_rust.builds.access import BuildAccess
    from pytest_dagger_rust.builds.caches import Caches
    from pytest_dagger_rust.builds.options import CargoOptions
    from pytest_dagger_rust.builds.shared import SharedCache
    from pytest_dagger_rust.engine.engine import Engine
    from pytest_dagger_rust.factory import RustBuildFactory
    from pytest_dagger_rust.plugin.settings import Settings
    from pytest_dagger_rust.run.sandbox import BlockingSandbox
    from pytest_dagger_rust.rust_build import BlockingRustBuild, RustBuild
    from pytest_dagger_rust.rust_tests.cases import ListedTests
    from pytest_dagger_rust.workspace import RustWorkspace

# A test that asks for one of these may be a coroutine without any marker.
ENTRY_FIXTURES = frozenset(
    {
        "dagger_client",
        "rust_workspace",
        "cached_rust_build",
        "cached_rust_build_factory",
        "rust_build",
        "rust_sandbox",
    }
)


# Python's name of the system; what runs in WSL is "posix".
OS_NAME = os.name


def _settings(pytestconfig: pytest.Config) -> Settings:
    return pytestconfig.stash[SETTINGS_KEY]


@pytest.fixture(scope="session")
def _dagger_engine(pytestconfig: pytest.Config) -> Iterator[Engine]:  # pyright: ignore[reportUnusedFunction]
    """The connection to the Dagger engine."""
    try:
        engine = _connected(pytestconfig)
    except EngineUnavailable as error:
        if _settings(pytestconfig)["on_missing_engine"] == "skip":
            pytest.skip(str(error).splitlines()[0])
        raise
    yield engine
    engine.close()


def _connected(pytestconfig: pytest.Config) -> Engine:
    if OS_NAME == "nt":
        raise EngineUnavailable(
            "Builds do not run on Windows itself.\n  Run pytest in WSL, on Linux or on macOS."
        )
    # Most runs connect to nothing, and on Windows these modules cannot be imported.
    from pytest_dagger_rust.engine.cli import CONNECTING  # noqa: PLC0415
    from pytest_dagger_rust.engine.engine import Engine  # noqa: PLC0415

    build_log = pytestconfig.stash[REPORTING_KEY].build_log
    controller = controller_of(pytestconfig)
    session = controller.session() if controller else None
    timeout: float = _settings(pytestconfig)["connect_timeout"]
    engine = Engine(timeout=timeout, session=session, hear=build_log.progress.hear)
    with build_log.waiting(CONNECTING):
        engine.open()
    # When Python ends, it looks through all objects once more, and the SDK has made tens of thousands of them.
    atexit.register(gc.freeze)
    return engine


@pytest.fixture(scope="session")
def dagger_client(_dagger_engine: Engine) -> dagger.Client:
    """A connected Dagger client that every test can use, coroutine or not, on any event loop."""
    return _dagger_engine.client


@pytest.fixture(scope="session")
def rust_workspace(pytestconfig: pytest.Config) -> RustWorkspace:
    """The Cargo workspace under test; override this to load another one."""
    from pytest_dagger_rust.workspace import RustWorkspace, missing_manifest  # noqa: PLC0415

    folder = pytestconfig.rootpath / _settings(pytestconfig)["workspace"]
    if not (folder / "Cargo.toml").exists():
        hint = "Name the workspace's folder, relative to rootdir, with the ini option dagger_rust_workspace."
        raise missing_manifest(folder, hint)
    return RustWorkspace.load(folder, project=pytestconfig.rootpath)


def _with_includes(workspace: RustWorkspace, config: pytest.Config) -> RustWorkspace:
    """Return the workspace with what the settings include, also one that a user's fixture has made."""
    return workspace.including(_settings(config)["source_includes"])


@pytest.fixture(scope="session")
def rust_builder_image(pytestconfig: pytest.Config, rust_workspace: RustWorkspace) -> str:
    """The image to build in; override this to use another one."""
    image: str | None = _settings(pytestconfig)["builder_image"]
    return image or default_builder_image(rust_workspace.toolchain)


@pytest.fixture(scope="session")
def rust_runtime_image(pytestconfig: pytest.Config, rust_builder_image: str) -> str:
    """The slim image to run the binaries in; override this to use another one."""
    image: str | None = _settings(pytestconfig)["runtime_image"]
    return image or default_runtime_image(rust_builder_image)


@pytest.fixture(scope="session")
def rust_builder_container(dagger_client: dagger.Client, rust_builder_image: str) -> dagger.Container:
    """The container to build in; override this to add system packages or tools."""
    return dagger_client.container().from_(rust_builder_image)


@pytest.fixture(scope="session")
def rust_runtime_container(dagger_client: dagger.Client, rust_runtime_image: str) -> dagger.Container:
    """The container to run the binaries in; override this to add what they need at run time."""
    return dagger_client.container().from_(rust_runtime_image)


@pytest.fixture(scope="session")
def rust_cargo_options(pytestconfig: pytest.Config) -> CargoOptions:
    """The cargo options of the build, such as features and profile; override this to change them in code."""
    return _settings(pytestconfig).cargo_options()


@pytest.fixture(scope="session")
def rust_build_access(pytestconfig: pytest.Config) -> BuildAccess:
    """The network, secrets and time that builds have; override this to choose them in code."""
    return _settings(pytestconfig).access()


@pytest.fixture(scope="session")
def rust_test_options(
    pytestconfig: pytest.Config, rust_cargo_options: CargoOptions, rust_workspace: RustWorkspace
) -> CargoOptions:
    """The options the Rust tests are built with: those of the build, for the packages that `cargo test` takes.

    Override this to change them.
    """
    settings = _settings(pytestconfig)
    packages = selected_packages(rust_workspace, settings["test_packages"], settings["test_excludes"])
    return dataclasses.replace(rust_cargo_options, packages=packages, bins=(), examples=())


@pytest.fixture(scope="session")
def rust_test_container(rust_builder_container: dagger.Container) -> dagger.Container:
    """The container to run the Rust tests in; override this to add what they need at run time."""
    return rust_builder_container


@pytest.fixture(scope="session")
def _rust_tests(  # pyright: ignore[reportUnusedFunction]
    pytestconfig: pytest.Config,
    _dagger_engine: Engine,
    rust_workspace: RustWorkspace,
    rust_test_options: CargoOptions,
    rust_builder_container: dagger.Container,
    rust_test_container: dagger.Container,
    rust_source_excludes: Sequence[str],
    rust_build_access: BuildAccess,
    _rust_caches: Caches,
) -> ListedTests:
    """The Rust tests of the workspace, built and listed."""
    from pytest_dagger_rust.rust_tests.build import build_tests  # noqa: PLC0415
    from pytest_dagger_rust.rust_tests.cases import ListedTests, list_tests  # noqa: PLC0415

    async def run() -> ListedTests:
        build = await build_tests(
            _dagger_engine.client,
            _with_includes(rust_workspace, pytestconfig),
            rust_test_options,
            builder=rust_builder_container,
            runner=rust_test_container,
            excludes=with_own_files(rust_source_excludes, pytestconfig, rust_workspace.root),
            caches=_rust_caches,
            access=rust_build_access,
        )
        done(build)
        if runners := ", ".join(rust_workspace.runners):
            build_log.notes.append(f"Rust tests run without the runner of cargo's configuration: {runners}")
        timeout = _settings(pytestconfig)["test_timeout"]
        return ListedTests(_dagger_engine, build, await list_tests(build, timeout))

    build_log = pytestconfig.stash[REPORTING_KEY].build_log
    with build_log.observe(rust_test_options, rust_workspace.root, tests=True) as done:
        return _dagger_engine.call(run)


@pytest.fixture(scope="session")
def rust_source_excludes(pytestconfig: pytest.Config) -> Sequence[str]:
    """Patterns of files and folders that no build needs; override this to exclude more."""
    excludes: Sequence[str] = _settings(pytestconfig)["source_excludes"]
    return excludes


def _cache_folder(config: pytest.Config) -> Path | None:
    # With `-p no:cacheprovider` the attribute is not there, and on a read-only disk there is no folder to be had.
    cache: pytest.Cache | None = getattr(config, "cache", None)
    try:
        folder = cache.mkdir("dagger-rust") if cache else None
    except OSError:
        return None
    return folder if folder and os.access(folder, os.W_OK) else None


def shared_cache(settings: Settings, base: Path, environ: Mapping[str, str]) -> SharedCache | None:
    """Return the places that the settings name, None where there are none; a pull request publishes to none."""
    from pytest_dagger_rust.builds import ci_job  # noqa: PLC0415 - most runs share nothing
    from pytest_dagger_rust.builds.places import Place  # noqa: PLC0415
    from pytest_dagger_rust.builds.shared import SharedCache  # noqa: PLC0415

    sources, targets = (
        [Place.of(name, base) for name in settings[key]] for key in ("cache_from", "cache_to")
    )
    if ci_job.is_pull_request(environ) and not settings["cache_to_on_pull_requests"]:
        targets = []
    if not sources and not targets:
        return None
    return SharedCache(sources, targets, ci_job.branches(environ, base), ci_job.address(environ))


@pytest.fixture(scope="session")
def _shared_cache(  # pyright: ignore[reportUnusedFunction]
    pytestconfig: pytest.Config, _dagger_engine: Engine
) -> Generator[SharedCache | None]:
    """The places where machines share what they have built; None where there are none."""
    shared = shared_cache(_settings(pytestconfig), pytestconfig.rootpath, os.environ)
    yield shared
    if shared is None:
        return
    build_log = pytestconfig.stash[REPORTING_KEY].build_log
    if shared.is_publishing:
        with build_log.waiting("publishing what was built"):
            _dagger_engine.call(shared.finish)
    build_log.notes += shared.summary()


@pytest.fixture(scope="session")
def _rust_caches(  # pyright: ignore[reportUnusedFunction]
    pytestconfig: pytest.Config, _shared_cache: SharedCache | None
) -> Caches:
    """What is kept between builds outside the engine."""
    from pytest_dagger_rust.builds.caches import Caches  # noqa: PLC0415

    folder = _cache_folder(pytestconfig)
    turns = folder
    if folder is None and (controller := controller_of(pytestconfig)) and (shared := controller.folder()):
        turns = Path(shared)
    # All workers of pytest-xdist ask for the same, and only the first of them finds something to clear.
    nonce = run_id(pytestconfig) or uuid.uuid4().hex
    settings = _settings(pytestconfig)
    clear = nonce if settings["clear_caches"] else ""
    return Caches(folder, clear, turns, _shared_cache, write_lock=settings["write_lock"])


@pytest.fixture(scope="session")
def cached_rust_build_factory(
    pytestconfig: pytest.Config,
    _dagger_engine: Engine,
    dagger_client: dagger.Client,
    rust_workspace: RustWorkspace,
    rust_cargo_options: CargoOptions,
    rust_builder_container: dagger.Container,
    rust_runtime_container: dagger.Container,
    rust_source_excludes: Sequence[str],
    rust_build_access: BuildAccess,
    _rust_caches: Caches,
) -> RustBuildFactory:
    """Builds with other cargo options in the same session: `await factory(features=["tls"])`, each built once."""
    from pytest_dagger_rust.factory import RustBuildFactory  # noqa: PLC0415

    return RustBuildFactory(
        _dagger_engine,
        dagger_client,
        _with_includes(rust_workspace, pytestconfig),
        rust_cargo_options,
        builder=rust_builder_container,
        runtime=rust_runtime_container,
        excludes=with_own_files(rust_source_excludes, pytestconfig, rust_workspace.root),
        observer=pytestconfig.stash[REPORTING_KEY].build_log,
        caches=_rust_caches,
        access=rust_build_access,
        folder=pytestconfig.rootpath,
    )


@pytest.fixture(scope="session")
def _rust_build_options(request: pytest.FixtureRequest) -> Mapping[str, Any]:  # pyright: ignore[reportUnusedFunction]
    """The options that markers give the test."""
    options: Mapping[str, Any] = getattr(request, "param", {})
    return options


@pytest.fixture(scope="session")
def cached_rust_build(
    request: pytest.FixtureRequest,
    cached_rust_build_factory: RustBuildFactory,
    _rust_build_options: Mapping[str, Any],
) -> RustBuild:
    """The workspace's binaries, newly built, to run, serve and export; dependencies compile only once."""
    options, changes = marks.requested(getattr(request, "param", {}), _rust_build_options)
    return cached_rust_build_factory.blocking(options, **changes)


@pytest.fixture(scope="session")
def rust_build(request: pytest.FixtureRequest, cached_rust_build: RustBuild) -> BlockingRustBuild:
    """The same build for plain `def` tests: its methods wait for their results."""
    if hasattr(request, "param"):
        raise ConfigurationError("rust_build takes no parameters: parametrize cached_rust_build instead.")
    return cached_rust_build.blocking


@pytest.fixture(scope="module")
def rust_sandbox(rust_build: BlockingRustBuild) -> Generator[BlockingSandbox]:
    """One container for all runs of a module, where a run costs what its process costs; override for another scope."""
    with rust_build.sandbox() as sandbox:
        yield sandbox
