"""The options of one cargo build: selection, features, profile and environment."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pytest_dagger_rust.container.variables import check_variables
from pytest_dagger_rust.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[\w.@:+/#-]+", re.ASCII)
_PATTERN = re.compile(r"[\w.@:+/#*?\[\]!-]+", re.ASCII)
_FEATURE = re.compile(r"[\w.+/?:-]+", re.ASCII)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_OWNED_ENV = frozenset({"CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_BUILD_DIR"})


def _no_env() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class CargoOptions:
    """The options of one `cargo build`, named as on cargo's command line.

    `packages`, `bins` and `examples` select what is built, empty meaning cargo's default members and all their
    binaries; each name may be a pattern, as in `packages=("*",)` for all members. `profile` is a cargo profile
    ("dev", "release", or one of the workspace's own), `target` a target triple. `env` is set for cargo, rustc and
    build scripts. `locked=None` leaves Cargo.lock to cargo, as a plain `cargo build` does.

    Raises ConfigurationError for an invalid value.
    """

    packages: tuple[str, ...] = ()
    bins: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    all_features: bool = False
    no_default_features: bool = False
    profile: str = "dev"
    target: str | None = None
    env: Mapping[str, str] = field(default_factory=_no_env, repr=False)
    locked: bool | None = None
    offline: bool = False

    def __post_init__(self) -> None:
        for name in ("packages", "bins", "examples"):
            object.__setattr__(self, name, _names(name, getattr(self, name), _PATTERN))
        object.__setattr__(self, "features", _names("features", self.features, _FEATURE))
        _check_name("profile", self.profile, _NAME)
        if self.target is not None:
            _check_name("target", self.target, _NAME)
        for flag in ("all_features", "no_default_features", "offline"):
            _check_bool(flag, getattr(self, flag))
        if self.locked is not None:
            _check_bool("locked", self.locked)
        object.__setattr__(self, "env", MappingProxyType(_checked_env(self.env)))

    def __hash__(self) -> int:
        values = (getattr(self, f.name) for f in fields(self) if f.name != "env")
        return hash((*values, *self.env.items()))

    def selection_flags(self) -> tuple[str, ...]:
        """Return the flags that choose packages and targets."""
        flags = [flag for package in self.packages for flag in ("--package", package)]
        flags += [flag for name in self.bins for flag in ("--bin", name)]
        flags += [flag for name in self.examples for flag in ("--example", name)]
        return tuple(flags)

    def build_flags(self, *, tests: bool = False) -> tuple[str, ...]:
        """Return the flags that shape every compiled package: features, profile, target, network.

        With `tests` they are those of `cargo test`, which takes the profile "test" where none is named.
        """
        flags = [] if tests and self.profile == "dev" else ["--profile", self.profile]
        flags += ["--features", ",".join(self.features)] if self.features else []
        flags += ["--target", self.target] if self.target else []
        switches = {
            "--all-features": self.all_features,
            "--no-default-features": self.no_default_features,
            "--locked": self.locked is True,
            "--offline": self.offline,
        }
        return (*flags, *(flag for flag, on in switches.items() if on))

    def describe(self) -> str:
        """Return in one short line how these options differ from a plain `cargo build`."""
        # As for tests, because cargo's own default is not named then. Values of variables may be secrets.
        flags = (*self.selection_flags(), *self.build_flags(tests=True))
        return " ".join([*(f"{name}=..." for name in self.env), *flags])


def with_changes(options: CargoOptions, changes: Mapping[str, Any]) -> CargoOptions:
    """Return options with some of them changed, by name.

    Raises ConfigurationError for an unknown name or an invalid value.
    """
    known = {field.name for field in fields(CargoOptions)}
    if unknown := sorted(set(changes) - known):
        msg = f"CargoOptions has no {', '.join(unknown)}. It has: {', '.join(sorted(known))}."
        raise ConfigurationError(msg)
    return replace(options, **changes)


def _names(option: str, value: object, pattern: re.Pattern[str]) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, (tuple, list)):
        msg = f"CargoOptions: {option} takes a tuple of names, not {value!r}."
        raise ConfigurationError(msg)
    items: list[object] = list(value)  # pyright: ignore[reportUnknownArgumentType]
    return tuple(_check_name(option, item, pattern) for item in items)


def _check_name(option: str, value: object, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value) or value.startswith("-"):
        msg = f"CargoOptions: {option} has {value!r}, which is not a name cargo takes."
        raise ConfigurationError(msg)
    return value


def _check_bool(option: str, value: object) -> None:
    if not isinstance(value, bool):
        msg = f"CargoOptions: {option} takes True or False, not {value!r}."
        raise ConfigurationError(msg)


def _checked_env(env: Mapping[str, str]) -> dict[str, str]:
    check_variables("CargoOptions: env", env)
    for name in env:
        if not _ENV_NAME.fullmatch(name):
            msg = f"CargoOptions: env has {name!r}, which is not a name for an environment variable."
            raise ConfigurationError(msg)
        if name in _OWNED_ENV:
            msg = f"CargoOptions: env may not set {name}: the caches depend on it."
            raise ConfigurationError(msg)
    return dict(sorted(env.items()))
