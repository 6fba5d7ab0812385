"""The model of published packages is what cargo says about them, alone and put together to workspaces."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import tomli

from pytest_dagger_rust.errors import WorkspaceError
from pytest_dagger_rust.workspace import RustWorkspace
from tests.workspace import corpus, oracle

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(shutil.which("cargo") is None, reason="compares with cargo")

PARTS = 10


def _packages(published: Path) -> list[Path]:
    return sorted(path.parent for path in published.glob("*/Cargo.toml"))


def test_the_corpus_is_large_enough(published: Path) -> None:
    """At least 200 packages of other people take part in the comparison."""
    assert len(_packages(published)) >= 200


@pytest.mark.parametrize("part", range(PARTS))
def test_a_workspace_of_published_packages(published: Path, tmp_path: Path, part: int) -> None:
    """Packages put together as members of one workspace look to the model as they look to cargo."""
    members: dict[str, Path] = {}
    for package in _packages(published)[part::PARTS]:
        document = tomli.loads((package / "Cargo.toml").read_text())
        if "workspace" not in document:
            members.setdefault(document["package"]["name"], package)
    for name, package in members.items():
        corpus.copy_layout(package, tmp_path / "crates" / name)
    (tmp_path / "Cargo.toml").write_text('[workspace]\nmembers = ["crates/*"]\nresolver = "2"\n')
    workspace = RustWorkspace.load(tmp_path)
    assert len(workspace.packages) >= 15
    assert oracle.facts_of_model(workspace) == oracle.facts_of_cargo(tmp_path)


@pytest.mark.parametrize("part", range(PARTS))
def test_manifests_as_their_authors_wrote_them(published: Path, tmp_path: Path, part: int) -> None:
    """A manifest from before publishing, which leaves targets to be found, is accepted and read as by cargo."""
    compared = 0
    for package in _packages(published)[part::PARTS]:
        original = package / "Cargo.toml.orig"
        text = original.read_text()
        # What lies beside the package in its own repository was not published.
        if "workspace" in text or 'path = "../' in text or "version.workspace" in text:
            continue
        place = corpus.copy_layout(package, tmp_path / package.name, "Cargo.toml.orig")
        try:
            expected = oracle.facts_of_cargo(place)
        except oracle.CargoFailed:
            with pytest.raises(WorkspaceError):
                RustWorkspace.load(place)
            continue
        workspace = _load_as_far_as_published(place)
        if workspace is not None:
            assert oracle.facts_of_model(workspace) == expected
            compared += 1
    assert compared >= 5


def _load_as_far_as_published(place: Path) -> RustWorkspace | None:
    try:
        return RustWorkspace.load(place)
    except WorkspaceError as error:
        # cargo says this later, when it builds: files that were left out of the published package.
        if any(words in error.message for words in ("cannot find", "no package at", "outside the boundary")):
            return None
        raise
