"""The model of published packages is what cargo says about them, alone and put together to workspaces."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tomli
import tomli_w

from pytest_dagger_rust.errors import WorkspaceError
from pytest_dagger_rust.workspace import RustWorkspace
from tests.cargo import corpus, hollow, oracle, shelf

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.skipif(shutil.which("cargo") is None, reason="compares with cargo")

PARTS = 10


@pytest.fixture(scope="session")
def hollow_home(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home for cargo in which the published packages, hollow, are the only registry."""
    home = tmp_path_factory.mktemp("hollow-home")
    (home / "config.toml").write_text(shelf.configuration(hollow.fill(published, home / "registry")))
    return home


def test_the_corpus_is_large_enough(published: Path) -> None:
    """At least 200 packages of other people take part in the comparison."""
    assert len(corpus.packages(published)) >= 200


def _members(published: Path, part: int) -> dict[str, Path]:
    """Choose every tenth package as a member, one of each name."""
    members: dict[str, Path] = {}
    for package in corpus.packages(published)[part::PARTS]:
        document = tomli.loads((package / "Cargo.toml").read_text())
        if "workspace" not in document:
            members.setdefault(document["package"]["name"], package)
    return members


def _compose(members: Mapping[str, Path], place: Path) -> Path:
    """Lay packages out as the members of one workspace."""
    for name, package in members.items():
        corpus.copy_layout(package, place / "crates" / name)
    (place / "Cargo.toml").write_text('[workspace]\nmembers = ["crates/*"]\nresolver = "2"\n')
    return place


@pytest.mark.parametrize("part", range(PARTS))
def test_a_workspace_of_published_packages(published: Path, tmp_path: Path, part: int) -> None:
    """Packages put together as members of one workspace look to the model as they look to cargo."""
    root = _compose(_members(published, part), tmp_path)
    workspace = RustWorkspace.load(root)
    assert len(workspace.packages) >= 15
    assert oracle.facts_of_model(workspace) == oracle.facts_of_cargo(root)


# The other half would take a minute more, and has nothing new.
@pytest.mark.parametrize("part", range(0, PARTS, 2))
def test_the_skeleton_of_published_packages(
    published: Path,
    hollow_home: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    part: int,
) -> None:
    """Cargo takes the lock file of the skeleton as it is, and checks all its targets."""
    monkeypatch.setenv("RUSTUP_HOME", os.environ.get("RUSTUP_HOME") or str(Path.home() / ".rustup"))
    monkeypatch.setenv("CARGO_HOME", str(hollow_home))
    members = _members(published, part)
    root = _compose(members, tmp_path / "repository")
    for name, package in members.items():
        manifest = hollow.without_development(package)
        (root / "crates" / name / "Cargo.toml").write_text(tomli_w.dumps(manifest))
    oracle.cargo("generate-lockfile", "--offline", cwd=root)
    workspace = RustWorkspace.load(root)
    laid = oracle.lay(workspace.skeleton(), workspace, tmp_path / "skeleton")
    target = tmp_path_factory.getbasetemp() / "hollow-target"
    oracle.cargo(*oracle.CHECK_ALL, "--locked", cwd=laid, target_dir=target)


@pytest.mark.parametrize("part", range(PARTS))
def test_manifests_as_their_authors_wrote_them(published: Path, tmp_path: Path, part: int) -> None:
    """A manifest from before publishing, which leaves targets to be found, is accepted and read as by cargo."""
    compared = 0
    for package in corpus.packages(published)[part::PARTS]:
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
