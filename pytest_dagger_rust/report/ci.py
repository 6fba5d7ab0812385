"""The compiler's messages in the formats that GitHub Actions and GitLab show next to the code."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_dagger_rust.report.facts import BuildFacts, Finding

_SEVERITIES = {"error": "major", "warning": "minor"}


def repository(environ: Mapping[str, str], folder: Path) -> Path:
    """Return the folder that paths are relative to: what the CI checked out, or the nearest one with a `.git`."""
    for variable in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        if named := environ.get(variable):
            return Path(named)
    folder = folder.resolve()
    return next((path for path in (folder, *folder.parents) if (path / ".git").exists()), folder)


def github(builds: Iterable[BuildFacts], root: Path) -> Iterator[str]:
    """Return the workflow commands, one a line: errors and warnings that have a place in the repository.

    Source: https://docs.github.com/actions/reference/workflow-commands-for-github-actions
    """
    for file, finding in _placed(builds, root):
        if finding.level not in _SEVERITIES:
            continue
        title = finding.code or "rustc"
        properties = {"file": file, "line": finding.line, "col": finding.column, "title": title}
        said = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items())
        yield f"::{finding.level} {said}::{_data(finding.text)}"


def gitlab(builds: Iterable[BuildFacts], root: Path) -> str:
    """Return a code quality report as JSON.

    Source: https://docs.gitlab.com/ci/testing/code_quality/
    """
    entries = [
        {
            "description": finding.message,
            "check_name": finding.code or "rustc",
            "fingerprint": hashlib.sha256(f"{file}\0{finding.code}\0{finding.text}".encode()).hexdigest(),
            "severity": _SEVERITIES.get(finding.level, "info"),
            "location": {"path": file, "lines": {"begin": finding.line}},
        }
        for file, finding in _placed(builds, root)
    ]
    return json.dumps(entries, indent=2)


def _placed(builds: Iterable[BuildFacts], root: Path) -> Iterator[tuple[str, Finding]]:
    seen: set[tuple[str, str]] = set()
    for build in builds:
        for finding in build.findings:
            file = _path(build, finding, root)
            if file is not None and (file, finding.text) not in seen:
                seen.add((file, finding.text))
                yield file, finding


def _path(build: BuildFacts, finding: Finding, root: Path) -> str | None:
    if finding.file is None:
        return None
    path = os.path.relpath(os.path.normpath(Path(build.root) / finding.file), root.resolve())
    return None if path.startswith("..") else Path(path).as_posix()


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
