"""Checks the syntax of names, versions, requirements and platforms, as cargo does."""

from __future__ import annotations

import re

_NUMBER = r"(?:0|[1-9][0-9]*)"
_PRE_PART = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_PRE = rf"{_PRE_PART}(?:\.{_PRE_PART})*"
_BUILD = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-{_PRE})?(?:\+{_BUILD})?", re.ASCII)
_WILD = r"[*xX]"
# One part of a requirement, as >=1.2; of a wild one, as 1.x, the groups have the numbers before it.
COMPARATOR = re.compile(
    rf"(?P<operator>=|>=?|<=?|~|\^)?\s*(?P<major>{_NUMBER})(?:\.(?:{_WILD}(?:\.{_WILD})?|(?P<minor>{_NUMBER})(?:\.(?:"
    rf"{_WILD}|(?P<patch>{_NUMBER})(?:-(?P<before>{_PRE}))?(?:\+{_BUILD})?))?))?",
    re.ASCII,
)
_RUST_VERSION = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{0,2}}", re.ASCII)
_TOKEN = re.compile(
    r'\s*(?:(?P<word>(?:r#)?[A-Za-z_][A-Za-z0-9_]*)|(?P<text>"[^"]*")|(?P<mark>[(),=]))', re.ASCII
)
_TRIPLE = re.compile(r"[\w.-]*")
_FEATURE = re.compile(r"[\w][\w.+-]*")
_PROFILE = re.compile(r"[\w-]*")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.")
_RESERVED_PROFILES = frozenset({
    "build", "check", "clean", "config", "fetch", "fix", "install", "metadata", "package", "publish",
    "report", "root", "run", "rust", "rustc", "rustdoc", "target", "tmp", "uninstall", "build-override",
})  # fmt: skip


def is_package_name(name: str) -> bool:
    """Return whether a package can have this name."""
    first, rest = name[:1], name[1:].replace("-", "_")
    return (first.isidentifier() or first == "_") and f"a{rest}".isidentifier()


def is_feature_name(name: str) -> bool:
    """Return whether a feature can have this name."""
    return _FEATURE.fullmatch(name) is not None


def is_profile_name(name: str) -> bool:
    """Return whether a profile can have this name."""
    lower = name.lower()
    reserved = lower in _RESERVED_PROFILES or lower.startswith("cargo")
    return _PROFILE.fullmatch(name) is not None and not reserved


def is_version(text: str) -> bool:
    """Return whether this is a complete version, as 1.2.3-rc.1."""
    return _VERSION.fullmatch(text) is not None


def is_rust_version(text: str) -> bool:
    """Return whether this can stand in `rust-version`."""
    return _RUST_VERSION.fullmatch(text) is not None


def is_url(text: str) -> bool:
    """Return whether this is a URL, which begins with a scheme."""
    return _URL.match(text) is not None


def is_requirement(text: str) -> bool:
    """Return whether this is a version requirement, as ^1.2 or >=1, <3."""
    text = text.strip()
    if text in {"*", "x", "X"}:
        return True
    parts = text.removesuffix(",").split(",")
    return all(COMPARATOR.fullmatch(part.strip()) for part in parts)


def is_platform(text: str) -> bool:
    """Return whether this can stand after `target.`: a target triple, or an expression cfg(…)."""
    if not (text.startswith("cfg(") and text.endswith(")")):
        return _TRIPLE.fullmatch(text) is not None
    tokens = _tokens(text[4:-1])
    return tokens is not None and _end_of_expression(tokens, 0, 0) == len(tokens)


def _tokens(text: str) -> list[str] | None:
    found: list[str] = []
    place = 0
    while place < len(text.rstrip()):
        match = _TOKEN.match(text, place)
        if match is None:
            return None
        found.append(match["word"] or match["text"] or match["mark"])
        place = match.end()
    return found


def _end_of_expression(tokens: list[str], start: int, depth: int) -> int:
    """Return the place behind the expression that starts at `start`, -1 when there is none."""
    word, following = tokens[start : start + 1], tokens[start + 1 : start + 2]
    if not word or not (word[0][0].isalpha() or word[0][0] == "_") or depth > 100:
        return -1
    if following == ["="]:
        return start + 3 if tokens[start + 2 : start + 3] and tokens[start + 2][0] == '"' else -1
    if following == ["("] and word[0] in {"all", "any", "not"}:
        return _end_of_list(tokens, start + 2, word[0] == "not", depth)
    return start + 1


def _end_of_list(tokens: list[str], place: int, is_single: bool, depth: int) -> int:
    count = 0
    while tokens[place : place + 1] != [")"]:
        place = _end_of_expression(tokens, place, depth + 1)
        count += 1
        if place < 0 or place >= len(tokens):
            return -1
        if tokens[place] == "," and not is_single:
            place += 1
        elif tokens[place] != ")":
            return -1
    return -1 if is_single and count != 1 else place + 1
