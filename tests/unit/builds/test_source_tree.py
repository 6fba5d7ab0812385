"""What the trees of both builds have: local packages, what links lead to, and what a setting includes."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.builds.source_tree import source_tree, without_excluded
from pytest_dagger_rust.errors import ConfigurationError, WorkspaceError
from pytest_dagger_rust.workspace import RustWorkspace
from tests.cargo.layouts import package
from tests.cargo.oracle import write_tree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SOURCES = (
    "patched/README.md",
    "patched/docs/a/b.txt",
    "patched/src/lib.rs",
    "../beside/README.md",
    "../beside/docs/x.txt",
    "../beside/src/lib.rs",
)


def test_excluded_files_change_no_set_of_dependencies() -> None:
    """Patterns mean the same for both builds: from the workspace's root, or from a folder outside of it."""
    kept = without_excluded(SOURCES, ["*.md", "docs/", "!patched/docs/"], ["../beside"])
    assert kept == ["patched/docs/a/b.txt", "patched/src/lib.rs", "../beside/src/lib.rs"]
    assert without_excluded(SOURCES, ["/docs"], ["../beside"]) == [
        path for path in SOURCES if path != "../beside/docs/x.txt"
    ]
    assert without_excluded(SOURCES, [], ["../beside"]) == list(SOURCES)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a workspace in `rust`, and a schema and a crate beside it."""
    (tmp_path / ".git").mkdir()
    files = {
        "rust/Cargo.toml": '[workspace]\nmembers = ["app", "crates/*"]\n',
        "rust/app/Cargo.toml": package("app"),
        "rust/app/src/main.rs": "fn main() {}",
        "rust/crates/none/Cargo.toml": package("none"),
        "rust/crates/none/src/lib.rs": "",
        "shared/Cargo.toml": package("shared"),
        "shared/src/lib.rs": "mod inner;",
        "shared/src/inner.rs": "",
        "proto/words.txt": "one",
        "proto/deep/more.md": "two",
        "README.md": "read me",
    }
    return write_tree(tmp_path, files)


def tree_of(workspace: RustWorkspace, excludes: Sequence[str] = ()) -> tuple[Path, set[str]]:
    """Return the folder that the paths of a build's tree are relative to, and those paths."""
    base, entries = source_tree(workspace, excludes)
    return base, {entry.path for entry in entries}


def test_what_a_workspace_includes(repository: Path) -> None:
    """Files and folders beside it are in the tree where they are in the repository, but for what is excluded."""
    workspace = RustWorkspace.load(repository / "rust").including(["../proto", "../README.md", "app/src"])
    assert workspace.includes == ("../proto", "../README.md")
    base, paths = tree_of(workspace)
    assert base == repository
    assert paths == {
        "rust/Cargo.toml", "rust/app/Cargo.toml", "rust/app/src/main.rs",
        "rust/crates/none/Cargo.toml", "rust/crates/none/src/lib.rs",
        "proto/words.txt", "proto/deep/more.md", "README.md",
    }  # fmt: skip
    assert "proto/deep/more.md" not in tree_of(workspace, ["*.md"])[1]


def test_an_included_link(repository: Path) -> None:
    """What it leads to is there by both names."""
    (repository / "linked").symlink_to("proto")
    (repository / "NOTES.md").symlink_to("README.md")
    _, paths = tree_of(RustWorkspace.load(repository / "rust").including(["../linked", "../NOTES.md"]))
    assert paths >= {"linked/words.txt", "proto/words.txt", "NOTES.md", "README.md"}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../nowhere", "^source_includes: there is no `../nowhere` beside `.*/rust`"),
        ("../../elsewhere", "^source_includes: `../../elsewhere` is outside the boundary"),
        ("../out", "^source_includes: `../out` is outside the boundary"),
        ("/etc", "^source_includes: `/etc` is outside the boundary"),
    ],
)
def test_what_cannot_be_included(repository: Path, path: str, message: str) -> None:
    """What is not there or leads out of the repository, also through a link, is an error."""
    (repository / "out").symlink_to("/etc")
    with pytest.raises(ConfigurationError, match=message):
        RustWorkspace.load(repository / "rust").including([path])


LINKS = {
    "member": ("rust/crates/shared", "../../shared", {"rust/crates/shared", "shared/src/inner.rs"}),
    "folder of members": ("rust/crates", "../others", {"rust/crates", "others/one/src/lib.rs"}),
    "sources": ("rust/app/src", "../../sources", {"rust/app/src", "sources/main.rs", "sources/part.rs"}),
    "target": ("rust/app/src/lib.rs", "../../../shared/src/inner.rs", {"shared/src/inner.rs"}),
    "manifest": ("rust/app/Cargo.toml", "../../app.toml", {"rust/app/Cargo.toml", "app.toml"}),
}


@pytest.mark.parametrize("case", LINKS)
def test_links_that_lead_out_of_the_root(repository: Path, case: str) -> None:
    """A package or target behind a link is in the tree: the link, and what it leads to."""
    others = {
        "others/one/Cargo.toml": package("one"),
        "others/one/src/lib.rs": "",
        "app.toml": package("app"),
    }
    write_tree(repository, {**others, "sources/main.rs": "fn main() {}", "sources/part.rs": ""})
    link, target, expected = LINKS[case]
    place = repository / link
    if place.is_dir():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.symlink_to(target)
    base, paths = tree_of(RustWorkspace.load(repository / "rust"))
    assert base == repository
    assert paths >= expected
    assert "proto/words.txt" not in paths


def test_a_link_with_an_absolute_path(repository: Path) -> None:
    """No container has what it leads to: one sentence says what to write."""
    (repository / "rust/crates/shared").symlink_to(repository / "shared")
    workspace = RustWorkspace.load(repository / "rust")
    with pytest.raises(WorkspaceError, match=r"absolute path .*/shared, which no container has") as caught:
        source_tree(workspace, [])
    assert caught.value.hint == "Make it relative: ../../shared."
    assert caught.value.file == repository / "rust/crates/shared"
