"""Reads the settings from pytest: its command line, the environment, its ini file."""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_dagger_rust.errors import ConfigurationError, DeprecatedNameWarning
from pytest_dagger_rust.plugin.settings import SETTINGS, Setting, Settings, check_names, resolve
from pytest_dagger_rust.plugin.xdist import is_worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_INI_TYPES: dict[str, Literal["args", "bool"]] = {"list": "args", "switch": "bool"}

_OPTION, _ENV, _INI = "--dagger-rust-", "PYTEST_DAGGER_RUST_", "dagger_rust_"

# Releases of pytest differ in how they say that an option is there already; all name the option.
CLASH = (ValueError, argparse.ArgumentError)
_CLASHING = re.compile(r"--dagger-rust-[\w-]+")


def add_options(parser: pytest.Parser) -> None:
    """Register every setting as a command line option and as an ini option."""
    for setting in SETTINGS:
        group = parser.getgroup(setting.group)
        _add_option(group, setting, setting.help_with_default)
        if old := setting.deprecated:
            _add_option(group, old, argparse.SUPPRESS)
    for setting in _all_names():
        parser.addini(setting.ini, setting.help, type=_INI_TYPES.get(setting.kind, "string"), default=None)


def _add_option(group: pytest.OptionGroup, setting: Setting, text: str) -> None:
    if setting.negation is not None:
        group.addoption(setting.option, dest=setting.dest, action="store_const", const="true", help=text)
        off = (
            text
            if text is argparse.SUPPRESS
            else f"turn {setting.option} off, where another place turns it on"
        )
        group.addoption(setting.negation, dest=setting.dest, action="store_const", const="false", help=off)
    elif setting.kind == "list":
        group.addoption(
            setting.option, dest=setting.dest, action="append", metavar=setting.metavar, help=text
        )
    else:
        group.addoption(setting.option, dest=setting.dest, metavar=setting.metavar, help=text)


def _all_names() -> Iterator[Setting]:
    for setting in SETTINGS:
        yield setting
        if setting.deprecated:
            yield setting.deprecated


def _options_of(setting: Setting) -> Iterator[str]:
    yield setting.option
    if setting.negation:
        yield setting.negation


def clash(error: Exception) -> Exception:
    """Return the error for an option that somebody else has registered too; any other error is given back."""
    found = _CLASHING.search(str(error))
    if found is None:
        return error
    return pytest.UsageError(
        f"pytest-dagger-rust: another plugin or a conftest.py has an option {found[0]} as well. Rename it "
        "there, or leave one of the two out with `-p no:NAME`; `pytest --trace-config` lists their names."
    )


def check_arguments(args: Iterable[str]) -> None:
    """Raise UsageError for a word on the command line that is nearly one of the options."""
    names = [word.partition("=")[0] for word in args if word.startswith(_OPTION)]
    old = {name for setting in SETTINGS if setting.deprecated for name in _options_of(setting.deprecated)}
    known = (option for setting in SETTINGS for option in _options_of(setting))
    _check("option", (name for name in names if name not in old), known)


def read(config: pytest.Config) -> Settings:
    """Read all settings.

    Raises UsageError for a value that cannot be and for a name that is not there.
    """
    old = {setting.deprecated.env for setting in SETTINGS if setting.deprecated}
    variables = (name for name in _with(_ENV, os.environ) if name not in old)
    _check("environment variable", variables, (setting.env for setting in SETTINGS))
    _check("ini option", _with(_INI, _unknown_ini(config)), (setting.ini for setting in SETTINGS))
    options = {setting.name: config.getoption(setting.dest) for setting in _all_names()}
    ini = {setting.name: _ini_value(config, setting) for setting in _all_names()}
    try:
        settings = resolve(options, os.environ, ini)
        _check_workspace(config, settings)
        _check_files(config, settings)
    except ConfigurationError as error:
        raise _usage_error(error) from None
    for name, new in settings.renamed.items():
        _warn(config, f"{name} is deprecated: write {new}.")
    return settings


def _warn(config: pytest.Config, words: str) -> None:
    if is_worker(config):
        # The process that started the workers has warned.
        return
    try:
        config.issue_config_time_warning(DeprecatedNameWarning(words), stacklevel=2)
    except DeprecatedNameWarning as error:
        # With `-W error`, it would be shown with a traceback.
        raise pytest.UsageError(f"pytest-dagger-rust: {error}") from None


def _with(prefix: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(prefix))


def _check(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    try:
        check_names(kind, names, known)
    except ConfigurationError as error:
        raise _usage_error(error) from None


def _usage_error(error: ConfigurationError) -> pytest.UsageError:
    return pytest.UsageError(f"pytest-dagger-rust: {error}")


def _unknown_ini(config: pytest.Config) -> set[str]:
    # pytest itself only warns of them; it has no public way to ask.
    unknown = set(config._get_unknown_ini_keys())  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    overrides: list[str] = config.getoption("override_ini", None) or []
    known = {setting.ini for setting in _all_names()}
    return (unknown | {pair.partition("=")[0] for pair in overrides}) - known


def _ini_value(config: pytest.Config, setting: Setting) -> Any:
    try:
        return config.getini(setting.ini)
    except (TypeError, ValueError, pytest.UsageError) as error:
        # Some releases of pytest put the file and the name in front.
        reason = "cannot be read" if setting.is_secret else str(error).rpartition(f"'{setting.ini}' ")[2]
        msg = f"pytest-dagger-rust: ini option {setting.ini}: {reason}; it takes {setting.takes}."
        raise pytest.UsageError(msg) from None


def _check_workspace(config: pytest.Config, settings: Settings) -> None:
    source = settings.sources.get("workspace")
    folder = config.rootpath / settings["workspace"]
    if source is not None and not os.path.isdir(folder):  # noqa: PTH112 - a path may be too long to look at
        msg = f"{source} is '{settings['workspace']}', but there is no folder {folder}."
        raise ConfigurationError(msg)


def _check_files(config: pytest.Config, settings: Settings) -> None:
    # Said now, and not when all the tests have run.
    for setting in SETTINGS:
        path: Path | None = settings[setting.name]
        if setting.kind == "file" and path is not None:
            try:
                _try_to_write(config.invocation_params.dir / path)
            except OSError as error:
                msg = f"{settings.sources[setting.name]} is '{path}', which cannot be written: {error.strerror}."
                raise ConfigurationError(msg) from None


def _try_to_write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        # A pipe that nobody reads is not waited for.
        os.close(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC))
    else:
        tempfile.TemporaryFile(dir=path.parent).close()
