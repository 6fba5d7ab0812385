"""What `cargo test` runs on this machine is what is collected here, with the same outcomes: on published packages.

One package by default, all of them with SOAK=1.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from dev import published
from tests.images import ENVIRONMENT
from tests.pytest.conftest import PYTEST_INI, Project, lay_out
from tests.pytest.terminal import FEWER_PLUGINS

if TYPE_CHECKING:
    from pathlib import Path

PACKAGES = {
    "strsim": "0.11.1",
    "arrayvec": "0.7.6",
    "byteorder": "1.5.0",
    "cfg-if": "1.0.4",
    "either": "1.13.0",
    "fastrand": "2.1.1",
    "fnv": "1.0.7",
    "heck": "0.5.0",
    "humantime": "2.1.0",
    "indoc": "2.0.5",
    "itoa": "1.0.11",
    "lazy_static": "1.4.0",
    "matches": "0.1.10",
    "percent-encoding": "2.3.1",
    "ryu": "1.0.18",
    "scopeguard": "1.2.0",
    "semver": "1.0.23",
    "shlex": "1.3.0",
    "smallvec": "1.13.2",
    "static_assertions": "1.1.0",
    "unicode-xid": "0.2.6",
    "version_check": "0.9.5",
    # Programs: one with a library, and one without, so without doctests too.
    "hexyl": "0.16.0",
    "hyperfine": "1.18.0",
}
CHOSEN = PACKAGES if os.environ.get("SOAK") else dict(list(PACKAGES.items())[:1])

# Seconds that one package may take: some have tests that call cargo.
PATIENCE = 1500

# A test, its source file or "doctests", and its outcome in cargo's words.
Outcomes = Counter[tuple[str, str, str]]

_RUNNING = re.compile(
    r"^\s+(?:Running (?:unittests )?(?P<source>\S+)|(?P<doctests>Doc-tests) \S+)", re.MULTILINE
)
_TEST = re.compile(r"^test (?P<name>.+?) \.\.\. (?P<outcome>ok|FAILED|ignored)", re.MULTILINE)
_ITEM = re.compile(r"^(?P<node>\S+\.rs::.+?) (?P<outcome>PASSED|FAILED|SKIPPED)", re.MULTILINE)
_WORDS = {"PASSED": "ok", "FAILED": "FAILED", "SKIPPED": "ignored"}


@pytest.fixture(params=CHOSEN)
def tree(request: pytest.FixtureRequest) -> Path:
    """The pristine tree of a package, which pytester's own home knows nothing of."""
    return published.library(request.param, PACKAGES[request.param])


def run_by_cargo(root: Path) -> Outcomes:
    """Return what cargo's own run of the tests says."""
    words = ["cargo", "test", "--no-fail-fast", "--color=never", "--", "--test-threads=1"]
    environ = {name: value for name, value in ENVIRONMENT.items() if name != "CARGO_TARGET_DIR"}
    text = subprocess.run(
        words,
        cwd=root,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    ).stdout
    found = list(_RUNNING.finditer(text))
    assert found, text
    ends = [*(match.start() for match in found[1:]), len(text)]
    return Outcomes(
        _of_cargo(match["source"], test["name"], test["outcome"])
        for match, end in zip(found, ends, strict=True)
        for test in _TEST.finditer(text, match.end(), end)
    )


def _of_cargo(source: str | None, name: str, outcome: str) -> tuple[str, str, str]:
    # What a test is for stands behind its name or its line: "should panic".
    name = re.sub(r" - [a-z ]+$", "", name)
    return (source, name, outcome) if source else ("doctests", name.partition(" - ")[2], outcome)


def run_here(project: Project) -> Outcomes:
    """Return what pytest says of the same tests."""
    result = project.pytester.runpytest_subprocess(*FEWER_PLUGINS, "-v", timeout=PATIENCE)
    return Outcomes(
        _of_pytest(item["node"].removeprefix("package/"), _WORDS[item["outcome"]])
        for item in _ITEM.finditer(result.stdout.str())
    )


def _of_pytest(node: str, outcome: str) -> tuple[str, str, str]:
    source, _, name = node.partition("::")
    is_doctest = name.startswith("doctests::")
    return "doctests" if is_doctest else source, name.removeprefix("doctests::"), outcome


def test_the_same_tests_have_the_same_outcomes(tree: Path, bare_project: Project) -> None:
    """Unit and integration tests by file and name, doctests by item and line, ignored ones among them."""
    root = published.copy(tree, bare_project.folder / "package")
    settings = "dagger_rust_workspace = package\ndagger_rust_collect_rust_tests = true\n"
    lay_out(bare_project.folder, {"pytest.ini": PYTEST_INI + settings})
    here = run_here(bare_project)
    assert here
    assert here == run_by_cargo(root)
