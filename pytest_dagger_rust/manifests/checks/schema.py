"""Checks that the values in a manifest have the types cargo takes; unknown keys are left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_dagger_rust.manifests.toml_values import is_array, is_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_dagger_rust.manifests.manifest import Manifest

# A check returns the path to the first value of a wrong type and what would be right; None when all is well.
_Mismatch: TypeAlias = "tuple[tuple[str, ...], str] | None"
_Check: TypeAlias = "Callable[[Any], _Mismatch]"


def check(manifest: Manifest) -> None:
    """Raise WorkspaceError when a value in the manifest has a type that cargo rejects."""
    mismatch = _MANIFEST(manifest.document)
    if mismatch is not None:
        keys, expected = mismatch
        message = f"`{'.'.join(keys)}` must be {expected}"
        raise manifest.error(message, *keys, hint="Correct the value, or remove the key.")


def _a(kind: type, expected: str) -> _Check:
    def check_type(value: Any) -> _Mismatch:
        # In Python a boolean is an integer too, in TOML it is not.
        right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        return None if right else ((), expected)

    return check_type


def _array(item: _Check, expected: str) -> _Check:
    def check_array(value: Any) -> _Mismatch:
        if not is_array(value):
            return (), expected
        return next((found for found in map(item, value) if found is not None), None)

    return check_array


def _map(item: _Check, **known: _Check) -> _Check:
    def check_map(value: Any) -> _Mismatch:
        if not is_table(value):
            return (), "a table"
        for key, inner in value.items():
            if (found := known.get(key, item)(inner)) is not None:
                return (key, *found[0]), found[1]
        return None

    return check_map


def _table(**fields: _Check) -> _Check:
    checks = {name.replace("_", "-"): item for name, item in fields.items()}
    # Some keys have an old spelling that still counts.
    checks.update({name: item for name, item in fields.items() if name in _OLD_SPELLINGS})

    def check_table(value: Any) -> _Mismatch:
        if not is_table(value):
            return (), "a table"
        for key, inner in value.items():
            item = checks.get(key)
            if item is not None and (found := item(inner)) is not None:
                return (key, *found[0]), found[1]
        return None

    return check_table


def _one_of(*values: object) -> _Check:
    expected = f"one of {', '.join(map(str, values))}"

    def check_value(value: Any) -> _Mismatch:
        return (
            None if any(value == known and type(value) is type(known) for known in values) else ((), expected)
        )

    return check_value


def _with(required: str, others: _Check) -> _Check:
    def check_required(value: Any) -> _Mismatch:
        if is_table(value) and required not in value:
            return (), f"a table with `{required}`"
        return others(value)

    return check_required


def _either(simple: _Check, other: _Check, expected: str) -> _Check:
    def check_either(value: Any) -> _Mismatch:
        if simple(value) is None:
            return None
        found = other(value)
        return found if found is None or found[0] else ((), expected)

    return check_either


_OLD_SPELLINGS = frozenset({
    "build_dependencies", "crate_type", "default_features", "dev_dependencies", "proc_macro",
})  # fmt: skip
_STRING = _a(str, "a string")
_BOOLEAN = _a(bool, "true or false")
_INTEGER = _a(int, "an integer")
_STRINGS = _array(_STRING, "an array of strings")
_ANY_TABLE = _a(dict, "a table")
_INHERITED = _table(workspace=_BOOLEAN)
_STRING_OR_BOOLEAN = _either(_STRING, _BOOLEAN, "a string, true or false")


def _inheritable(own: _Check, expected: str) -> _Check:
    return _either(own, _INHERITED, f"{expected}, or {{ workspace = true }}")


_OWN_STRING = _inheritable(_STRING, "a string")
_OWN_STRINGS = _inheritable(_STRINGS, "an array of strings")

_PACKAGE = _table(
    name=_STRING, version=_OWN_STRING, edition=_OWN_STRING, rust_version=_OWN_STRING, authors=_OWN_STRINGS,
    description=_OWN_STRING, homepage=_OWN_STRING, documentation=_OWN_STRING, repository=_OWN_STRING,
    license=_OWN_STRING, license_file=_OWN_STRING, keywords=_OWN_STRINGS, categories=_OWN_STRINGS,
    readme=_inheritable(_STRING_OR_BOOLEAN, "a string, true or false"),
    publish=_inheritable(_either(_BOOLEAN, _STRINGS, ""), "true, false or an array of strings"),
    exclude=_OWN_STRINGS, include=_OWN_STRINGS, links=_STRING, workspace=_STRING, default_run=_STRING,
    build=_either(_STRING_OR_BOOLEAN, _STRINGS, "a string, true or false"), resolver=_STRING,
    autolib=_BOOLEAN, autobins=_BOOLEAN, autoexamples=_BOOLEAN, autotests=_BOOLEAN, autobenches=_BOOLEAN,
    default_target=_STRING, forced_target=_STRING, im_a_teapot=_BOOLEAN,
    metabuild=_either(_STRING, _STRINGS, "a string or an array of strings"),
)  # fmt: skip
_TARGET = _table(
    name=_STRING, path=_STRING, crate_type=_STRINGS, required_features=_STRINGS, edition=_STRING,
    test=_BOOLEAN, doctest=_BOOLEAN, bench=_BOOLEAN, doc=_BOOLEAN, harness=_BOOLEAN, proc_macro=_BOOLEAN,
    filename=_STRING,
)  # fmt: skip
_TARGETS = _array(_TARGET, "an array of tables, as [[bin]] makes")
_DETAILED = _table(
    version=_STRING, path=_STRING, git=_STRING, branch=_STRING, tag=_STRING, rev=_STRING, registry=_STRING,
    registry_index=_STRING, package=_STRING, features=_STRINGS, optional=_BOOLEAN, default_features=_BOOLEAN,
    artifact=_either(_STRING, _STRINGS, "a string or an array of strings"), lib=_BOOLEAN,
    target=_STRING, public=_BOOLEAN,
)  # fmt: skip
_DEPENDENCIES = _map(_either(_STRING, _DETAILED, "a version requirement or a table"))
_PLATFORM = _table(
    dependencies=_DEPENDENCIES, dev_dependencies=_DEPENDENCIES, build_dependencies=_DEPENDENCIES
)
_DEBUG = _one_of(0, 1, 2, True, False, "none", "limited", "full", "line-tables-only", "line-directives-only")
_TRIMMED = _one_of("none", "diagnostics", "macro", "object", "all")
_SETTINGS: dict[str, _Check] = {
    "opt_level": _either(_INTEGER, _one_of("0", "1", "2", "3", "s", "z"), "0, 1, 2, 3, s or z"),
    "lto": _STRING_OR_BOOLEAN, "debug": _DEBUG,
    "trim_paths": _either(_BOOLEAN, _either(_TRIMMED, _array(_TRIMMED, ""), ""), "a boolean or what to trim"),
    "panic": _STRING, "strip": _STRING_OR_BOOLEAN, "codegen_units": _INTEGER, "incremental": _BOOLEAN,
    "overflow_checks": _BOOLEAN, "debug_assertions": _BOOLEAN, "rpath": _BOOLEAN, "inherits": _STRING,
    "split_debuginfo": _STRING, "codegen_backend": _STRING, "rustflags": _STRINGS,
}  # fmt: skip
_SHALLOW_PROFILE = _table(**_SETTINGS)
_PROFILE = _table(**_SETTINGS, package=_map(_SHALLOW_PROFILE), build_override=_SHALLOW_PROFILE)
_LEVEL = _one_of("forbid", "deny", "warn", "allow")
_LINT = _either(
    _LEVEL, _with("level", _table(level=_LEVEL, priority=_INTEGER)), "a level or a table with one"
)
_WORKSPACE = _table(
    members=_STRINGS, exclude=_STRINGS, default_members=_STRINGS, resolver=_STRING, lints=_map(_map(_LINT)),
    dependencies=_DEPENDENCIES,
    package=_table(
        version=_STRING, edition=_STRING, rust_version=_STRING, authors=_STRINGS, description=_STRING,
        homepage=_STRING, documentation=_STRING, repository=_STRING, license=_STRING, license_file=_STRING,
        keywords=_STRINGS, categories=_STRINGS, readme=_STRING_OR_BOOLEAN, exclude=_STRINGS, include=_STRINGS,
        publish=_either(_BOOLEAN, _STRINGS, "true, false or an array of strings"),
    ),
)  # fmt: skip
_MANIFEST = _table(
    cargo_features=_STRINGS, package=_PACKAGE, project=_PACKAGE, workspace=_WORKSPACE,
    lib=_TARGET, bin=_TARGETS, example=_TARGETS, test=_TARGETS, bench=_TARGETS,
    dependencies=_DEPENDENCIES, dev_dependencies=_DEPENDENCIES, build_dependencies=_DEPENDENCIES,
    target=_map(_PLATFORM), features=_map(_STRINGS), profile=_map(_PROFILE),
    patch=_map(_DEPENDENCIES), replace=_DEPENDENCIES, badges=_map(_map(_STRING)),
    lints=_map(_map(_LINT), workspace=_BOOLEAN), hints=_ANY_TABLE,
)  # fmt: skip
