"""Tests of the reasons why packages were compiled."""

from __future__ import annotations

import time
from pathlib import Path

from pytest_dagger_rust.builds.messages import Artifact, CargoMessages
from pytest_dagger_rust.builds.reasons import why_compiled
from pytest_dagger_rust.manifests.lockfile import Lock


def artifact(package: str, version: str = "1.0.0") -> Artifact:
    """Return an artifact of a package that was compiled."""
    return Artifact(package, package, version, ("lib",), ("lib",), (), (), None, False)


LOCK = """
[[package]]
name = "app"
version = "1.0.0"
dependencies = ["syn 1.0.0", "late"]

[[package]]
name = "syn"
version = "1.0.0"
dependencies = ["old"]

[[package]]
name = "syn"
version = "2.0.0"
dependencies = ["new"]
"""


def test_packages_of_one_name_are_merged() -> None:
    """Messages tell them apart by no more than the name."""
    assert Lock(LOCK, Path("Cargo.lock")).dependencies() == {"app": {"syn", "late"}, "syn": {"old", "new"}}


def test_an_earlier_version_counts_as_well() -> None:
    """A bump of what only one of two versions needs is the reason."""
    needs = Lock(LOCK, Path("Cargo.lock")).dependencies()
    before = CargoMessages((artifact("syn"), artifact("old", "1.0.0")))
    now = CargoMessages((artifact("syn"), artifact("old", "1.0.1")))
    assert why_compiled(["syn"], now, before, (), needs) == {"syn": "dependency old 1.0.0 → 1.0.1"}


def seconds(packages: int) -> float:
    """Return how long it takes to explain a build of so many packages, each of which needs the one before."""
    names = [f"package{number}" for number in range(packages)]
    messages = CargoMessages(tuple(artifact(name) for name in names))
    needs = {name: names[max(number - 2, 0) : number] for number, name in enumerate(names)}
    took: list[float] = []
    for _ in range(3):
        began = time.process_time()
        why_compiled(names, messages, messages, (), needs)
        took.append(time.process_time() - began)
    return min(took)


def test_many_packages_are_explained_in_linear_time() -> None:
    """Four times as many take no more than eight times as long."""
    assert seconds(4000) < 8 * seconds(1000)
