"""Finds why a build compiled a package, from cargo's messages and from the inputs of the previous build."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from pytest_dagger_rust.builds.messages import Artifact, CargoMessages

# With --verbose, cargo says why it compiles a package again that it has compiled with the same flags:
#   Dirty app v0.1.0 (/path): the file `src/main.rs` has changed (1764104444.1s, 2s after last build at …)
_DIRTY = re.compile(r"(?P<package>\S+) v\S+(?: \([^)]*\))*: (?P<reason>.*)")
_TIMES = re.compile(r" \([^()]*last build at [^()]*\)$")
_WORDS = (
    (re.compile(r"the file `(.*)` has changed"), r"\1 changed"),
    (re.compile(r"the file `(.*)` is missing"), r"\1 is missing"),
    (re.compile(r"the env(?:ironment)? variable `?([^` ]+)`? changed"), r"variable \1 changed"),
    (re.compile(r"the dependency `?([^` ]+)`? was rebuilt.*"), r"dependency \1 was compiled again"),
)

FIRST_BUILD = "not built before"
OTHERWISE = "toolchain, flags or configuration changed"


def why_compiled(
    compiled: Collection[str],
    now: CargoMessages,
    before: CargoMessages,
    dirty: Iterable[str],
    needs: Mapping[str, Collection[str]],
) -> dict[str, str]:
    """Return the reason for each compiled package, by name.

    `now` and `before` are what cargo said in this build and the one before, `dirty` its lines of that name, `needs` the
    names of what each package depends on.
    """
    said = _said(dirty)
    builds = _Builds(_by_package(before), _by_package(now), frozenset(compiled))
    return {name: said.get(name) or _compared(name, builds, needs.get(name, ())) for name in compiled}


class _Builds(NamedTuple):
    """The artifacts of two builds by their packages, and the packages that the second one compiled."""

    before: Mapping[str, Sequence[Artifact]]
    now: Mapping[str, Sequence[Artifact]]
    compiled: frozenset[str]


def _by_package(messages: CargoMessages) -> dict[str, list[Artifact]]:
    found: dict[str, list[Artifact]] = {}
    for item in messages.artifacts:
        found.setdefault(item.package, []).append(item)
    return found


def _said(dirty: Iterable[str]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    for line in dirty:
        if match := _DIRTY.fullmatch(line):
            reasons = found.setdefault(match["package"], [])
            words = _in_words(match["reason"])
            reasons += [words] if words not in reasons else []
    return {name: ", ".join(reasons) for name, reasons in found.items()}


def _in_words(reason: str) -> str:
    reason = _TIMES.sub("", reason)
    for pattern, words in _WORDS:
        if pattern.fullmatch(reason):
            return pattern.sub(words, reason)
    return reason


def _compared(name: str, builds: _Builds, needs: Iterable[str]) -> str:
    if not builds.before:
        return FIRST_BUILD
    old, new = builds.before.get(name, ()), builds.now.get(name, ())
    versions = {item.version for item in old}
    if not old:
        return "new in this build"
    if changed := sorted({item.version for item in new} - versions):
        return f"version {', '.join(sorted(versions))} → {', '.join(changed)}"
    return _features(old, new) or _profile(old, new) or _needed(builds, needs) or OTHERWISE


def _features(old: Sequence[Artifact], new: Sequence[Artifact]) -> str | None:
    had = {feature for item in old for feature in item.features}
    has = {feature for item in new for feature in item.features}
    added = [f"feature {feature} added" for feature in sorted(has - had)]
    return ", ".join([*added, *(f"feature {feature} removed" for feature in sorted(had - has))]) or None


def _profile(old: Sequence[Artifact], new: Sequence[Artifact]) -> str | None:
    profiles = {(item.name, item.kind, item.is_test): item.profile for item in old}
    for item in new:
        known: Mapping[str, object] = profiles.get((item.name, item.kind, item.is_test), item.profile)
        if known != item.profile:
            keys = sorted(key for key in item.profile if item.profile[key] != known.get(key))
            return "profile: " + ", ".join(f"{key} {known.get(key)} → {item.profile[key]}" for key in keys)
    return None


def _needed(builds: _Builds, needs: Iterable[str]) -> str | None:
    again: list[str] = []
    for name in sorted(needs):
        versions = {item.version for item in builds.before.get(name, ())}
        changed = {item.version for item in builds.now.get(name, ())} - versions
        if changed and versions:
            return f"dependency {name} {', '.join(sorted(versions))} → {', '.join(sorted(changed))}"
        again += [name] if name in builds.compiled else []
    return f"dependency {', '.join(again)} compiled again" if again else None
