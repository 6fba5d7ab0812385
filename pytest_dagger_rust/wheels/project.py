"""Reads what `[tool.maturin]` says about how the library is compiled."""

from __future__ import annotations

import dataclasses
import shlex
from typing import TYPE_CHECKING, Any, cast

import tomli
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from pytest_dagger_rust.errors import ConfigurationError
from pytest_dagger_rust.manifests.toml_values import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pytest_dagger_rust.builds.options import CargoOptions

# Options of cargo that may stand in `cargo-extra-args`, and those of them that take a value.
_SWITCHES = {
    "--no-default-features": "no_default_features",
    "--all-features": "all_features",
    "--locked": "locked",
    "--frozen": "frozen",
    "--offline": "offline",
    "--release": "release",
}
_VALUES = {"--features": "features", "-F": "features", "--profile": "profile", "--target": "target"}
# Nothing that is compiled depends on these: for them the library would have to be compiled in another way.
_REFUSED = ("rustc-args", "config", "unstable-flags", "use-cross", "use-base-python")


def options_of(file: Path, options: CargoOptions, python: str) -> CargoOptions:
    """Return the options with what `[tool.maturin]` in `file` adds to them, for a Python version such as "3.13".

    What the options name themselves wins.

    Raises ConfigurationError for a key or a value that this plugin does not know how to follow.
    Source: https://www.maturin.rs/config
    """
    if not file.is_file():
        return options
    try:
        document: dict[str, Any] = tomli.loads(file.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{file}: it cannot be read: {error}.") from None
    tool = table(document.get("tool"))
    return _Project(file, table(tool.get("maturin"))).applied(options, python)


def check_inside(root: Path, package: str) -> None:
    """Raise ConfigurationError if a project above the workspace at `root` describes its packages: it is not sent."""
    for folder in root.parents:
        file = folder / "pyproject.toml"
        if file.is_file() and "manifest-path" in file.read_text("utf-8", "replace"):
            msg = f"wheel: {file} describes the package {package}, but lies outside the workspace {root}.\n"
            hint = "  Put a pyproject.toml beside the package's Cargo.toml, or into the workspace's root."
            raise ConfigurationError(msg + hint)
        if (folder / ".git").exists():
            return


@dataclasses.dataclass(frozen=True)
class _Project:
    file: Path
    settings: Mapping[str, Any]

    def applied(self, options: CargoOptions, python: str) -> CargoOptions:
        for key in _REFUSED:
            if self.settings.get(key):
                raise self._error(key, "is not supported: it changes how the library is compiled")
        arguments = list(self._extra())
        extra = dict(arguments)
        named = " ".join(value for name, value in arguments if name == "features").replace(",", " ").split()
        features = (*options.features, *self._features(python), *named)
        profile = self._text("profile") or extra.get("profile") or ("release" if "release" in extra else "")
        strip = {}
        if self._flag("strip"):
            name = (options.profile if options.profile != "dev" or not profile else profile).upper()
            strip = {f"CARGO_PROFILE_{name.replace('-', '_')}_STRIP": "symbols"}
        return dataclasses.replace(
            options,
            features=tuple(dict.fromkeys(features)),
            no_default_features=options.no_default_features or self._is_set("no-default-features", extra),
            all_features=options.all_features or self._is_set("all-features", extra),
            locked=self._locked(options, extra),
            offline=options.offline or self._is_set("offline", extra) or self._is_set("frozen", extra),
            profile=profile if profile and options.profile == "dev" else options.profile,
            target=options.target or self._text("target") or extra.get("target"),
            env={**strip, **options.env},
        )

    def _locked(self, options: CargoOptions, extra: Mapping[str, str]) -> bool | None:
        return True if any(self._is_set(key, extra) for key in ("locked", "frozen")) else options.locked

    def _is_set(self, key: str, extra: Mapping[str, str]) -> bool:
        return self._flag(key) or key.replace("-", "_") in extra

    def _flag(self, key: str) -> bool:
        value = self.settings.get(key, False)
        if not isinstance(value, bool):
            raise self._error(key, f"must be true or false: got {value!r}")
        return value

    def _text(self, key: str) -> str:
        value = self.settings.get(key, "")
        if not isinstance(value, str):
            raise self._error(key, f"must be a string: got {value!r}")
        return value

    def _features(self, python: str) -> Iterator[str]:
        for item in self._list("features"):
            if isinstance(item, str):
                yield item
            elif isinstance(item, dict) and isinstance(
                feature := cast("dict[str, Any]", item).get("feature"), str
            ):
                if self._applies(cast("dict[str, Any]", item), python):
                    yield feature
            else:
                raise self._error("features", f"must hold names, or tables with `feature`: got {item!r}")

    def _applies(self, item: Mapping[str, Any], python: str) -> bool:
        """Return whether a feature is for this Python: CPython, which is all that is built for."""
        if item.get("python-implementation", "cpython") != "cpython":
            return False
        try:
            return SpecifierSet(str(item.get("python-version", ""))).contains(python, prereleases=True)
        except InvalidSpecifier as error:
            raise self._error("features", f"has a python-version that is none: {error}") from None

    def _extra(self) -> Iterator[tuple[str, str]]:
        """Read `cargo-extra-args`, which is a list of arguments or a command line."""
        value = self.settings.get("cargo-extra-args", [])
        words = (
            shlex.split(value)
            if isinstance(value, str)
            else [str(word) for word in self._list("cargo-extra-args")]
        )
        while words:
            word, *words = words
            name, equals, value = word.partition("=")
            if word in _SWITCHES:
                yield _SWITCHES[word], "true"
            elif name in _VALUES and (equals or words):
                if not equals:
                    value, *words = words
                yield _VALUES[name], value
            else:
                raise self._error("cargo-extra-args", f"has {word}, which is not supported")

    def _list(self, key: str) -> Sequence[object]:
        value = self.settings.get(key, [])
        if not isinstance(value, list):
            raise self._error(key, f"must be a list: got {value!r}")
        return cast("list[object]", value)

    def _error(self, key: str, what: str) -> ConfigurationError:
        hint = "Pass options to wheel(...) instead, such as profile or env."
        return ConfigurationError(f"{self.file}: [tool.maturin] {key} {what}.\n  {hint}")
