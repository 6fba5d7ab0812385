"""One manifest: its text, its parsed TOML, and the line of each key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli

from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.errors import WorkspaceError
from pytest_dagger_rust.manifests.toml_values import Table, array, is_table, string, table

if TYPE_CHECKING:
    from pytest_dagger_rust.manifests.boundary import Tree

# No manifest is anywhere near this long, and a parser fed with more would seem to hang.
MAX_BYTES = 4 * 1024 * 1024
# cargo's own parser gives up at this depth.
MAX_DEPTH = 82

_HEADER = re.compile(r"\s*\[\[?([^\[\]]+)\]\]?\s*(?:#.*)?$")
_PART = re.compile(r"\"([^\"]*)\"|'([^']*)'|([A-Za-z0-9_-]+)")
_PART_TEXT = r"(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')"
_KEY = re.compile(rf"\s*({_PART_TEXT}(?:\s*\.\s*{_PART_TEXT})*)\s*=")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A parsed Cargo.toml (or another TOML file of cargo's); `path` is absolute."""

    path: str
    text: str
    document: Table

    @property
    def directory(self) -> str:
        """The folder the file lies in."""
        return self.path.rpartition("/")[0] or "/"

    @property
    def package(self) -> Table:
        """The `[package]` table, or `[project]` as old manifests call it."""
        return table(self.document.get("package") or self.document.get("project"))

    @property
    def name(self) -> str:
        """The package's name, empty in a virtual manifest."""
        return string(self.package.get("name")) or ""

    @property
    def is_virtual(self) -> bool:
        """Whether this is the manifest of a workspace and of no package."""
        return "package" not in self.document and "project" not in self.document

    def error(self, message: str, *keys: str, hint: str | None = None) -> WorkspaceError:
        """Make the error to raise about `keys`, with the line they stand on where it can be found."""
        return WorkspaceError(message, file=Path(self.path), line=self.line(*keys), hint=hint)

    def line(self, *keys: str) -> int | None:
        """Return the line that `keys`, or the nearest keys around them, stand on."""
        return line_of(self.text, keys)


def read_manifest(tree: Tree, path: str) -> Manifest:
    """Read and parse the TOML file at `path`; raises WorkspaceError with file and line."""
    file = Path(path)
    if not _is_unicode(path):
        hint = "Rename the folder: cargo cannot say what is in it."
        raise WorkspaceError("the path is not UTF-8", file=file, hint=hint)
    data = tree.read(path)
    if len(data) > MAX_BYTES:
        raise WorkspaceError(f"the file has {len(data)} bytes; a manifest has at most {MAX_BYTES}", file=file)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise WorkspaceError(
            "this is not UTF-8", file=file, line=line, hint="Save the file as UTF-8."
        ) from error
    text = text.removeprefix("\ufeff")
    return Manifest(path=path, text=text, document=parse(text, file))


def _is_unicode(path: str) -> bool:
    # What Python could not decode it keeps as surrogates, which cannot be written again.
    return path.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in path)


def parse(text: str, file: Path) -> Table:
    """Parse TOML; raises WorkspaceError naming `file` and the line."""
    try:
        document = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        message = f"not valid TOML: {error.msg}"
        raise WorkspaceError(message, file=file, line=error.lineno, hint="Correct this line.") from error
    except RecursionError:
        document = None
    if document is None or _is_too_deep(document):
        hint = f"Write it with {MAX_DEPTH} levels at most."
        raise WorkspaceError("arrays or tables are nested too deeply", file=file, hint=hint)
    return document


def _is_too_deep(document: Table) -> bool:
    level: list[Any] = [document]
    for _ in range(MAX_DEPTH):
        nested = (node.values() if is_table(node) else array(node) for node in level)
        level = [item for items in nested for item in items if isinstance(item, (dict, list))]
        if not level:
            return False
    return True


def line_of(text: str, keys: tuple[str, ...]) -> int | None:
    """Find the 1-based line of the key path `keys`, or of the longest part of it that has a line."""
    lines = _key_lines(text)
    for length in range(len(keys), 0, -1):
        for path, number in lines:
            if path[:length] == keys[:length]:
                return number
    return None


def _key_lines(text: str) -> list[tuple[tuple[str, ...], int]]:
    found: list[tuple[tuple[str, ...], int]] = []
    header: tuple[str, ...] = ()
    for number, line in enumerate(lines_of(text), start=1):
        if match := _HEADER.match(line):
            header = _parts(match[1])
            found.append((header, number))
        elif match := _KEY.match(line):
            found.append((header + _parts(match[1]), number))
    return found


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(a or b or c for a, b, c in _PART.findall(dotted))
