"""Checks what fixtures that override this plugin's return; its errors name their file and line."""

from __future__ import annotations

import inspect
import os
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NoReturn, cast

from pytest_dagger_rust.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

_OURS = "pytest_dagger_rust."

# What each fixture returns, by the full name of its class.
_EXPECTED = {
    "cached_rust_build": "pytest_dagger_rust.RustBuild",
    "cached_rust_build_factory": "pytest_dagger_rust.RustBuildFactory",
    "dagger_client": "dagger.Client",
    "rust_build": "pytest_dagger_rust.BlockingRustBuild",
    "rust_build_access": "pytest_dagger_rust.BuildAccess",
    "rust_builder_container": "dagger.Container",
    "rust_builder_image": "builtins.str",
    "rust_cargo_options": "pytest_dagger_rust.CargoOptions",
    "rust_runtime_container": "dagger.Container",
    "rust_runtime_image": "builtins.str",
    "rust_sandbox": "pytest_dagger_rust.BlockingSandbox",
    "rust_source_excludes": "collections.abc.Sequence",
    "rust_test_container": "dagger.Container",
    "rust_test_options": "pytest_dagger_rust.CargoOptions",
    "rust_workspace": "pytest_dagger_rust.RustWorkspace",
}


def check_function(fixturedef: pytest.FixtureDef[Any], request: Any) -> None:
    """Raise ConfigurationError for an override that is a coroutine function."""
    if _is_override(fixturedef) and inspect.iscoroutinefunction(fixturedef.func):
        _refuse(fixturedef, request, "is a coroutine function, and nothing awaits it; write `def` instead")


def check_value(fixturedef: pytest.FixtureDef[Any], request: Any, value: object) -> None:
    """Raise ConfigurationError for an override that returns a value of the wrong type."""
    if _is_override(fixturedef) and (wrong := _wrong(fixturedef.argname, value)):
        _refuse(fixturedef, request, wrong)


def _is_override(fixturedef: pytest.FixtureDef[Any]) -> bool:
    return fixturedef.argname in _EXPECTED and not fixturedef.func.__module__.startswith(_OURS)


def _refuse(fixturedef: pytest.FixtureDef[Any], request: Any, wrong: str) -> NoReturn:
    place = place_of(fixturedef.func, request.config.rootpath)
    error = ConfigurationError(f"{place}: the fixture {fixturedef.argname} {wrong}.")
    # Other tests get the cached result: give them the same error.
    fixturedef.cached_result = (None, fixturedef.cache_key(request), (error, None))
    raise error


def _wrong(name: str, value: object) -> str | None:
    module, _, kind = _EXPECTED[name].rpartition(".")
    # Loaded only now: most runs override nothing, and importing dagger takes most of a second.
    expected = getattr(import_module(module), kind)
    if isinstance(value, expected) and (expected is str or not _is_odd_sequence(value)):
        return None
    kind = "sequence of str" if kind == "Sequence" else kind
    return f"returned {value!r}; it must return a {kind}"


def _is_odd_sequence(value: object) -> bool:
    if not isinstance(value, Sequence):
        return False
    items = cast("Sequence[object]", value)
    return isinstance(value, str) or not all(isinstance(item, str) for item in items)


def place_of(function: Callable[..., object], rootpath: Path) -> str:
    """Return file and line of a function, as pytest shows them."""
    original = inspect.unwrap(function)
    code = getattr(original, "__code__", None)
    if code is None:
        return repr(function)
    return f"{os.path.relpath(code.co_filename, rootpath)}:{code.co_firstlineno}"


def place_in_tests(excinfo: pytest.ExceptionInfo[BaseException], rootpath: Path) -> str | None:
    """Return file, line and function in the user's code that an error came from, None if there is none."""
    for entry in reversed(excinfo.traceback):
        path = os.path.relpath(entry.path, rootpath)
        if not path.startswith("..") and not entry.frame.f_globals.get("__name__", "").startswith(_OURS):
            return f"{path}:{entry.lineno + 1}, in {entry.name}"
    return None
