"""Reads rustdoc's output: the place of each doctest, and its result."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.rust_tests.cases import name_parts
from pytest_dagger_rust.rust_tests.output import Outcome, panic_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_dagger_rust.run.running import RunResult
    from pytest_dagger_rust.rust_tests.cases import RustTestCase

_NAME = re.compile(r"(?P<file>.+?\.\w+) - (?P<item>.*\(line (?P<line>\d+)\))")
_ENDED = re.compile(r"^test .*\(line \d+\)(?: - [a-z ]+)? \.\.\. (?:ok|FAILED)$", re.MULTILINE)
_MESSAGE_ENDS = re.compile(r"^(?:---- .* stdout ----|failures:)$", re.MULTILINE)


class Place(NamedTuple):
    """The place of a doctest: its file, relative to where rustdoc ran, its line from 1, and the documented item."""

    file: str
    line: int
    item: str


def place_of(case: RustTestCase) -> Place:
    """Read the place from a doctest's name, as "src/lib.rs - module::item (line 3)"."""
    found = _NAME.fullmatch(case.name or "")
    if found is None:
        return Place(case.binary.src_path, 1, case.name or "")
    return Place(found["file"], int(found["line"]), found["item"])


def named(cases: Iterable[RustTestCase]) -> Iterator[tuple[tuple[str, ...], RustTestCase]]:
    """Return a library's doctests with their names in parts, as they are nested below its source file.

    What they belong to tells them apart, and where it does not, as for methods of two impl blocks, their file too.
    """
    places = [(place_of(case), case) for case in cases]
    count = Counter(place.item for place, _ in places)
    for place, case in places:
        file = (place.file,) if count[place.item] > 1 else ()
        yield ("doctests", *file, *name_parts(place.item)), case


def read_doctest(case: RustTestCase, result: RunResult, timeout: float) -> Outcome:
    """Find one doctest in the output of all of its library; each gets an equal share of the time.

    `timeout` is the one they were run with, in seconds.
    """
    text, name = result.stdout, re.escape(case.name or "")
    # The first such line: what doctests print comes after it.
    ended = re.search(rf"^test {name}(?: - [a-z ]+)? \.\.\. (\w+)$", text, re.MULTILINE)
    seconds = result.seconds / max(1, len(_ENDED.findall(text)))
    if ended is None:
        return Outcome(_missing(result, timeout), text, result.stderr, None, result.seconds)
    if ended[1] == "ok":
        return Outcome(None, "", "", None, seconds)
    before, panic = panic_of(_message(text, case.name or ""))
    if panic is not None:
        # The panic's place is often one of the program that rustdoc made of the doctest, or of all of them.
        place = place_of(case)
        panic = dataclasses.replace(panic, file=place.file, line=place.line)
    first = next((line for line in lines_of(before) if line.startswith("error")), "the doctest failed")
    return Outcome(panic.message if panic else first, before.strip("\n"), "", panic, seconds)


def _message(text: str, name: str) -> str:
    """Return what a failed doctest wrote, or the whole text if it has no part of its own."""
    begin = re.search(rf"^---- {re.escape(name)} stdout ----\n", text, re.MULTILINE)
    if begin is None:
        return text
    end = _MESSAGE_ENDS.search(text, begin.end())
    return text[begin.end() : end.start()].rstrip("\n") + "\n" if end else text


def _missing(result: RunResult, timeout: float) -> str:
    if result.timed_out:
        return f"the library's doctests timed out after {timeout:g} s (dagger_rust_test_timeout)"
    return f"rustdoc exited with {result.exit_code} before it reported this doctest"
