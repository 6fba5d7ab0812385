"""Workspaces nobody thought of: random ones, valid by construction, look to the model as they look to cargo."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tomli_w
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_dagger_rust.errors import WorkspaceError
from pytest_dagger_rust.workspace import RustWorkspace
from tests.workspace import oracle

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

pytestmark = pytest.mark.skipif(shutil.which("cargo") is None, reason="compares with cargo")

EDITIONS = ("2015", "2018", "2021", "2024")
NAMES = ("a", "b-c", "d_e", "F1", "_g", "main", "lib", "x-y-z")
FOLDERS = {"bin": "src/bin", "example": "examples", "test": "tests", "bench": "benches"}
SWITCHES = {"bin": "autobins", "example": "autoexamples", "test": "autotests", "bench": "autobenches"}

Files = dict[str, str]


@st.composite
def _targets(draw: Callable[..., Any], kind: str) -> tuple[Files, list[dict[str, Any]]]:
    """Files where targets of one kind are looked for, and declarations of some, there or elsewhere."""
    files: Files = {}
    declared: list[dict[str, Any]] = []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3)):
        place = draw(st.sampled_from(["file", "folder", "elsewhere"]))
        path = {
            "file": f"{FOLDERS[kind]}/{name}.rs",
            "folder": f"{FOLDERS[kind]}/{name}/main.rs",
            "elsewhere": f"other/{kind}-{name}.rs",
        }[place]
        files[path] = ""
        if place == "elsewhere" or draw(st.booleans()):
            table: dict[str, Any] = {"name": name}
            if place == "elsewhere" or draw(st.booleans()):
                table["path"] = draw(st.sampled_from(["", "./", "src/../"])) + path
            if draw(st.booleans()):
                table["harness"] = draw(st.booleans())
            if draw(st.booleans()):
                table["required-features"] = ["more"]
            declared.append(table)
    files.update(dict.fromkeys(draw(st.lists(st.sampled_from([
        f"{FOLDERS[kind]}/.hidden.rs", f"{FOLDERS[kind]}/helper/mod.rs", f"{FOLDERS[kind]}/notes.txt",
    ]), max_size=2)), ""))  # fmt: skip
    return files, declared


_LIBRARY = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["renamed", "l_2"]),
        "crate-type": st.lists(
            st.sampled_from(["lib", "rlib", "cdylib", "staticlib"]), unique=True, min_size=1
        ),
    },
)


@st.composite
def _library(draw: Callable[..., Any], document: dict[str, Any]) -> Files:
    """The files of a library, which is found, declared, somewhere else, or not there."""
    place = draw(st.sampled_from(["none", "found", "declared", "elsewhere"]))
    if place in {"declared", "elsewhere"}:
        document["lib"] = draw(_LIBRARY)
    if place == "elsewhere":
        document["lib"]["path"] = "deep/root.rs"
        return {"deep/root.rs": ""}
    return {} if place == "none" else {"src/lib.rs": ""}


@st.composite
def _package(draw: Callable[..., Any], name: str, inherits: bool) -> Files:
    """A package with targets of random kinds at random places."""
    edition = draw(st.sampled_from(EDITIONS))
    package: dict[str, Any] = {"name": name, "edition": edition}
    if inherits and draw(st.booleans()):
        package["version"] = {"workspace": True}
    elif draw(st.booleans()):
        package["version"] = draw(st.sampled_from(["0.1.0", "1.2.3-rc.1+build.5"]))
    document: dict[str, Any] = {"package": package, "features": {"more": []}}
    files = draw(_library(document))
    if "lib" not in document or draw(st.booleans()):
        files["src/main.rs"] = ""
    for kind, switch in SWITCHES.items():
        found, declared = draw(_targets(kind))
        files.update(found)
        if declared:
            document[kind] = declared
        if draw(st.integers(0, 3)) == 0:
            package[switch] = draw(st.booleans())
    if draw(st.booleans()):
        files["build.rs"] = ""
        package.update(
            draw(st.sampled_from([{}, {"build": False}, {"build": True}, {"build": "./build.rs"}]))
        )
    return {**files, "Cargo.toml": tomli_w.dumps(document)}


@st.composite
def workspaces(draw: Callable[..., Any]) -> Files:
    """A single package or a workspace, with a root package or without."""
    if draw(st.booleans()):
        single: Files = draw(_package("single", inherits=False))
        return single
    members = draw(st.lists(st.sampled_from(["one", "two-2", "three_3"]), unique=True, min_size=1))
    workspace: dict[str, Any] = {"resolver": "2", "package": {"version": "9.8.7"}}
    workspace["members"] = draw(
        st.sampled_from([["crates/*"], [f"crates/{name}" for name in members], ["**/cr*/*"]])
    )
    excluded = draw(st.sampled_from([[], [f"crates/{members[0]}"]]))
    if excluded and workspace["members"][0] != f"crates/{members[0]}":
        workspace["exclude"] = excluded
    files: Files = {}
    for name in members:
        files.update(
            {f"crates/{name}/{path}": text for path, text in draw(_package(name, inherits=True)).items()}
        )
    root: Files = draw(_package("root", inherits=True)) if draw(st.booleans()) else {"Cargo.toml": ""}
    files.update(root)
    files["Cargo.toml"] += "\n" + tomli_w.dumps({"workspace": workspace})
    return files


# Chosen anew on each run, the failures would come to whoever changes something else.
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(workspaces())
def test_any_workspace(files: Files) -> None:
    """The model says what cargo says, or both reject the workspace."""
    with tempfile.TemporaryDirectory() as folder:
        root = oracle.write_tree(Path(folder).resolve(), files)
        try:
            expected = oracle.facts_of_build(root)
        except oracle.CargoFailed:
            with pytest.raises(WorkspaceError):
                RustWorkspace.load(root)
            return
        workspace = RustWorkspace.load(root)
        assert oracle.facts_of_model(workspace) == expected
        skeleton = oracle.lay(workspace.skeleton(), workspace, root / "skeleton")
        # In a repository of its own, so that no workspace above is asked.
        seen = {item.name for item in oracle.facts_of_cargo(skeleton)}
        assert seen == {item.name for item in workspace.packages}
