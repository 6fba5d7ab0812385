"""Translates the flags that select targets of the real workspace into flags for its skeleton."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pytest_dagger_rust.errors import WorkspaceError
from pytest_dagger_rust.masking import stub_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_dagger_rust.packages import Package

_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a real `cargo build` would be told to build."""

    packages: tuple[str, ...] = ()
    bins: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    benches: tuple[str, ...] = ()
    workspace: bool = False
    exclude: tuple[str, ...] = ()
    all_targets: bool = False


def translate(wanted: Wanted, members: Sequence[Package], default: Sequence[Package]) -> tuple[str, ...]:
    """Return the flags that get the same dependencies compiled from the skeleton, with the same features."""
    selected, others = _packages(wanted, members, default)
    flags = _package_flags(selected, others, members)
    if wanted.all_targets:
        return (*flags, "--all-targets")
    named = _named_targets(wanted, selected)
    if named is None:
        return (*flags, *(["--lib"] if any(map(_has_program, selected)) else []))
    return (*flags, *named)


def _packages(
    wanted: Wanted, members: Sequence[Package], default: Sequence[Package]
) -> tuple[list[Package], list[str]]:
    if wanted.workspace:
        excluded = {item.name for item in _matching(wanted.exclude, members)[0]}
        return [item for item in members if item.name not in excluded], []
    if not wanted.packages:
        return list(default), []
    return _matching(wanted.packages, members)


def _matching(specs: Iterable[str], members: Sequence[Package]) -> tuple[list[Package], list[str]]:
    found: dict[str, Package] = {}
    others: list[str] = []
    for spec in specs:
        name = _name_of(spec)
        matching = [item for item in members if fnmatchcase(item.name, name)]
        if not matching and _GLOB.search(spec):
            message = f"no member matches `{spec}`"
            raise WorkspaceError(message, hint=f"The members are: {_list(item.name for item in members)}.")
        # Any other name may be that of a dependency, which cargo can build too.
        others += [] if matching else [spec]
        found.update({item.name: item for item in matching})
    return list(found.values()), others


def _name_of(spec: str) -> str:
    if "#" in spec:
        fragment = spec.rpartition("#")[2]
        spec = fragment if not fragment[:1].isdigit() else spec.rpartition("#")[0].rpartition("/")[2]
    return re.split(r"[@:]", spec, maxsplit=1)[0]


def _package_flags(selected: list[Package], others: list[str], members: Sequence[Package]) -> list[str]:
    if not others and len(selected) == len(members):
        return ["--workspace"]
    names = [*sorted(item.name for item in selected), *others]
    return [flag for name in names for flag in ("-p", name)]


def _has_program(package: Package) -> bool:
    return package.library is not None or bool(package.of_kind("bin"))


def _named_targets(wanted: Wanted, selected: list[Package]) -> list[str] | None:
    flags: list[str] = []
    for kind, names in (
        ("bin", wanted.bins), ("example", wanted.examples), ("test", wanted.tests), ("bench", wanted.benches),
    ):  # fmt: skip
        having = _having(kind, names, selected)
        if kind == "bin" and having and all(item in having or not _has_program(item) for item in selected):
            flags.append("--lib")
        else:
            flags += [flag for item in having for flag in (f"--{kind}", stub_name(item.name))]
    return flags or None


def _having(kind: str, patterns: tuple[str, ...], selected: list[Package]) -> list[Package]:
    found: list[Package] = []
    for pattern in patterns:
        having = [
            item
            for item in selected
            if any(fnmatchcase(target.name, pattern) for target in item.of_kind(kind))
        ]
        if not having:
            there = _list(target.name for item in selected for target in item.of_kind(kind))
            raise WorkspaceError(f"there is no {kind} target named `{pattern}`", hint=f"There are: {there}.")
        found += [item for item in having if item not in found]
    return found


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
