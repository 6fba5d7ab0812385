"""Expands the patterns in a workspace's `members`, by the rules of the glob library that cargo uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_dagger_rust.manifests.boundary import Tree

_WILD = frozenset("*?[")


def expand(tree: Tree, root: str, pattern: str) -> list[str]:
    """Return the folders below `root` that `pattern` names, sorted; raises ValueError for a broken pattern.

    A pattern without wildcards names its folder whether it exists or not, as does one that matches nothing.
    """
    if not _WILD.intersection(pattern):
        return [_join(root, pattern)]
    parts = [part for part in pattern.split("/") if part not in {"", "."}]
    compiled = [_compile(part) for part in parts]
    start = "/" if pattern.startswith("/") else root
    found = sorted(set(_match(tree, start, parts, compiled)))
    return [path for path in found if tree.kind(path) == "folder"] if found else [_join(root, pattern)]


def _join(root: str, pattern: str) -> str:
    return pattern.rstrip("/") if pattern.startswith("/") else f"{root}/{pattern}".rstrip("/")


def _match(
    tree: Tree, folder: str, parts: list[str], compiled: list[re.Pattern[str] | None]
) -> Iterator[str]:
    if not parts:
        yield folder
        return
    part, pattern = parts[0], compiled[0]
    if part == "**":
        yield from _match_deep(tree, folder, parts, compiled)
    elif pattern is None:
        path = f"{folder}/{part}"
        if tree.exists(path):
            yield from _match(tree, path, parts[1:], compiled[1:])
    else:
        for entry in tree.entries(folder):
            if pattern.fullmatch(entry.name):
                yield from _match(tree, f"{folder}/{entry.name}", parts[1:], compiled[1:])


def _match_deep(
    tree: Tree, folder: str, parts: list[str], compiled: list[re.Pattern[str] | None]
) -> Iterator[str]:
    yield from _match(tree, folder, parts[1:], compiled[1:])
    for entry in tree.entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _match_deep(tree, f"{folder}/{entry.name}", parts, compiled)


def _compile(part: str) -> re.Pattern[str] | None:
    if part == "**" or not _WILD.intersection(part):
        return None
    if "**" in part:
        raise ValueError("`**` must stand alone between slashes")
    return re.compile("".join(_translate(part)), re.DOTALL)


def _translate(part: str) -> Iterator[str]:
    index = 0
    while index < len(part):
        character = part[index]
        if character == "[":
            end = part.find("]", index + (3 if part[index + 1 : index + 2] == "!" else 2))
            if end < 0:
                raise ValueError("`[` is never closed")
            yield _character_class(part[index + 1 : end])
            index = end
        else:
            yield {"*": ".*", "?": "."}.get(character, re.escape(character))
        index += 1


def _character_class(inner: str) -> str:
    negated = inner.startswith("!")
    body = "".join(_members(inner[1:] if negated else inner))
    if not body:
        # Nothing is in the class: a range that runs backwards has no characters.
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{body}]"


def _members(inner: str) -> Iterator[str]:
    index = 0
    while index < len(inner):
        first = last = inner[index]
        if inner[index + 1 : index + 2] == "-" and index + 2 < len(inner):
            last = inner[index + 2]
            index += 2
        if first <= last:
            yield f"{re.escape(first)}-{re.escape(last)}"
        index += 1
