"""The line in pytest's header: what is configured and where; with -v also what is left at its default."""

from __future__ import annotations

import contextlib
import os
from types import ModuleType
from typing import TYPE_CHECKING

from pytest_dagger_rust.builds.images import default_builder_image
from pytest_dagger_rust.engine.cli import RUNNER_HOST, SESSION_PORT, without_password
from pytest_dagger_rust.errors import DaggerRustError
from pytest_dagger_rust.plugin.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import pytest

    from pytest_dagger_rust.plugin.settings import Settings

# With -v always in the line, because a fixture may decide them instead of a setting.
_FIXTURES = {
    "builder_image": "rust_builder_image",
    "workspace": "rust_workspace",
    "profile": "rust_cargo_options",
}
_DEFAULT = " (default)"
_LABELS = {"builder_image": "image"}
_TOOLCHAIN_FILES = ("rust-toolchain", "rust-toolchain.toml")


def header_line(config: pytest.Config, settings: Settings) -> str | None:
    """Return the line, None if there is nothing to say: most runs are not about Rust, or use the defaults."""
    folder = config.rootpath / settings["workspace"]
    if not settings.sources and not (folder / "Cargo.toml").is_file():
        return None
    parts = [_decided(config, settings, name) for name in _FIXTURES]
    parts += [_engine(os.environ), *_others(config, settings)]
    if config.get_verbosity() < 1:
        parts = [part for part in parts if not part.endswith(_DEFAULT)]
    return f"dagger-rust: {', '.join(parts)}" if parts else None


def _decided(config: pytest.Config, settings: Settings, name: str) -> str:
    label = _LABELS.get(name, name)
    if place := _override(config, _FIXTURES[name]):
        return f"{label} by fixture {_FIXTURES[name]} ({place})"
    if name in settings.sources:
        return f"{label}={_shown(settings[name])} ({_source(config, settings, name)})"
    if name == "builder_image":
        return _default_image(config.rootpath, config.rootpath / settings["workspace"])
    return f"{label}={_shown(settings[name])}{_DEFAULT}"


def _default_image(project: Path, folder: Path) -> str:
    channel = _toolchain(project, folder)
    return f"image={default_builder_image(channel)}{' (rust-toolchain file)' if channel else _DEFAULT}"


def _toolchain(project: Path, folder: Path) -> str | None:
    folder = folder.resolve()
    if not any(
        (parent / name).is_file() for parent in (folder, *folder.parents) for name in _TOOLCHAIN_FILES
    ):
        return None
    # Only the whole workspace knows which of the files counts; reading it takes some milliseconds.
    from pytest_dagger_rust.workspace import RustWorkspace  # noqa: PLC0415

    with contextlib.suppress(DaggerRustError):
        return RustWorkspace.load(folder, project=project).toolchain
    return None


def _override(config: pytest.Config, fixture: str) -> str | None:
    """Return the conftest.py or plugin that defines a fixture of this name, None if none does."""
    for plugin in config.pluginmanager.get_plugins():
        if not isinstance(plugin, ModuleType) or plugin.__name__.startswith("pytest_dagger_rust."):
            continue
        if fixture in vars(plugin) and plugin.__file__:
            return os.path.relpath(plugin.__file__, config.rootpath)
    return None


def _engine(environ: Mapping[str, str]) -> str:
    if port := environ.get(SESSION_PORT):
        return f"engine=session on port {port} ({SESSION_PORT})"
    if address := environ.get(RUNNER_HOST):
        return f"engine={without_password(address)} ({RUNNER_HOST})"
    return f"engine=started by the dagger CLI{_DEFAULT}"


def _others(config: pytest.Config, settings: Settings) -> Iterator[str]:
    for setting in SETTINGS:
        if setting.name in settings.sources and setting.name not in _FIXTURES:
            source = _source(config, settings, setting.name)
            value = settings[setting.name]
            shown = _names(value) if setting.is_secret else _shown(value)
            yield f"{setting.name}={shown} ({source})"


def _source(config: pytest.Config, settings: Settings, name: str) -> str:
    source = settings.sources[name]
    if source.startswith("ini option") and config.inipath is not None:
        return config.inipath.name
    return source


def _names(variables: Iterable[str]) -> str:
    # Values may be secrets.
    return ",".join(f"{variable.partition('=')[0]}=..." for variable in variables)


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
