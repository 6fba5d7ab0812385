"""The pytest plugin: its settings, its header line, and what makes coroutine tests and build errors behave."""

from __future__ import annotations

import inspect
import os
import warnings
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_dagger_rust import fixtures
from pytest_dagger_rust.errors import ConfigurationError, DaggerRustError, RustBuildError
from pytest_dagger_rust.fixtures import (
    SETTINGS_KEY,
    SHARED_SESSION,
    _dagger_engine,  # pyright: ignore[reportPrivateUsage]
    cached_rust_build,
    cached_rust_build_factory,
    dagger_client,
    rust_builder_container,
    rust_builder_image,
    rust_cargo_options,
    rust_runtime_container,
    rust_runtime_image,
    rust_source_excludes,
    rust_workspace,
)
from pytest_dagger_rust.settings import SETTINGS, Setting, Settings, resolve

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_dagger_rust.sharing import SessionServer

__all__ = [
    "_dagger_engine",
    "cached_rust_build",
    "cached_rust_build_factory",
    "dagger_client",
    "rust_builder_container",
    "rust_builder_image",
    "rust_cargo_options",
    "rust_runtime_container",
    "rust_runtime_image",
    "rust_source_excludes",
    "rust_workspace",
]

_INI_TYPES: dict[str, Literal["args", "bool"]] = {"list": "args", "switch": "bool"}

_SERVER: pytest.StashKey[SessionServer] = pytest.StashKey()
_FIRST_REPORT: pytest.StashKey[dict[int, str]] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register every setting as a command line option and as an ini option."""
    group = parser.getgroup("dagger-rust", "Rust builds with Dagger")
    for setting in SETTINGS:
        _add_option(group, setting)
        parser.addini(setting.ini, setting.help, type=_INI_TYPES.get(setting.kind, "string"), default=None)


def _add_option(group: pytest.OptionGroup, setting: Setting) -> None:
    dest = f"dagger_rust_{setting.name}"
    if setting.kind == "switch":
        group.addoption(setting.option, dest=dest, nargs="?", const="true", metavar="BOOL", help=setting.help)
    elif setting.kind == "list":
        group.addoption(setting.option, dest=dest, action="append", metavar="NAME", help=setting.help)
    else:
        group.addoption(setting.option, dest=dest, metavar=setting.kind.upper(), help=setting.help)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, so that a wrong one is said before anything starts."""
    # Users of these fixtures need no event loop settings, so they need no reminder to make them either.
    warnings.filterwarnings(
        "ignore", message=r"(?s)The configuration option \"asyncio_default_fixture_loop_scope\""
    )
    options = {setting.name: config.getoption(f"dagger_rust_{setting.name}") for setting in SETTINGS}
    ini = {setting.name: config.getini(setting.ini) for setting in SETTINGS}
    try:
        config.stash[SETTINGS_KEY] = resolve(options, os.environ, ini)
    except ConfigurationError as error:
        raise pytest.UsageError(f"pytest-dagger-rust: {error}") from None
    config.stash[_FIRST_REPORT] = {}


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what was configured, and where."""
    return _header(config.stash[SETTINGS_KEY])


def _header(settings: Settings) -> str | None:
    shown = [f"{name}={_shown(settings[name])} ({source})" for name, source in settings.sources.items()]
    return f"dagger-rust: {', '.join(shown)}" if shown else None


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the controller's session with the engine is to be had."""
    config: pytest.Config = node.config
    if config.stash.get(_SERVER, None) is None and not os.environ.get("DAGGER_SESSION_PORT"):
        from pytest_dagger_rust.sharing import SessionServer  # noqa: PLC0415 - only for runs with workers

        config.stash[_SERVER] = SessionServer(config.stash[SETTINGS_KEY]["connect_timeout"])
    if server := config.stash.get(_SERVER, None):
        node.workerinput[SHARED_SESSION] = (server.address, server.key.hex())


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what the controller held for its workers."""
    if server := config.stash.get(_SERVER, None):
        server.close()
        del config.stash[_SERVER]


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Generator[None, None, None]:
    """Hand coroutine tests that use these fixtures to pytest-asyncio, in its strict mode too.

    As a wrapper, so that pytest-asyncio's own hook finds the marker.
    """
    if inspect.iscoroutinefunction(metafunc.function) and fixtures.ENTRY_FIXTURES.intersection(
        metafunc.fixturenames
    ):
        marked = any(metafunc.definition.get_closest_marker(name) for name in ("asyncio", "anyio", "trio"))
        if not marked:
            metafunc.definition.add_marker("asyncio")
            # The items are made from the function later, and read its own marks.
            pytest.mark.asyncio(getattr(metafunc.function, "__func__", metafunc.function))
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show an error of a fixture as its message alone, whole the first time and in one line after that."""
    report = yield
    error = call.excinfo.value if call.excinfo is not None else None
    if call.when == "setup" and isinstance(error, DaggerRustError):
        report.longrepr = _told_once(item, error)
    return report


def _told_once(item: pytest.Item, error: DaggerRustError) -> str:
    told = item.config.stash[_FIRST_REPORT]
    first = told.setdefault(id(error), item.nodeid)
    kind = type(error).__name__
    if first != item.nodeid:
        return f"{kind}: the same as for {first}, where it is shown."
    return f"{kind}: {_coloured(item.config, error)}"


def _coloured(config: pytest.Config, error: DaggerRustError) -> str:
    text = str(error)
    if isinstance(error, RustBuildError) and config.get_terminal_writer().hasmarkup:
        for diagnostic in error.diagnostics:
            text = text.replace(diagnostic.text.rstrip("\n"), diagnostic.rendered.rstrip("\n"))
    return text
