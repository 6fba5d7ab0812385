"""The compiler's messages about a place in a source file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

# rustc's words: https://doc.rust-lang.org/rustc/json.html
Level: TypeAlias = Literal[
    "error", "warning", "note", "help", "failure-note", "error: internal compiler error"
]
"""The levels of rustc's messages."""

# Colours and moves of the cursor (CSI), and what sets titles and links (OSC).
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")


def strip_ansi(text: str) -> str:
    """Return a text without the control sequences of terminals."""
    return _ANSI.sub("", text)


def lines_of(text: str) -> list[str]:
    """Return the lines of a program's output or of a source file.

    `str.splitlines` ends lines at characters that are content there, such as U+0085 and U+2028.
    """
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


@dataclass(frozen=True)
class Span:
    """A place in a source file; `line` and `column` are 1-based, `file` is relative to the workspace root."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True)
class Diagnostic:
    """One message of the compiler; `rendered` is rustc's own text, with ANSI colours."""

    level: Level
    message: str
    code: str | None
    rendered: str
    package: str
    spans: tuple[Span, ...]

    @property
    def text(self) -> str:
        """The text of rustc, without colours."""
        return strip_ansi(self.rendered)
