"""Tests of where dependencies are shared."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_dagger_rust import ConfigurationError
from pytest_dagger_rust.builds.ci_job import address, branches, is_pull_request
from pytest_dagger_rust.builds.places import Place, reason


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
    "name",
    [
        "cache",
        "https://registry.example/team/cache",
        "https://user:hush-hush@registry.example/team/cache",
        "user:hush-hush@registry.example/cache",
        "registry.example/team/cache:tag",
        "registry.example/Team/cache",
        "registry.example/team/cache\n",
        "",
    ],
)
def test_what_is_no_repository_is_refused(name: str) -> None:
    """In two lines that say how to write it, without a password."""
    with pytest.raises(ConfigurationError, match=r"[Ww]rite it") as error:
        Place.of(name, Path("/repo"))
    assert "hush-hush" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: b: c: the end", "the end"),
        ("one: two", "one: two"),
        (
            'Get "https://user:hush-hush@host/v2/x?sig=hush-hush&a=b": refused',
            'Get "https://host/v2/x?...": refused',
        ),
        ("\n  \nthe first: line\nanother", "the first: line"),
        (
            "failed commit: unexpected commit digest: failed precondition",
            "a part of it is not what its digest says",
        ),
        ("", "ValueError"),
    ],
)
def test_reasons_are_one_line_without_credentials(text: str, expected: str) -> None:
    """Steps that led there are left out, and so are users and signatures of addresses."""
    assert reason(ValueError(text)) == expected


GITHUB = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "7"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ("", "main", "master")),
        ({"GITHUB_REF_NAME": "main"}, ("main", "master")),
        (
            {"GITHUB_HEAD_REF": "topic", "GITHUB_REF_NAME": "7/merge", "GITHUB_BASE_REF": "next"},
            ("topic", "next", "main", "master"),
        ),
        ({"CI_COMMIT_REF_NAME": "topic", "CI_DEFAULT_BRANCH": "trunk"}, ("topic", "trunk", "main", "master")),
    ],
)
def test_branches_are_those_of_the_job(
    tmp_path: Path, environ: dict[str, str], expected: tuple[str, ...]
) -> None:
    """Its own first, and then those that it was made from."""
    assert branches(environ, tmp_path) == expected


def test_without_a_ci_git_knows_the_branch(tmp_path: Path) -> None:
    """None where a commit is checked out, or where there is something else."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "inner").mkdir()
    for text, expected in (("ref: refs/heads/a/b\n", "a/b"), ("0123abc\n", ""), ("", "")):
        (tmp_path / ".git/HEAD").write_text(text)
        assert branches({}, tmp_path / "inner")[0] == expected


def test_the_address_of_a_job() -> None:
    """On GitHub and GitLab."""
    assert address(GITHUB) == "https://github.com/a/b/actions/runs/7"
    assert address({"CI_JOB_URL": "https://gitlab.example/a/-/jobs/1"}) == "https://gitlab.example/a/-/jobs/1"
    assert address({"GITHUB_RUN_ID": "7"}) == ""


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
