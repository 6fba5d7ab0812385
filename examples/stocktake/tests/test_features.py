"""The program with and without its features: one test on several builds, and one on another build."""

from __future__ import annotations

import pytest
from pytest_dagger_rust import BlockingRustBuild

MOVEMENT = '{"item": "egg", "quantity": 2, "unit": "dozen"}\n'


@pytest.mark.parametrize("cached_rust_build", [{}, {"features": []}], ids=["remote", "plain"], indirect=True)
def test_counting_needs_no_feature(rust_build: BlockingRustBuild) -> None:
    """Whatever it is built with, the program adds movements up."""
    result = rust_build.run("stocktake", "levels", stdin=MOVEMENT, check=True)
    assert '"item": "egg"' in result.stdout


def test_a_server_that_is_not_there_is_told(rust_build: BlockingRustBuild) -> None:
    """Sending to nobody is an error in one sentence."""
    result = rust_build.run("stocktake", "send", "http://127.0.0.1:1", stdin=MOVEMENT)
    assert result.exit_code == 1
    assert result.stderr.startswith("stocktake: ")


@pytest.mark.rust_build(features=[])
def test_sending_is_a_feature(rust_build: BlockingRustBuild) -> None:
    """Built without it, the program has no such command."""
    result = rust_build.run("stocktake", "send", "http://127.0.0.1:1")
    assert result.exit_code == 2
    assert "unrecognized subcommand 'send'" in result.stderr
