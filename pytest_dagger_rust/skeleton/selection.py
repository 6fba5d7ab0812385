"""Translates the flags that select targets of the real workspace into flags for its skeleton."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol

from pytest_dagger_rust.errors import WorkspaceError
from pytest_dagger_rust.skeleton.masking import has_program, stub_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pytest_dagger_rust.manifests.packages import Package, TargetKind

_GLOB = re.compile(r"[*?\[]")


class Selection(Protocol):
    """What a `cargo build` is told to build; `CargoOptions` is one."""

    @property
    def packages(self) -> tuple[str, ...]:
        """The values of `--package`."""
        ...

    @property
    def bins(self) -> tuple[str, ...]:
        """The values of `--bin`."""
        ...

    @property
    def examples(self) -> tuple[str, ...]:
        """The values of `--example`."""
        ...


def translate(
    wanted: Selection,
    members: Sequence[Package],
    default: Sequence[Package],
    bare: frozenset[str],
    specs: Mapping[str, str],
    *,
    tests: bool = False,
) -> tuple[str, ...]:
    """Return the flags that get the same dependencies compiled from the skeleton, with the same features.

    The packages stay what they are, because cargo unifies features over all of them. `bare` are those whose
    binaries cannot be linked as ordinary ones; `specs` say how to name those whose name alone is not enough;
    with `tests`, development dependencies are compiled too.
    Raises WorkspaceError for a target that is not there, naming those that are.
    """
    selected, others = _packages(wanted.packages, members, default)
    flags = _package_flags(selected, others, members, specs)
    targets = _targets(wanted, selected, bare)
    if targets:
        return (*flags, *targets)
    # Binaries need what the library stub of their package needs, and a library is not linked.
    flags = (*flags, "--lib") if any(map(has_program, selected)) else flags
    if tests:
        return (*flags, "--examples")
    return (*flags, *_bin_flags(item for item in selected if item.of_kind("bin") and _is_macro(item)))


def test_flags(
    wanted: Selection,
    members: Sequence[Package],
    default: Sequence[Package],
    bare: frozenset[str],
    specs: Mapping[str, str],
) -> tuple[str, ...]:
    """Return the flags of `cargo test` that compile what tests, and the programs they run, depend on."""
    selected, others = _packages(wanted.packages, members, default)
    flags = [*_package_flags(selected, others, members, specs)]
    flags += ["--lib"] if any(map(has_program, selected)) else []
    with_tests = [item for item in selected if item.of_kind("test") and item.name not in bare]
    return (*flags, *(flag for item in with_tests for flag in ("--test", stub_name(item.name))))


def _is_macro(package: Package) -> bool:
    """Return whether the library is for the compiler, and so built otherwise than the package's programs."""
    return package.library is not None and "proc-macro" in package.library.crate_types


def _bin_flags(packages: Iterable[Package]) -> tuple[str, ...]:
    return tuple(flag for item in packages for flag in ("--bin", stub_name(item.name)))


def _packages(
    specs: Sequence[str], members: Sequence[Package], default: Sequence[Package]
) -> tuple[list[Package], list[str]]:
    if not specs:
        return list(default), []
    found: dict[str, Package] = {}
    others: list[str] = []
    for spec in specs:
        matching = [item for item in members if fnmatchcase(item.name, _name_of(spec))]
        if not matching and _GLOB.search(spec):
            hint = f"The members are: {_list(item.name for item in members)}."
            raise WorkspaceError(f"no member of the workspace matches `{spec}`", hint=hint)
        # Any other name may be that of a dependency, which cargo builds too.
        others += [] if matching else [spec]
        found.update({item.name: item for item in matching})
    return list(found.values()), others


def _name_of(spec: str) -> str:
    # A specification is a name, a name and a version, or a URL with either behind a `#`.
    url, _, fragment = spec.rpartition("#")
    if url and fragment[:1].isdigit():
        return url.rstrip("/").rpartition("/")[2]
    return re.split(r"[@:]", fragment, maxsplit=1)[0]


def _package_flags(
    selected: list[Package], others: list[str], members: Sequence[Package], specs: Mapping[str, str]
) -> tuple[str, ...]:
    if not others and len(selected) == len(members):
        return ("--workspace",)
    names = [*sorted(specs.get(item.name, item.name) for item in selected), *others]
    return tuple(flag for name in names for flag in ("--package", name))


def _targets(wanted: Selection, selected: list[Package], bare: frozenset[str]) -> list[str]:
    flags: list[str] = []
    programs = [item for item in selected if has_program(item)]
    with_bins = _having("bin", wanted.bins, selected)
    # Libraries are not linked, but there is no way to select those of some packages only.
    if with_bins and (len(with_bins) == len(programs) or any(item.name in bare for item in with_bins)):
        flags += ["--lib", *_bin_flags(item for item in with_bins if _is_macro(item))]
    else:
        flags += _bin_flags(with_bins)
    with_examples = _having("example", wanted.examples, selected)
    return flags + [flag for item in with_examples for flag in ("--example", stub_name(item.name))]


def _having(kind: TargetKind, patterns: tuple[str, ...], selected: list[Package]) -> list[Package]:
    found: list[Package] = []
    for pattern in patterns:
        having = [item for item in selected if any(fnmatchcase(name, pattern) for name in _names(item, kind))]
        if not having:
            there = _list(name for item in selected for name in _names(item, kind))
            raise WorkspaceError(f"there is no {kind} named `{pattern}`", hint=f"There are: {there}.")
        found += [item for item in having if item not in found]
    return found


def _names(package: Package, kind: TargetKind) -> list[str]:
    return [target.name for target in package.of_kind(kind)]


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
