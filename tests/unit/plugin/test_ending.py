"""Tests of the lines below the table of builds."""

from __future__ import annotations

from pytest_dagger_rust.plugin.ending import rewritten, withheld
from pytest_dagger_rust.report.facts import BuildFacts


def _facts(**changes: tuple[str, ...]) -> BuildFacts:
    return BuildFacts("cargo build", "key", "/root", 0.0, 1.0, "rebuilt", **changes)  # type: ignore[arg-type]


def test_what_was_not_sent_is_named_once() -> None:
    """Several builds of a session leave out the same files; of many, the first three are named."""
    builds = [_facts(withheld=(".env", ".ssh")), _facts(withheld=(".env", "a/.env", "b/.env"))]
    assert withheld([_facts()]) == ""
    assert withheld(builds) == (
        "not sent to the engine, they may hold secrets: .env, .ssh, a/.env and 1 more; "
        "to send one, add !NAME to source_excludes"
    )


def test_what_build_scripts_changed_is_named_once() -> None:
    """With what becomes of it."""
    assert rewritten([_facts()]) == ""
    line = (
        "build scripts changed a, b; the binaries contain the changes, the next build starts from your files"
    )
    assert rewritten([_facts(rewritten=("a", "b")), _facts(rewritten=("b",))]) == line
