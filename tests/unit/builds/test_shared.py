"""Tests of where dependencies are shared."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_dagger_rust.builds.ci_job import is_pull_request
from pytest_dagger_rust.builds.places import Place


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("./cache", "/repo/cache"),
        ("../cache", "/cache"),
        ("/var/cache", "/var/cache"),
        ("~/cache", str(Path("~/cache").expanduser())),
        ("registry.example/team/cache", None),
        ("127.0.0.1:5000/cache", None),
    ],
)
def test_folders_and_repositories(name: str, folder: str | None) -> None:
    """What begins as a path is a folder."""
    place = Place.of(name, Path("/repo"))
    assert (place.name, place.folder) == (name, None if folder is None else Path(folder))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, False),
        ({"GITHUB_EVENT_NAME": "push"}, False),
        ({"GITHUB_EVENT_NAME": "pull_request"}, True),
        ({"GITHUB_EVENT_NAME": "pull_request_target"}, True),
        ({"CI_MERGE_REQUEST_IID": "7"}, True),
    ],
)
def test_pull_requests_are_seen(environ: dict[str, str], expected: bool) -> None:
    """On GitHub and GitLab."""
    assert is_pull_request(environ) is expected
