"""Tests of where compiled dependencies are taken from and published to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust.plugin.fixtures import shared_cache

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SETTINGS: Mapping[str, Any] = {
    "cache_from": ["./cache"],
    "cache_to": ["registry.example/cache"],
    "cache_to_on_pull_requests": False,
}
PULL_REQUESTS = [{"GITHUB_EVENT_NAME": "pull_request_target"}, {"CI_MERGE_REQUEST_IID": "7"}]


@pytest.mark.parametrize("environ", PULL_REQUESTS)
def test_builds_of_pull_requests_publish_nothing(tmp_path: Path, environ: Mapping[str, str]) -> None:
    """They take what is there; a setting lets them publish."""
    shared = shared_cache(SETTINGS, tmp_path, environ)
    assert shared is not None
    assert ([place.folder for place in shared.sources], shared.targets) == ([tmp_path / "cache"], [])
    wanted = shared_cache({**SETTINGS, "cache_to_on_pull_requests": True}, tmp_path, environ)
    assert wanted is not None
    assert [place.name for place in wanted.targets] == ["registry.example/cache"]


def test_without_places_there_is_nothing(tmp_path: Path) -> None:
    """A pull request that would only publish has no place either."""
    nothing = {**SETTINGS, "cache_from": []}
    assert shared_cache({**nothing, "cache_to": []}, tmp_path, {}) is None
    assert shared_cache(nothing, tmp_path, PULL_REQUESTS[0]) is None
    assert shared_cache(nothing, tmp_path, {}) is not None
