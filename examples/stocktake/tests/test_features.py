"""The program with and without its features: the same tests on several builds."""

from __future__ import annotations

import pytest
from pytest_dagger_rust import RustBuild

BUILDS = [{}, {"features": ["remote"]}]


@pytest.mark.parametrize("cached_rust_build", BUILDS, indirect=True)
def test_counting_needs_no_feature(cached_rust_build: RustBuild) -> None:
    """Whatever it is built with, the program adds movements up."""
    line = '{"item": "egg", "quantity": 2, "unit": "dozen"}'
    result = cached_rust_build.blocking.run("stocktake", "levels", stdin=line, check=True)
    assert '"pieces": 24' in result.stdout


def test_sending_is_a_feature(cached_rust_build: RustBuild) -> None:
    """Without the feature there is no such command."""
    assert cached_rust_build.blocking.run("stocktake", "send").exit_code == 2


@pytest.mark.rust_build(features=["remote"])
def test_send_says_that_nobody_answers(cached_rust_build: RustBuild) -> None:
    """With the feature, a server that is not there is an error in one sentence."""
    result = cached_rust_build.blocking.run(
        "stocktake", "send", "http://127.0.0.1:1", stdin='{"item": "egg", "quantity": 1}'
    )
    assert result.exit_code == 1
    assert result.stderr.startswith("stocktake: ")
