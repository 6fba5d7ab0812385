"""What a CI says of the job that runs: a pull request or not, its branch, its address.

Sources: https://docs.github.com/actions/reference/workflows-and-actions/variables and
https://docs.gitlab.com/ci/variables/predefined_variables/
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Names of this job's branch, and of those that it was made from, the nearest first.
_BRANCHES = (
    "GITHUB_HEAD_REF",
    "GITHUB_REF_NAME",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
    "CI_COMMIT_REF_NAME",
)
_ABOVE = ("GITHUB_BASE_REF", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "CI_DEFAULT_BRANCH")
_MAIN = ("main", "master")


def is_pull_request(environ: Mapping[str, str]) -> bool:
    """Return whether a CI builds a change that is not accepted yet."""
    event = environ.get("GITHUB_EVENT_NAME", "")
    return event.startswith("pull_request") or bool(environ.get("CI_MERGE_REQUEST_IID"))


def branches(environ: Mapping[str, str], root: Path) -> tuple[str, ...]:
    """Return the branch that is built, empty where there is none, and those to start from if it was never built."""
    named = [value for name in _BRANCHES if (value := environ.get(name))]
    own = named[0] if named else _checked_out(root)
    above = [value for name in _ABOVE if (value := environ.get(name))]
    return tuple(dict.fromkeys((own, *above, *_MAIN)))


def _checked_out(root: Path) -> str:
    """Return the branch that git has checked out around a folder, empty where there is none."""
    for folder in (root, *root.parents):
        try:
            head = (folder / ".git" / "HEAD").read_text("utf-8")
        except (OSError, ValueError):
            continue
        return head.partition("refs/heads/")[2].strip()
    return ""


def address(environ: Mapping[str, str]) -> str:
    """Return the address of the job's page, empty outside of a CI."""
    parts = [environ.get(f"GITHUB_{name}", "") for name in ("SERVER_URL", "REPOSITORY", "RUN_ID")]
    if all(parts):
        return f"{parts[0]}/{parts[1]}/actions/runs/{parts[2]}"
    return environ.get("CI_JOB_URL", "")
