"""Checks that a package's features name only features and dependencies that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_dagger_rust.manifests.checks import versions
from pytest_dagger_rust.manifests.toml_values import strings, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_dagger_rust.manifests.dependencies import Dependency
    from pytest_dagger_rust.manifests.manifest import Manifest


def check(manifest: Manifest, dependencies: Sequence[Dependency]) -> None:
    """Raise WorkspaceError for a feature of something unknown, or an optional dependency without one."""
    features = {name: strings(values) for name, values in table(manifest.document.get("features")).items()}
    optional: dict[str, bool] = {}
    for item in dependencies:
        optional[item.key] = optional.get(item.key, False) or item.spec.get("optional") is True
    explicit = {value[4:] for values in features.values() for value in values if _is_explicit(value)}
    hidden = {name for name in explicit if name not in features}
    for name, values in features.items():
        if not versions.is_feature_name(name):
            hint = "Use letters, digits, `-`, `_`, `+` and `.`."
            raise manifest.error(f"`{name}` cannot be the name of a feature", "features", name, hint=hint)
        for value in values:
            problem = _problem(value, features, optional, hidden)
            if problem is not None:
                raise manifest.error(f"the feature `{name}` has `{value}`, {problem}", "features", name)
    _check_all_used(manifest, features, optional, hidden)


def _is_explicit(value: str) -> bool:
    return value.startswith("dep:") and "/" not in value


def _problem(
    value: str, features: Mapping[str, object], optional: Mapping[str, bool], hidden: set[str]
) -> str | None:
    name, slash, feature = value.partition("/")
    if slash:
        return _problem_of_path(name, feature, optional)
    if value.startswith("dep:"):
        return _problem_of_optional(value[4:], optional)
    if value in features:
        return None
    if value in hidden:
        return f"which is an optional dependency without a feature; write `dep:{value}`"
    return _problem_of_optional(value, optional)


def _problem_of_path(name: str, feature: str, optional: Mapping[str, bool]) -> str | None:
    if "/" in feature:
        return "which has more than one slash"
    if name.startswith("dep:"):
        return "which has both `dep:` and a slash; remove the `dep:`"
    plain = name.removesuffix("?")
    if plain not in optional:
        return f"but `{plain}` is not a dependency"
    if name.endswith("?") and not optional[plain]:
        return f"but `{plain}` is not optional; remove the `?`"
    return None


def _problem_of_optional(name: str, optional: Mapping[str, bool]) -> str | None:
    if name not in optional:
        return "which is neither a dependency nor another feature"
    return None if optional[name] else "which is a dependency, but not an optional one"


def _check_all_used(
    manifest: Manifest, features: Mapping[str, list[str]], optional: Mapping[str, bool], hidden: set[str]
) -> None:
    values = [value for values in features.values() for value in values]
    used = {value.removeprefix("dep:").partition("/")[0].removesuffix("?") for value in values}
    for name, is_optional in optional.items():
        has_own_feature = name not in features and name not in hidden
        if is_optional and not has_own_feature and name not in used:
            message = f"no feature enables the optional dependency `{name}`"
            raise manifest.error(message, "features", hint=f"Add `dep:{name}` to a feature.")
