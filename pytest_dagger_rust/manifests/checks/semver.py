"""Checks whether a version meets a requirement, by cargo's rules."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from pytest_dagger_rust.manifests.checks.versions import COMPARATOR

# What stands before a release, as in 1.0.0-rc.1, so that it can be compared: whether there is nothing, which is the
# highest, and then each part, numbers first.
_Before: TypeAlias = "tuple[bool, tuple[tuple[bool, int, str], ...]]"


def _before(text: str | None) -> _Before:
    parts = text.split(".") if text else []
    return not parts, tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts)


class _Version(NamedTuple):
    numbers: tuple[int, int, int]
    before: _Before


class _Comparator(NamedTuple):
    operator: str
    numbers: tuple[int, ...]
    before: _Before


def fits(version: str, requirement: str) -> bool:
    """Return whether `version` fits `requirement`; both must be written right."""
    release, _, before = version.partition("+")[0].partition("-")
    major, minor, patch = (int(number) for number in release.split("."))
    parsed = _Version((major, minor, patch), _before(before))
    comparators = [_comparator(part.strip()) for part in requirement.strip().removesuffix(",").split(",")]
    if not all(_matches(item, parsed) for item in comparators):
        return False
    # What comes before a release fits only where one before the same release is asked for.
    is_release = parsed.before[0]
    return is_release or any(not item.before[0] and item.numbers == parsed.numbers for item in comparators)


def _comparator(text: str) -> _Comparator:
    match = COMPARATOR.fullmatch(text)
    if match is None:
        return _Comparator("*", (), _before(None))
    numbers = tuple(int(number) for number in match.group("major", "minor", "patch") if number)
    is_wild = len(numbers) < 3 and text[-1] in "*xX"
    operator = "=" if is_wild and not match["operator"] else match["operator"] or "^"
    return _Comparator(operator, numbers, _before(match["before"]))


def _matches(wanted: _Comparator, version: _Version) -> bool:
    numbers = version.numbers[: len(wanted.numbers)]
    is_same = numbers == wanted.numbers and (len(numbers) < 3 or version.before == wanted.before)
    if wanted.operator == "*":
        return True
    if wanted.operator in {"=", "~", "^"}:
        return is_same if wanted.operator == "=" else _is_compatible(wanted, version)
    if "=" in wanted.operator and is_same:
        return True
    here, there = (numbers, version.before), (wanted.numbers, wanted.before)
    if len(numbers) < 3:
        here, there = (numbers, wanted.before), (wanted.numbers, wanted.before)
    return here > there if wanted.operator[0] == ">" else here < there


def _is_compatible(wanted: _Comparator, version: _Version) -> bool:
    """Return whether the version is no lower, and has the numbers in which versions that fit must be alike."""
    alike = min(2, len(wanted.numbers)) if wanted.operator == "~" else _first_other_than_zero(wanted.numbers)
    if version.numbers[:alike] != wanted.numbers[:alike]:
        return False
    lowest = (*wanted.numbers, 0, 0)[:3]
    before = wanted.before if len(wanted.numbers) == 3 else _before("0")
    return (version.numbers, version.before) >= (lowest, before)


def _first_other_than_zero(numbers: tuple[int, ...]) -> int:
    return next((place for place, number in enumerate(numbers, start=1) if number), len(numbers))
