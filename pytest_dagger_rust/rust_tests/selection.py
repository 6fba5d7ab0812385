"""Which packages' tests are built, and which tests must not run beside others."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, cast

import tomli

from pytest_dagger_rust.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pytest_dagger_rust.workspace import RustWorkspace

# Its mutex is one of a process, and does nothing between tests that are processes of their own.
_SERIAL = "serial_test"
_DEPENDENCIES = ("dependencies", "dev-dependencies", "dev_dependencies")


def selected_packages(
    workspace: RustWorkspace, packages: Sequence[str], excludes: Sequence[str]
) -> tuple[str, ...]:
    """Return the packages to test, as cargo's `--package`: empty for those that cargo takes where none is named.

    Raises ConfigurationError for a package to leave out that there is not, and where none is left.
    """
    if not excludes:
        return tuple(packages)
    members = [package.name for package in workspace.packages]
    for pattern in excludes:
        if not any(fnmatchcase(name, pattern) for name in members):
            msg = f"test_excludes has {pattern!r}, and no member of the workspace has that name."
            raise ConfigurationError(f"{msg}\n  The members are: {', '.join(members)}.")
    wanted = _named(members, packages) if packages else [item.name for item in workspace.default_members]
    left = [name for name in wanted if name not in _named(members, excludes)]
    if not left:
        raise ConfigurationError("test_excludes leaves no package out of those to test.")
    return tuple(left)


def _named(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def serial_packages(workspace: RustWorkspace) -> frozenset[str]:
    """Return the members that depend on the crate serial_test, whose tests expect to share a process."""
    return frozenset(
        package.name
        for package in workspace.packages
        if _SERIAL in _dependencies((workspace.root / package.manifest_path).read_text("utf-8"))
    )


def _dependencies(manifest: str) -> set[str]:
    document = tomli.loads(manifest)
    targets = cast("Mapping[str, Any]", document.get("target", {})).values()
    return {name for table in (document, *targets) for name in _named_in(table)}


def _named_in(table: Mapping[str, Any]) -> Iterator[str]:
    for kind in _DEPENDENCIES:
        for name, value in cast("Mapping[str, Any]", table.get(kind, {})).items():
            # A dependency may have another name here than its package.
            renamed = cast("Mapping[str, Any]", value).get("package") if isinstance(value, dict) else None
            yield str(renamed or name)
