"""Builds while tests run that need no build (the setting `build_ahead`)."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust.plugin import marks

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from pytest_dagger_rust.engine.engine import Engine
    from pytest_dagger_rust.factory import RustBuildFactory

_BUILD, _FACTORY = "cached_rust_build", "cached_rust_build_factory"
_SKIPPING = frozenset({"skip", "skipif"})


class BuildAhead:
    """Starts the first build of a session with its first test, and lets nobody wait for it.

    The build only fills the caches. The fixture builds once more when a test asks for it, so the test gets a binary of
    the sources as they are then; where they have not changed, that takes as long as an unchanged build.
    """

    def __init__(self) -> None:
        self._is_over = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        """Start the build after the setup of the first test that has the fixtures of the one that needs the build."""
        yield
        if self._is_over or not isinstance(item, pytest.Function):
            return
        needs_it = first_with_build(item.session.items)
        self._is_over = needs_it is None or needs_it is item or _begins(item, needs_it)


def first_with_build(items: Iterable[pytest.Item]) -> pytest.Function | None:
    """Return the first test that will ask for `cached_rust_build`, None if there is none.

    A test that may be skipped is not one, and an override of the fixture may ask for any build.
    """
    for item in items:
        if isinstance(item, pytest.Function) and _BUILD in item.fixturenames:
            may_be_skipped = any(mark.name in _SKIPPING for mark in item.iter_markers())
            if not may_be_skipped and len(_definitions(item, _BUILD)[_BUILD]) == 1:
                return item
    return None


def _begins(item: pytest.Function, needs_it: pytest.Function) -> bool:
    """Begin the build that one test needs with the session fixtures of another, unless those differ."""
    if _definitions(item, _FACTORY) != _definitions(needs_it, _FACTORY):
        return False
    params: dict[str, Any] = needs_it.callspec.params if hasattr(needs_it, "callspec") else {}
    # What fails here fails in the test that needs it too: pytest keeps the error of a session fixture.
    with contextlib.suppress(Exception, pytest.skip.Exception, pytest.fail.Exception):
        options, changes = marks.requested(params.get(_BUILD, {}), params.get(marks.FIXTURE, {}))
        request = item._request  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        factory: RustBuildFactory = request.getfixturevalue(_FACTORY)
        engine: Engine = request.getfixturevalue("_dagger_engine")
        engine.begin(factory.warm, options, changes)
    return True


def _definitions(item: pytest.Function, name: str) -> dict[str, Sequence[pytest.FixtureDef[Any]]]:
    """Return the definitions of a fixture that a test sees, and of all that it asks for."""
    manager = item.session._fixturemanager  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
    found: dict[str, Sequence[pytest.FixtureDef[Any]]] = {}
    names = [name]
    while names:
        if (name := names.pop()) not in found:
            found[name] = manager.getfixturedefs(name, item) or ()
            names += [other for definition in found[name] for other in definition.argnames]
    return found
