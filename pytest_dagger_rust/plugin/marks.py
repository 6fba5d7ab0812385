"""The marker `rust_build`, and parameters of `cached_rust_build`: other cargo options for single tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_dagger_rust.builds.options import CargoOptions, with_changes
from pytest_dagger_rust.errors import ConfigurationError
from pytest_dagger_rust.plugin.overrides import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from typing_extensions import Unpack

    from pytest_dagger_rust.builds.options import CargoOptionChanges

MARKER = (
    "rust_build(**options): build cached_rust_build with these cargo options (those of CargoOptions) on top of the "
    "configured ones"
)

# The session fixture that takes a marker's options to cached_rust_build.
FIXTURE = "_rust_build_options"

_KNOWN: pytest.StashKey[dict[str, dict[str, Any]]] = pytest.StashKey()


class _Parameter(dict[str, Any]):
    """The options of markers, as `pytest --setup-show` prints them: without the values of variables."""

    def __repr__(self) -> str:
        return parameter_id(self) or ""


def mark_rust_build(**options: Unpack[CargoOptionChanges]) -> pytest.MarkDecorator:
    """Return `pytest.mark.rust_build(**options)`, with the options known to type checkers and editors."""
    return pytest.mark.rust_build(**options)


def apply(metafunc: pytest.Metafunc) -> None:
    """Return a test with the marker its options, as a parameter that does not show in its name.

    Raises CollectError, naming file and line of the test, for options that cannot be and for a marker without use.
    """
    if not any(metafunc.definition.iter_markers("rust_build")):
        return
    try:
        options = _options(metafunc.definition.iter_markers("rust_build"))
        if _is_used(metafunc):
            metafunc.parametrize(
                FIXTURE,
                [_same(metafunc.config, options)],
                indirect=True,
                ids=[pytest.HIDDEN_PARAM],
                scope="session",
            )
    except ConfigurationError as error:
        place = place_of(metafunc.function, metafunc.config.rootpath)
        msg = f"{place}: rust_build on {metafunc.function.__name__}: {error}"
        raise pytest.Collector.CollectError(msg) from None


def _options(marks: Iterable[pytest.Mark]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for mark in reversed(list(marks)):
        if mark.args:
            raise ConfigurationError(
                f"it takes options by name only, as in features=['tls'], not a {type(mark.args[0]).__name__}."
            )
        options.update(mark.kwargs)
    with_changes(CargoOptions(), options)
    return options


def _is_used(metafunc: pytest.Metafunc) -> bool:
    if FIXTURE in metafunc.fixturenames:
        return True
    if "cached_rust_build" in metafunc.fixturenames:
        if _asks_for_the_original(metafunc):
            metafunc.fixturenames.append(FIXTURE)
            return True
        raise ConfigurationError(
            "@rust_build has no effect: your `cached_rust_build` does not request the original fixture."
        )
    own: list[pytest.Mark] = getattr(metafunc.function, "pytestmark", [])
    if any(mark.name == "rust_build" for mark in own):
        raise ConfigurationError(
            "@rust_build has no effect: the test requests neither rust_build nor cached_rust_build."
        )
    return False


def _asks_for_the_original(metafunc: pytest.Metafunc) -> bool:
    # pytest before 9 lists what an override asks for, but not what the original asks for behind it.
    for definition in reversed(metafunc._arg2fixturedefs["cached_rust_build"]):  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        if "cached_rust_build" not in definition.argnames:
            return FIXTURE in definition.argnames
    return False


def _same(config: pytest.Config, options: dict[str, Any]) -> dict[str, Any]:
    # Equal options are one object: pytest keeps a session fixture for as long as its parameter is the same.
    key = repr(sorted(options.items()))
    return config.stash.setdefault(_KNOWN, {}).setdefault(key, _Parameter(options))


def check_item(item: pytest.Item) -> None:
    """Raise ConfigurationError for a marker that was added too late, as on a parameter."""
    callspec = getattr(item, "callspec", None)
    marks = list(item.iter_markers("rust_build"))
    if marks and "cached_rust_build" in getattr(item, "fixturenames", ()):
        given = callspec.params.get(FIXTURE) if callspec is not None else None
        if given != _options(marks):
            raise ConfigurationError(
                "The marker rust_build cannot be put on a parameter, or be added after collection. Parametrize "
                "cached_rust_build instead, with indirect=True."
            )


def requested(parameter: object, marked: Mapping[str, Any]) -> tuple[CargoOptions | None, dict[str, Any]]:
    """Return the options of a parameter of cached_rust_build and of the markers, together.

    Raises ConfigurationError for a parameter that has no cargo options in it.
    """
    if isinstance(parameter, CargoOptions):
        return parameter, dict(marked)
    if not isinstance(parameter, Mapping):
        raise ConfigurationError(
            f"cached_rust_build has a parameter of type {type(parameter).__name__}; it takes cargo options, as "
            "{'features': ['tls']}."
        )
    return None, {**marked, **cast("Mapping[str, Any]", parameter)}


def parameter_id(parameter: object) -> str | None:
    """Return the part of a test's name for a parameter of cached_rust_build."""
    if isinstance(parameter, CargoOptions):
        return parameter.describe() or "default"
    if not isinstance(parameter, Mapping):
        return None
    options = cast("Mapping[str, Any]", parameter)
    return ",".join(f"{name}={_value_id(name, value)}" for name, value in options.items()) or "default"


def _value_id(name: str, value: object) -> str:
    if name == "env":
        # The values of variables may be secrets.
        names = cast("Mapping[object, object]", value) if isinstance(value, Mapping) else ("...",)
        return "+".join(str(variable).partition("=")[0] for variable in names)
    return (
        "+".join(map(str, cast("Iterable[object]", value)))
        if isinstance(value, (list, tuple))
        else str(value)
    )
