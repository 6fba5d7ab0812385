"""Reads the inner attributes at the top of a crate's root file, such as `#![no_std]`."""

from __future__ import annotations

import re

# Everything that may stand before and between the inner attributes of a crate.
_BLANK = re.compile(r"\s+|//[^\n]*|\ufeff|#!(?!\s*\[)[^\n]*")
_START = re.compile(r"#\s*!\s*\[")
# Within an attribute: text in quotes, raw or not, brackets, and all else.
_PIECE = re.compile(r'r(#*)".*?"\1|"(?:[^"\\]|\\.)*"|//[^\n]*|[\[\]]|[^"\[\]/r]+|.', re.DOTALL)
_WORD = re.compile(r"\b(?:no_std|no_main|no_core)\b")


def lacks_std_or_main(source: str) -> bool:
    """Return whether a crate is, always or under some condition, without std or without a main function."""
    # Nearly all files end here.
    if not _WORD.search(source):
        return False
    return any(_WORD.search(attribute) for attribute in _attributes(source))


def _attributes(source: str) -> list[str]:
    found: list[str] = []
    place = _after_blanks(source, 0)
    while match := _START.match(source, place):
        text, place = _until_closed(source, match.end())
        found.append(text)
        place = _after_blanks(source, place)
    return found


def _after_blanks(source: str, place: int) -> int:
    while True:
        if source.startswith("/*", place):
            place = _after_comment(source, place)
        elif match := _BLANK.match(source, place):
            place = match.end()
        else:
            return place


def _after_comment(source: str, place: int) -> int:
    # Block comments of Rust can contain block comments.
    depth = 0
    for match in re.compile(r"/\*|\*/").finditer(source, place):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    return len(source)


def _until_closed(source: str, place: int) -> tuple[str, int]:
    """Return the attribute's words, without what is in quotes or comments, and the place behind it."""
    words: list[str] = []
    depth = 1
    while match := _PIECE.match(source, place):
        if source.startswith("/*", place):
            place = _after_comment(source, place)
            continue
        place = match.end()
        piece = match[0]
        depth += {"[": 1, "]": -1}.get(piece, 0)
        if depth == 0:
            break
        if not piece.startswith(('"', 'r"', "r#", "//")):
            words.append(piece)
    return "".join(words), place
