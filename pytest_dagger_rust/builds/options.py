"""The options of one cargo build: selection, features, profile and environment."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, TypedDict

from pytest_dagger_rust.builds.variables import Variables
from pytest_dagger_rust.container.variables import check_variables
from pytest_dagger_rust.errors import ConfigurationError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"[\w.@:+/#-]+", re.ASCII)
_PATTERN = re.compile(r"[\w.@:+/#*?\[\]!-]+", re.ASCII)
_FEATURE = re.compile(r"[\w.+/?:-]+", re.ASCII)
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_OWNED_ENV = frozenset({"CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_BUILD_DIR"})


class CargoOptionChanges(TypedDict, total=False):
    """The keyword arguments of CargoOptions, all optional: for changes to options that are there already."""

    packages: Sequence[str]
    bins: Sequence[str]
    examples: Sequence[str]
    features: Sequence[str]
    all_features: bool
    no_default_features: bool
    profile: str
    target: str | None
    env: Mapping[str, str]
    locked: bool | None
    offline: bool


@dataclass(frozen=True, init=False)
class CargoOptions:
    """The options of one `cargo build`, named as on cargo's command line.

    `packages`, `bins` and `examples` select what is built, empty meaning cargo's default members and all their
    binaries; each name may be a pattern, as in `packages=["*"]` for all members. `profile` is a cargo profile
    ("dev", "release", or one of the workspace's own), `target` a target triple. `env` is set for cargo, rustc and
    build scripts. `locked=None` leaves Cargo.lock to cargo, as a plain `cargo build` does.

    Any sequence of names is accepted and stored as a tuple, so that equal options are equal and can be hashed.

    Raises ConfigurationError for an invalid value.
    """

    packages: tuple[str, ...]
    bins: tuple[str, ...]
    examples: tuple[str, ...]
    features: tuple[str, ...]
    all_features: bool
    no_default_features: bool
    profile: str
    target: str | None
    env: Mapping[str, str] = field(repr=False)
    locked: bool | None
    offline: bool

    def __init__(  # noqa: PLR0913, PLR0917 - each is a flag of cargo's
        self,
        packages: Sequence[str] = (),
        bins: Sequence[str] = (),
        examples: Sequence[str] = (),
        features: Sequence[str] = (),
        all_features: bool = False,
        no_default_features: bool = False,
        profile: str = "dev",
        target: str | None = None,
        env: Mapping[str, str] | None = None,
        locked: bool | None = None,
        offline: bool = False,
    ) -> None:
        names = {"packages": packages, "bins": bins, "examples": examples}
        checked: dict[str, Any] = {name: _names(name, value, _PATTERN) for name, value in names.items()}
        checked["features"] = _names("features", features, _FEATURE)
        checked["profile"] = _check_name("profile", profile, _NAME)
        checked["target"] = None if target is None else _check_name("target", target, _NAME)
        flags = {"all_features": all_features, "no_default_features": no_default_features, "offline": offline}
        checked |= {name: _check_bool(name, value) for name, value in flags.items()}
        checked["locked"] = None if locked is None else _check_bool("locked", locked)
        checked["env"] = Variables(_checked_env(env or {}))
        for name, value in checked.items():
            object.__setattr__(self, name, value)

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
        raise ConfigurationError(f"CargoOptions has no {unknown[0]}. {nearest(unknown[0], known)}")
    return replace(options, **changes)


def _names(option: str, value: object, pattern: re.Pattern[str]) -> tuple[str, ...]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        msg = f"CargoOptions: {option} takes a list of names, not {value!r}."
        raise ConfigurationError(msg)
    items: list[object] = list(value)  # pyright: ignore[reportUnknownArgumentType]
    return tuple(_check_name(option, item, pattern) for item in items)


def _check_name(option: str, value: object, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value) or value.startswith("-"):
        msg = f"CargoOptions: {option} has {value!r}, which is not a name cargo takes."
        raise ConfigurationError(msg)
    return value


def _check_bool(option: str, value: object) -> bool:
    if not isinstance(value, bool):
        msg = f"CargoOptions: {option} takes True or False, not {value!r}."
        raise ConfigurationError(msg)
    return value


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
