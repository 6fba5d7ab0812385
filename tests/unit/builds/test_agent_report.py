"""Tests of the reader of the agent's report: it takes what the agent writes, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dagger_rust import DaggerRustError, RustWorkspace
from pytest_dagger_rust.builds.agent_report import read_report
from pytest_dagger_rust.builds.failures import cargo_failure
from pytest_dagger_rust.builds.outcome import build_report, layer_of

if TYPE_CHECKING:
    from pathlib import Path

ROOT, TARGET = "/pytest-dagger-rust/files", "/pytest-dagger-rust/target"


@pytest.fixture
def workspace(tmp_path: Path) -> RustWorkspace:
    """A workspace of one program."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/main.rs").write_text("fn main() {}\n")
    (tmp_path / "Cargo.toml").write_text('[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n')
    return RustWorkspace.load(tmp_path)


def artifact(**changes: object) -> dict[str, Any]:
    """A message of cargo's about the program."""
    message: dict[str, Any] = {
        "reason": "compiler-artifact",
        "package_id": f"path+file://{ROOT}#app@0.1.0",
        "manifest_path": f"{ROOT}/Cargo.toml",
        "target": {"kind": ["bin"], "crate_types": ["bin"], "name": "app", "src_path": f"{ROOT}/src/main.rs"},
        "profile": {"test": False},
        "features": [],
        "filenames": [f"{TARGET}/debug/app"],
        "executable": f"{TARGET}/debug/app",
        "fresh": False,
    }
    return {**message, **changes}


def report(*messages: object, **changes: object) -> str:
    """A report of a build with these messages."""
    values = {
        "format": 1,
        "build_id": "b",
        "run_id": "mine",
        "volume": "kept",
        "root": ROOT,
        "target": TARGET,
        "lock": "",
        "steps": [["lock", 0.1], ["cargo", 1.5]],
        "messages": list(messages),
        "ends": [float(number) for number in range(len(messages))],
        "starts": [["app", 0.0]],
        "dirty": [],
        "before": [],
        "rewritten": ["src/made.rs"],
        "dependencies": None,
        "sizes": {"bin/app": 5, "lib/libapp.so": 7},
        "target_size": 9,
    }
    return json.dumps({**values, **changes})


def test_a_report_is_read(workspace: RustWorkspace) -> None:
    """Of a run of one's own: what was compiled, the seconds of each step, and the sizes of programs."""
    said = read_report(report({"reason": "other"}, artifact()), workspace)
    build = build_report(said, "mine", 0)
    assert (build.compiled, build.cached, build.steps) == (("app",), False, {"lock": 0.1, "cargo": 1.5})
    assert build.sizes == {"app": 5, "target directory": 9}
    assert build.rewritten == ("src/made.rs",)
    assert [(timing.package, timing.began, timing.ended) for timing in build.timings] == [("app", 0, 1)]
    assert layer_of(said) == ""


def test_an_answer_with_the_id_of_another_run_comes_from_a_cache(workspace: RustWorkspace) -> None:
    """Whatever any clock says; the dependencies have an id of their own."""
    dependencies = json.loads(report(artifact(), run_id="mine", build_id="d", packages_size=3))
    del dependencies["before"]
    said = read_report(report(artifact(), run_id="another", dependencies=dependencies), workspace)
    build = build_report(said, "mine", 0)
    assert (build.cached, build.compiled) == (True, ("app",)), "of the dependencies alone"
    assert build.caches == {"dependencies": "new", "target directory": "kept"}
    assert build.steps == {"dependencies": 1.6}
    assert layer_of(said) == "d"
    build = build_report(said, "a third one", 0)
    assert (build.compiled, build.fresh, build.caches["dependencies"]) == ((), ("app",), "kept")


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        (artifact(target={**artifact()["target"], "name": "../../app"}), "the workspace has no such target"),
        (
            artifact(package_id="path+file:///x#evil@1.0.0"),
            "the package 'evil', but the workspace has no such",
        ),
        (artifact(executable="/bin/app"), "/bin/app is not below cargo's target directory"),
        (artifact(executable=f"{TARGET}/../app"), "is not below cargo's target directory"),
        ({"reason": "compiler-artifact"}, "none of cargo's messages: it has no 'target'"),
        ({"reason": "compiler-message", "message": {}, "package_id": "x 1 (y)"}, "none of cargo's messages"),
        (artifact(filenames="x"), "'x' is no list"),
        (artifact(fresh="yes"), "'yes' is neither true nor false"),
        (artifact(package_id=7), "7 is no text"),
        (artifact(profile=None), "none of cargo's messages"),
    ],
)
def test_a_message_that_cannot_be_cargos_is_named(
    workspace: RustWorkspace, message: object, complaint: str
) -> None:
    """What a procedural macro prints must not become a binary, nor end in a traceback."""
    with pytest.raises(DaggerRustError) as caught:
        read_report(report(artifact(), message), workspace)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("name", ["../app", "..", "/app", "a/b"])
def test_a_name_that_leads_elsewhere_is_refused(workspace: RustWorkspace, name: str) -> None:
    """Also where the workspace's own manifest has it: it becomes the name of a file that is exported."""
    with (workspace.root / "Cargo.toml").open("a") as manifest:
        manifest.write(f'[[bin]]\nname = "{name}"\npath = "src/main.rs"\n')
    target = {**artifact()["target"], "name": name}
    with pytest.raises(DaggerRustError, match="that is not the name of a file"):
        read_report(report(artifact(target=target)), RustWorkspace.load(workspace.root))


def test_a_library_that_cargo_never_made_is_refused(workspace: RustWorkspace) -> None:
    """A target of the workspace's is needed for a library too."""
    target = {"kind": ["cdylib"], "crate_types": ["cdylib"], "name": "evil", "src_path": "x"}
    forged = artifact(target=target, executable=None, filenames=[f"{TARGET}/debug/libevil.so"])
    with pytest.raises(DaggerRustError, match="names the target 'evil'"):
        read_report(report(forged), workspace)


@given(
    name=st.sampled_from(sorted(json.loads(report()))),
    value=st.sampled_from([None, 1, "x", [1], [[1]], {}, True]),
)
def test_a_report_of_another_form_is_an_error_of_ours(name: str, value: object) -> None:
    """Whatever stands in the place of whatever: it is read, or there is one error."""
    try:
        read_report(report(**{name: value}), RustWorkspace.__new__(RustWorkspace))
    except DaggerRustError as error:
        assert "The build container's report cannot be read" in str(error)  # noqa: PT017
    except AttributeError as error:
        assert "packages" in str(error)  # noqa: PT017 - it was read, and there is no workspace to compare it with


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
def test_what_is_no_report_is_said_so(workspace: RustWorkspace, text: str) -> None:
    """And no traceback."""
    with pytest.raises(DaggerRustError, match="report cannot be read"):
        read_report(text, workspace)


def test_a_cargo_that_was_killed_is_said_so() -> None:
    """With what may be the reason."""
    kept: dict[str, Any] = {"build_id": "b", "signal": 9, "messages": [], "stderr": ""}
    assert (
        str(cargo_failure(json.dumps(kept)))
        == "cargo was killed by SIGKILL. It may have been short of memory."
    )
