"""Nothing outside the boundary is read, whichever way a workspace tries to lead there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.errors import WorkspaceError
from pytest_dagger_rust.workspace import RustWorkspace
from tests.cargo.layouts import LIB, MAIN, package
from tests.cargo.oracle import write_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PRIVATE = "[package]\nname = 'secret'\nversion = '0.0.1'\n"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A package beside the repository, which is none of its business."""
    return write_tree(tmp_path / "outside", {"Cargo.toml": PRIVATE, "src/lib.rs": LIB, "src/main.rs": MAIN})


LEADING_OUT: Mapping[str, Mapping[str, str]] = {
    "dependency": {"Cargo.toml": package("a", '[dependencies]\nsecret = { path = "../outside" }\n')},
    "dependency by an absolute path": {"Cargo.toml": package("a", '[dependencies]\nsecret = { path = "/outside" }\n')},
    "dependency through a link": {"Cargo.toml": package("a", '[dependencies]\nsecret = { path = "link" }\n')},
    "member": {"Cargo.toml": '[workspace]\nmembers = ["../outside"]\n'},
    "member by pattern": {"Cargo.toml": '[workspace]\nmembers = ["../out*"]\n'},
    "member through a link": {"Cargo.toml": '[workspace]\nmembers = ["link"]\n'},
    "member by a pattern through a link": {"Cargo.toml": '[workspace]\nmembers = ["l*"]\n'},
    "root": {"Cargo.toml": package("a", 'workspace = "../outside"\n')},
    "patch": {"Cargo.toml": package("a", '[patch.crates-io]\nsecret = { path = "../outside" }\n')},
    "replacement": {"Cargo.toml": package("a", '[replace]\n"secret:0.0.1" = { path = "../outside" }\n')},
    "library": {"Cargo.toml": package("a", '[lib]\npath = "../outside/src/lib.rs"\n')},
    "binary": {"Cargo.toml": package("a", '[[bin]]\nname = "b"\npath = "link/src/main.rs"\n')},
    "build script": {"Cargo.toml": package("a", 'build = "../outside/src/main.rs"\n')},
    "found target that is a link": {"Cargo.toml": package("a"), "tests/": ""},
    "manifest that is a link": {"Cargo.toml": '[workspace]\nmembers = ["m"]\n', "m/": ""},
    "lock that is a link": {"Cargo.toml": package("a")},
    "configuration": {
        "Cargo.toml": package("a"),
        ".cargo/config.toml": '[source.crates-io]\nreplace-with = "v"\n[source.v]\ndirectory = "../outside"\n',
    },
    "configuration of local packages": {"Cargo.toml": package("a"), ".cargo/config.toml": 'paths = ["../outside"]\n'},
    "configuration with a patch": {
        "Cargo.toml": package("a"), ".cargo/config.toml": '[patch.crates-io]\nsecret = { path = "../outside" }\n',
    },
}  # fmt: skip


def _link(root: Path, outside: Path, case: str) -> None:
    links = {
        "found target that is a link": ("tests/t.rs", outside / "src" / "main.rs"),
        "manifest that is a link": ("m/Cargo.toml", outside / "Cargo.toml"),
        "lock that is a link": ("Cargo.lock", outside / "Cargo.toml"),
    }
    name, target = links.get(case, ("link", outside))
    (root / name).symlink_to(target)


@pytest.mark.parametrize("case", LEADING_OUT)
def test_a_way_out_is_an_error(
    tree: Callable[[Mapping[str, str]], Path], outside: Path, opened: list[str], case: str
) -> None:
    """Whatever leads outside is named in an error, and nothing there has been opened or listed."""
    root = tree({"src/lib.rs": LIB, **LEADING_OUT[case]})
    _link(root, outside, case)
    opened.clear()
    with pytest.raises(WorkspaceError, match="outside the boundary") as caught:
        RustWorkspace.load(root).skeleton()
    assert caught.value.hint is not None
    assert opened
    assert all(path.startswith(str(root)) for path in opened), opened


def test_a_wider_boundary_lets_it_in(tree: Callable[[Mapping[str, str]], Path], outside: Path) -> None:
    """What lies outside the repository can be part of a workspace when a wider folder is named."""
    root = tree({**LEADING_OUT["dependency"], "src/lib.rs": LIB})
    workspace = RustWorkspace.load(root, boundary=root.parent)
    assert workspace.boundary == root.parent
    assert [item.manifest_path for item in workspace.local_packages] == ["../outside/Cargo.toml"]
    assert "../outside/src/lib.rs" in workspace.skeleton().sources


def test_the_repository_is_the_boundary(tree: Callable[[Mapping[str, str]], Path]) -> None:
    """By default the boundary is the enclosing git repository, also when .git is a file, as in a worktree."""
    root = tree({"deep/er/Cargo.toml": package("a"), "deep/er/src/lib.rs": LIB})
    assert RustWorkspace.load(root / "deep" / "er").boundary == root
    write_tree(root / "deep", {".git": "gitdir: elsewhere\n"})
    assert RustWorkspace.load(root / "deep" / "er").boundary == root / "deep"


def test_without_a_repository_the_root_is_the_boundary(tmp_path: Path) -> None:
    """Where there is no git repository, nothing above the workspace's root is read."""
    write_tree(tmp_path, {"w/Cargo.toml": '[workspace]\nmembers = ["a"]\n'})
    write_tree(tmp_path / "w" / "a", {"Cargo.toml": package("a"), "src/lib.rs": LIB})
    write_tree(tmp_path / ".cargo", {"config.toml": "broken ["})
    workspace = RustWorkspace.load(tmp_path / "w" / "a")
    assert workspace.boundary == workspace.root == tmp_path / "w"


def test_links_inside_are_followed(tree: Callable[[Mapping[str, str]], Path]) -> None:
    """A link that stays inside the repository is as good as what it leads to."""
    root = tree({"Cargo.toml": '[workspace]\nmembers = ["linked"]\n', "real/Cargo.toml": package("a")})
    write_tree(root, {"real/src/lib.rs": LIB})
    (root / "linked").symlink_to(root / "real")
    assert [item.manifest_path for item in RustWorkspace.load(root).packages] == ["linked/Cargo.toml"]


def test_a_link_to_the_workspace(tree: Callable[[Mapping[str, str]], Path], tmp_path: Path) -> None:
    """A workspace loaded through a link is the one behind it."""
    root = tree({"Cargo.toml": package("a"), "src/lib.rs": LIB})
    (tmp_path / "link").symlink_to(root)
    assert RustWorkspace.load(tmp_path / "link").root == root


def test_links_that_lead_in_circles(tree: Callable[[Mapping[str, str]], Path]) -> None:
    """A link to itself, and one to the folder it lies in, end the search and do not prolong it."""
    files = {
        "Cargo.toml": package("a", '[workspace]\nexclude = ["b"]\n\n[dependencies]\nb = { path = "b" }\n'),
        "src/lib.rs": LIB, "b/Cargo.toml": package("b"), "b/src/lib.rs": LIB, "tests/": "",
    }  # fmt: skip
    root = tree(files)
    (root / "tests" / "itself.rs").symlink_to(root / "tests" / "itself.rs")
    (root / "b" / "src" / "above").symlink_to(root / "b")
    assert RustWorkspace.load(root).skeleton().sources == ("b/src/lib.rs",)


def test_names_of_any_bytes(tree: Callable[[Mapping[str, str]], Path]) -> None:
    """Files may have names that are not UTF-8, or break lines; they are no targets, and count for the digest."""
    files = {
        "Cargo.toml": package("a", '[workspace]\nexclude = ["b"]\n\n[dependencies]\nb = { path = "b" }\n'),
        "src/lib.rs": LIB, "b/Cargo.toml": package("b"), "b/src/lib.rs": LIB, "tests/line\nbreak.rs": "",
    }  # fmt: skip
    root = tree(files)
    before = RustWorkspace.load(root).skeleton().digest
    for name in (b"tests/\xff.rs", b"b/src/\xff.txt"):
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).touch()
    workspace = RustWorkspace.load(root)
    assert [target.name for target in workspace.packages[0].targets] == ["a"]
    assert workspace.skeleton().digest != before


def test_a_package_in_a_folder_that_is_not_utf8(tree: Callable[[Mapping[str, str]], Path]) -> None:
    """A member in a folder whose name is not UTF-8 is an error that can be shown."""
    root = tree({"Cargo.toml": '[workspace]\nmembers = ["crates/*"]\n', "crates/": ""})
    folder = Path(os.fsdecode(os.fsencode(root) + b"/crates/\xff"))
    write_tree(folder, {"Cargo.toml": package("a"), "src/lib.rs": LIB})
    with pytest.raises(WorkspaceError, match="not UTF-8"):
        RustWorkspace.load(root)


def test_folders_that_nobody_owns_are_not_listed(
    tree: Callable[[Mapping[str, str]], Path], opened: list[str]
) -> None:
    """target/, node_modules/, .git/ and data are never looked into, whatever lies there."""
    files = {
        "Cargo.toml": package("a", '[workspace]\nmembers = ["crates/*"]\nexclude = ["b"]\n\n'
        '[dependencies]\nb = { path = "b" }\n'),
        "src/main.rs": MAIN, "crates/c/Cargo.toml": package("c"), "crates/c/src/lib.rs": LIB,
        "b/Cargo.toml": package("b"), "b/src/lib.rs": LIB,
    }  # fmt: skip
    root = tree(files)
    hidden = [
        "target/debug",
        "node_modules/x",
        ".git/objects",
        "data/deep",
        "crates/c/target/debug",
        "b/target/x",
    ]
    hidden += ["b/node_modules/y", "b/.git/objects"]
    write_tree(root, {f"{folder}/file.rs": "" for folder in hidden})
    write_tree(root, {"b/target/CACHEDIR.TAG": ""})
    opened.clear()
    assert RustWorkspace.load(root).skeleton().sources == ("b/src/lib.rs",)
    assert not [path for path in opened if any(f"/{folder}" in path for folder in hidden)]


def test_the_model_needs_neither_dagger_nor_pytest() -> None:
    """The pure modules import neither the SDK nor pytest, and start no process."""
    code = (
        "import sys, pytest_dagger_rust.workspace\n"
        "bad = {'dagger', 'pytest', 'subprocess', 'socket'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(bad)) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_project_is_the_boundary_where_there_is_no_repository(tmp_path: Path) -> None:
    """It counts if the workspace is in it; a repository comes before it."""
    write_tree(tmp_path / "p" / "w", {"Cargo.toml": '[workspace]\nmembers = ["link"]\n'})
    write_tree(tmp_path / "p" / "shared", {"Cargo.toml": package("shared"), "src/lib.rs": LIB})
    (tmp_path / "p" / "w" / "link").symlink_to("../shared")
    assert RustWorkspace.load(tmp_path / "p" / "w", project=tmp_path / "p").boundary == tmp_path / "p"
    with pytest.raises(WorkspaceError, match="outside the boundary"):
        RustWorkspace.load(tmp_path / "p" / "w", project=tmp_path / "p" / "shared")
    write_tree(tmp_path / "p" / "w", {".git": ""})
    with pytest.raises(WorkspaceError, match="outside the boundary"):
        RustWorkspace.load(tmp_path / "p" / "w", project=tmp_path / "p")
