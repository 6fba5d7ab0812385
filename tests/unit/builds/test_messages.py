"""Tests of what is read from cargo's JSON messages."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dagger_rust.builds.messages import CargoMessages, package_name_and_version, parse


@pytest.mark.parametrize(
    ("package_id", "expected"),
    [
        ("registry+https://example.com/index#itoa@1.0.19", ("itoa", "1.0.19")),
        ("path+file:///work/app#0.1.0", ("app", "0.1.0")),
        ("path+file:///work/folder#app@0.1.0-rc.1+build", ("app", "0.1.0-rc.1+build")),
        ("git+https://example.com/repo.git?branch=main#tool@2.0.0", ("tool", "2.0.0")),
        ("git+https://example.com/tool?rev=abc#2.0.0", ("tool", "2.0.0")),
        ("itoa 1.0.19 (registry+https://example.com/index)", ("itoa", "1.0.19")),
    ],
)
def test_package_ids_of_every_form_are_taken_apart(package_id: str, expected: tuple[str, str]) -> None:
    """Package id specs with and without a name, and the opaque form before cargo 1.77."""
    assert package_name_and_version(package_id) == expected


def test_lines_that_are_no_messages_are_skipped() -> None:
    """What a procedural macro or a wrapper prints between cargo's messages does no harm."""
    noise = [
        "",
        "hello",
        "{not json",
        "[1]",
        '{"reason": "from-the-future"}',
        "{}",
        '{"reason":"build-finished","success":true}',
    ]
    assert parse(noise) == CargoMessages(success=True)


@given(st.lists(st.text() | st.dictionaries(st.text(), st.integers() | st.text()).map(json.dumps)))
def test_no_line_makes_reading_fail(lines: list[str]) -> None:
    """Whatever stands in the stream, reading it ends with an answer."""
    assert parse(lines).artifacts == ()
