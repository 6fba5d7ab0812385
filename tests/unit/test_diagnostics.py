"""Tests of how the text of programs is read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_dagger_rust.builds.outcome import failure_text
from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.manifests.manifest import line_of

# Where str.splitlines ends a line, and no compiler does.
CONTENT = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"


@given(st.lists(st.text(st.sampled_from("ab \t" + CONTENT)), max_size=5), st.sampled_from(["\n", "\r\n"]))
def test_lines_end_with_line_breaks_alone(lines: list[str], end: str) -> None:
    """Whatever else is in them."""
    assert lines_of("".join(f"{line}{end}" for line in lines)) == lines


def test_a_line_without_an_end() -> None:
    """The last line may lack its end."""
    assert lines_of("") == []
    assert lines_of("a\n\nb") == ["a", "", "b"]


def test_an_error_of_cargo_stays_whole() -> None:
    """Its line goes on behind a separator."""
    line = f"error: cannot find {CONTENT} anything"
    assert failure_text((), f"   Compiling app v0.1.0\n{line}\n") == line


def test_lines_of_a_manifest_are_those_of_editors() -> None:
    """What a comment holds counts as no line."""
    assert line_of(f"# {CONTENT}\n[package]\nname = 'a'\n", ("package", "name")) == 3
