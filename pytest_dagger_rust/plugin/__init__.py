"""Everything that knows pytest, and the only room that does.

This module is the plugin that pytest loads: its hooks, and the fixtures by name.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust.errors import ConfigurationError, DaggerRustError
from pytest_dagger_rust.plugin import (
    configuration,
    fixtures,
    forgotten_await,
    hypothesis_tests,
    marks,
    overrides,
    transcripts,
)
from pytest_dagger_rust.plugin.display import BuildReporting
from pytest_dagger_rust.plugin.error_reports import Deduplicator, without_frames, write_message
from pytest_dagger_rust.plugin.fixtures import (
    _dagger_engine,  # pyright: ignore[reportPrivateUsage]
    _rust_build_options,  # pyright: ignore[reportPrivateUsage]
    _rust_caches,  # pyright: ignore[reportPrivateUsage]
    _rust_tests,  # pyright: ignore[reportPrivateUsage]
    _shared_cache,  # pyright: ignore[reportPrivateUsage]
    cached_rust_build,
    cached_rust_build_factory,
    dagger_client,
    rust_build,
    rust_build_access,
    rust_builder_container,
    rust_builder_image,
    rust_cargo_options,
    rust_runtime_container,
    rust_runtime_image,
    rust_sandbox,
    rust_source_excludes,
    rust_test_container,
    rust_test_options,
    rust_workspace,
)
from pytest_dagger_rust.plugin.state import REPORTING_KEY, SETTINGS_KEY
from pytest_dagger_rust.plugin.xdist import XdistHooks, is_worker

if TYPE_CHECKING:
    from collections.abc import Generator

__all__ = [
    "_dagger_engine",
    "_rust_build_options",
    "_rust_caches",
    "_rust_tests",
    "_shared_cache",
    "cached_rust_build",
    "cached_rust_build_factory",
    "dagger_client",
    "rust_build",
    "rust_build_access",
    "rust_builder_container",
    "rust_builder_image",
    "rust_cargo_options",
    "rust_runtime_container",
    "rust_runtime_image",
    "rust_sandbox",
    "rust_source_excludes",
    "rust_test_container",
    "rust_test_options",
    "rust_workspace",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register every setting as a command line option and as an ini option."""
    try:
        configuration.add_options(parser)
    except configuration.CLASH as error:
        raise configuration.clash(error) from None


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(args: list[str]) -> Generator[None, None, None]:
    """Report mistakes on the command line that pytest would report less clearly."""
    configuration.check_arguments(args)
    try:
        return (yield)
    except configuration.CLASH as error:
        raise configuration.clash(error) from None


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, so that invalid ones are reported before anything starts."""
    # Users of these fixtures need no event loop settings, so they need no reminder to make them either.
    warnings.filterwarnings(
        "ignore", message=r"(?s)The configuration option \"asyncio_default_fixture_loop_scope\""
    )
    config.stash[SETTINGS_KEY] = configuration.read(config)
    config.pluginmanager.register(transcripts, "dagger_rust_sections")
    if not is_worker(config):
        config.pluginmanager.register(Deduplicator(config), "dagger_rust_errors")
    config.stash[REPORTING_KEY] = BuildReporting(config)
    config.pluginmanager.register(config.stash[REPORTING_KEY], "dagger_rust_reporting")
    if config.stash[SETTINGS_KEY]["shell_on_failure"]:
        from pytest_dagger_rust.plugin.shell import ShellOnFailure  # noqa: PLC0415 - for terminals only

        source = config.stash[SETTINGS_KEY].sources["shell_on_failure"]
        config.pluginmanager.register(ShellOnFailure(config, source), "dagger_rust_shell")
    # A worker of pytest-xdist does not know which tests it will get.
    if config.stash[SETTINGS_KEY]["build_ahead"] and not is_worker(config):
        from pytest_dagger_rust.plugin.build_ahead import BuildAhead  # noqa: PLC0415 - only where it is wanted

        config.pluginmanager.register(BuildAhead(), "dagger_rust_build_ahead")
    xdist = XdistHooks(config)
    xdist.add(config.stash[REPORTING_KEY])
    config.pluginmanager.register(xdist, "dagger_rust_xdist")
    config.addinivalue_line("markers", marks.MARKER)
    config.addinivalue_line("markers", "rust_test: set on every Rust test")
    config.addinivalue_line("markers", "rust_ignored: set on every Rust test with #[ignore]")
    config.addinivalue_line("markers", "rust_alone: a Rust test that no other one runs beside")
    if config.stash[SETTINGS_KEY]["collect_rust_tests"]:
        from pytest_dagger_rust.plugin.rust_collection import RustTests  # noqa: PLC0415 - only for runs with Rust tests

        tests = RustTests(config, config.stash[SETTINGS_KEY])
        xdist.add(tests)
        config.pluginmanager.register(tests, "dagger_rust_tests")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Return the header line: what is configured, and where."""
    from pytest_dagger_rust.plugin.header import header_line  # noqa: PLC0415 - reads what the header shows

    return header_line(config, config.stash[SETTINGS_KEY])


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, None, None]:
    """Apply the marker rust_build, and let pytest-asyncio run coroutine tests that use these fixtures.

    In its strict mode too, and as a wrapper, so that pytest-asyncio's own hook finds the marker.
    """
    marks.apply(metafunc)
    if fixtures.ENTRY_FIXTURES.intersection(metafunc.fixturenames):
        hypothesis_tests.without_default_deadline(metafunc.function)
    if hypothesis_tests.is_coroutine(metafunc.function) and fixtures.ENTRY_FIXTURES.intersection(
        metafunc.fixturenames
    ):
        marked = any(metafunc.definition.get_closest_marker(name) for name in ("asyncio", "anyio", "trio"))
        if not marked:
            metafunc.definition.add_marker("asyncio")
            # The items are made from the function later, and read its own marks.
            pytest.mark.asyncio(getattr(metafunc.function, "__func__", metafunc.function))
    return (yield)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name the parameters of cached_rust_build by the options in them."""
    return marks.parameter_id(val) if argname == "cached_rust_build" else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Refuse a marker that has no effect."""
    marks.check_item(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that forgot an `await`."""
    return (yield from forgotten_await.check(item))


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(
    fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
) -> Generator[None, object, object]:
    """Check what an override returns, when it returns it."""
    overrides.check_function(fixturedef, request)
    value = yield
    overrides.check_value(fixturedef, request, value)
    return value


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show an error of a fixture or of a Rust test as its message alone, and one in a test where the test stands."""
    error = call.excinfo.value if call.excinfo is not None else None
    place = None
    if call.excinfo is not None:
        if isinstance(error, ConfigurationError):
            place = overrides.place_in_tests(call.excinfo, item.config.rootpath)
        if not item.config.getoption("fulltrace", False):
            call.excinfo = without_frames(call.excinfo)
    report = yield
    is_alone = call.when == "setup" or item.get_closest_marker("rust_test") is not None
    if isinstance(error, DaggerRustError) and is_alone:
        write_message(report, error, item.config.rootpath, place)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Show an error of the Rust tests' build as its message alone."""
    report = yield
    call: pytest.CallInfo[Any] | None = getattr(report, "call", None)
    error = call.excinfo.value if call is not None and call.excinfo is not None else None
    if isinstance(error, DaggerRustError):
        write_message(report, error, collector.config.rootpath)
    return report
