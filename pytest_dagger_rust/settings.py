"""Where each setting's value comes from: option, then environment variable, then ini file, then default."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pytest_dagger_rust.errors import ConfigurationError
from pytest_dagger_rust.options import CargoOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["text", "list", "switch", "seconds", "folder", "choice"]

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True)
class Setting:
    """One setting: its name in all three places, how its value is read, and what it does."""

    name: str
    kind: Kind
    help: str
    default: Any = None
    choices: tuple[str, ...] = ()

    @property
    def option(self) -> str:
        """The command line option."""
        return f"--dagger-rust-{self.name.replace('_', '-')}"

    @property
    def env(self) -> str:
        """The environment variable."""
        return f"PYTEST_DAGGER_RUST_{self.name.upper()}"

    @property
    def ini(self) -> str:
        """The ini option."""
        return f"dagger_rust_{self.name}"


SETTINGS: tuple[Setting, ...] = (
    Setting("workspace", "folder", "folder of the Cargo workspace, relative to rootdir", Path()),
    Setting("builder_image", "text", "image with cargo and rustc that the workspace is built in"),
    Setting("runtime_image", "text", "slim image the tests run the binaries in"),
    Setting(
        "packages", "list", "packages to build, as cargo's --package (default: cargo's default members)", ()
    ),
    Setting("bins", "list", "binaries to build, as cargo's --bin (default: all of the packages)", ()),
    Setting("examples", "list", "examples to build, as cargo's --example", ()),
    Setting("features", "list", "features to activate, as cargo's --features", ()),
    Setting("all_features", "switch", "activate all features, as cargo's --all-features", default=False),
    Setting(
        "no_default_features",
        "switch",
        "leave default features out, as cargo's --no-default-features",
        default=False,
    ),
    Setting("profile", "text", "cargo profile to build with", "dev"),
    Setting("target", "text", "target triple to build for (default: the builder image's own)"),
    Setting("env", "list", "NAME=VALUE pairs for cargo, rustc and build scripts", ()),
    Setting("locked", "switch", "fail when Cargo.lock is missing or out of date, as cargo's --locked"),
    Setting("offline", "switch", "build without network, as cargo's --offline", default=False),
    Setting("source_excludes", "list", "files and folders, as gitignore patterns, that no build needs", ()),
    Setting("connect_timeout", "seconds", "longest wait for the Dagger engine, in seconds"),
    Setting(
        "on_missing_engine",
        "choice",
        "what tests do when no Dagger engine can be reached: fail or skip",
        "fail",
        ("fail", "skip"),
    ),
)


@dataclass(frozen=True)
class Settings:
    """The values in force; `sources` names where each value that is not a default comes from."""

    values: Mapping[str, Any]
    sources: Mapping[str, str] = field(default_factory=dict[str, str])

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def cargo_options(self) -> CargoOptions:
        """Give the cargo options these settings describe."""
        names = ("packages", "bins", "examples", "features", "all_features", "no_default_features")
        chosen = {name: self[name] for name in (*names, "profile", "target", "locked", "offline")}
        return CargoOptions(**chosen, env=dict(pair.split("=", 1) for pair in self["env"]))


def resolve(options: Mapping[str, Any], environ: Mapping[str, str], ini: Mapping[str, Any]) -> Settings:
    """Choose each setting's value: option over environment variable over ini over default.

    Raises ConfigurationError naming the setting, where it was set, and what it takes.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for setting in SETTINGS:
        value, source = _first_given(setting, options, environ, ini)
        values[setting.name] = setting.default if source is None else _read(setting, value, source)
        if source is not None:
            sources[setting.name] = source
    settings = Settings(values, sources)
    settings.cargo_options()
    return settings


def _first_given(
    setting: Setting, options: Mapping[str, Any], environ: Mapping[str, str], ini: Mapping[str, Any]
) -> tuple[Any, str | None]:
    if (value := options.get(setting.name)) not in (None, []):
        return value, setting.option
    if (value := environ.get(setting.env)) is not None:
        return value, setting.env
    if (value := ini.get(setting.name)) is not None:
        return value, f"ini option {setting.ini}"
    return None, None


def _read(setting: Setting, value: Any, source: str) -> Any:
    match setting.kind:
        case "switch":
            return _switch(value, source)
        case "list":
            return _pairs(_list(value, source), source) if setting.name == "env" else _list(value, source)
        case "seconds":
            return _seconds(value, source)
        case "choice":
            return _choice(setting, value, source)
        case "folder":
            return Path(_text(value, source))
        case "text":
            return _text(value, source)


def _text(value: Any, source: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{source} is empty: give it a value, or leave it out.")
    return value.strip()


def _switch(value: Any, source: str) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower()
    if word not in _TRUE | _FALSE:
        raise ConfigurationError(f"{source} is {value!r}; it takes true or false.")
    return word in _TRUE


def _list(value: Any, source: str) -> tuple[str, ...]:
    items = cast("list[object]", value) if isinstance(value, list) else [value]
    try:
        return tuple(word for item in items for word in shlex.split(str(item)))
    except ValueError as error:
        raise ConfigurationError(f"{source} is {value!r}: {error}.") from None


def _pairs(items: tuple[str, ...], source: str) -> tuple[str, ...]:
    for item in items:
        if "=" not in item:
            raise ConfigurationError(f"{source} has {item!r}; it takes NAME=VALUE pairs.")
    return items


def _seconds(value: Any, source: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigurationError(f"{source} is {value!r}; it takes a number of seconds above 0.")
    return seconds


def _choice(setting: Setting, value: Any, source: str) -> str:
    if value not in setting.choices:
        raise ConfigurationError(f"{source} is {value!r}; it takes {' or '.join(setting.choices)}.")
    return str(value)
