"""Tests of where compiled dependencies are taken from and published to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_dagger_rust.plugin.fixtures import shared_cache

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pytest_dagger_rust.builds.shared import SharedCache

SETTINGS: Mapping[str, Any] = {
    "cache_from": ["./cache"],
    "cache_to": ["registry.example/cache"],
    "cache_to_on_pull_requests": False,
}
PULL_REQUESTS: list[dict[str, str]] = [
    {"GITHUB_EVENT_NAME": "pull_request_target"},
    {"CI_MERGE_REQUEST_IID": "7"},
]


def places(base: Path, environ: Mapping[str, str], **changes: Any) -> SharedCache | None:
    """Return the places of the settings with some of them changed."""
    return shared_cache(cast("Any", {**SETTINGS, **changes}), base, environ)


@pytest.mark.parametrize("environ", PULL_REQUESTS)
def test_builds_of_pull_requests_publish_nothing(tmp_path: Path, environ: Mapping[str, str]) -> None:
    """They take what is there; a setting lets them publish."""
    shared = places(tmp_path, environ)
    assert shared is not None
    assert ([place.folder for place in shared.sources], shared.targets) == ([tmp_path / "cache"], [])
    wanted = places(tmp_path, environ, cache_to_on_pull_requests=True)
    assert wanted is not None
    assert [place.name for place in wanted.targets] == ["registry.example/cache"]


def test_without_places_there_is_nothing(tmp_path: Path) -> None:
    """A pull request that would only publish has no place either."""
    assert places(tmp_path, {}, cache_from=[], cache_to=[]) is None
    assert places(tmp_path, PULL_REQUESTS[0], cache_from=[]) is None
    assert places(tmp_path, {}, cache_from=[]) is not None
