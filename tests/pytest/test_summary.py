"""Tests of what stands at the end of a run, and of what other programs are told: JUnit, GitHub, GitLab."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from pytest_dagger_rust.report import ci, table
from pytest_dagger_rust.report.facts import BuildFacts, Finding, merged
from tests.pytest import program
from tests.pytest.conftest import lay_out

if TYPE_CHECKING:
    from tests.pytest.conftest import Project

TESTS = """
import pytest

@pytest.mark.parametrize("number", range(6))
def test_any(cached_rust_build, number):
    pass
"""

# One warning, and a place to break.
LIBRARY = 'pub fn greeting() -> &\'static str {\n    let unused = 1;\n    "hello"\n}\n'


@pytest.fixture(scope="module")
def warning_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that compiles with one warning."""
    return lay_out(tmp_path_factory.mktemp("warning"), {**program.FILES, "library.rs": LIBRARY})


@pytest.fixture
def warning_project(
    bare_project: Project, warning_workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> Project:
    """A project that tests that workspace."""
    monkeypatch.setenv("PYTEST_DAGGER_RUST_WORKSPACE", str(warning_workspace))
    monkeypatch.setenv("PYTEST_DAGGER_RUST_BUILD_ENV", "TOKEN=hunter2")
    return bare_project


def lines_after(result: pytest.RunResult, title: str) -> list[str]:
    """Return what is below a headline of pytest's, up to the next one."""
    start = next(i for i, line in enumerate(result.outlines) if re.fullmatch(f"=+ {title} =+", line))
    rest = result.outlines[start + 1 :]
    return rest[: next(i for i, line in enumerate(rest) if line.startswith("===="))]


def test_builds_are_summed_up_once_for_all_workers(warning_project: Project) -> None:
    """Under xdist: one row of a table, the build's time on a line of its own, and properties in JUnit's XML."""
    result = warning_project.pytest("-n2", "--durations=0", "-vv", "--junitxml=junit.xml", any=TESTS)
    result.assert_outcomes(passed=6)
    table = lines_after(result, "dagger-rust")
    assert re.fullmatch(r"build +compiled +fresh +state +seconds", table[0])
    assert re.fullmatch(r"TOKEN=\.\.\. cargo build +\d +\d +(rebuilt|up to date) +\d+\.\d", table[1])
    assert table[2] == "1 compiler warning; show with --dagger-rust-show-warnings"
    result.stdout.fnmatch_lines(["*s wait     dagger-rust: building", "*s wait     dagger-rust: connecting*"])
    root = ET.parse(warning_project.folder / "junit.xml").getroot()  # noqa: S314 - written by pytest
    properties = {item.get("name"): item.get("value") for item in root.iter("property")}
    assert properties["dagger_rust.build.1.name"] == "TOKEN=... cargo build"
    assert properties["dagger_rust.build.1.warnings"] == "1"
    assert float(properties["dagger_rust.build.1.seconds"] or 0) > 0
    assert "hunter2" not in "".join(lines_after(result, "dagger-rust"))


def test_no_test_is_blamed_for_the_build(warning_project: Project) -> None:
    """The first test's setup takes none of the seconds that were waited for engine and build."""
    result = warning_project.pytest("--durations=0", "-vv", "--dagger-rust-show-warnings", any=TESTS)
    times = dict(re.findall(r"([\d.]+)s (?:setup|wait) +(.*)", result.stdout.str())[::-1])
    seconds = {name: float(value) for value, name in times.items()}
    waited = seconds["dagger-rust: building"] + seconds["dagger-rust: connecting to the Dagger engine"]
    total = float(re.findall(r"passed in ([\d.]+)s", result.stdout.str())[0])
    setups = sum(value for name, value in seconds.items() if name.startswith("test_any.py"))
    assert setups <= total - waited + 0.1
    assert "warning: unused variable: `unused`" in lines_after(result, "dagger-rust")


def test_nothing_is_summed_up_where_nothing_is_wanted(warning_project: Project) -> None:
    """With -q there is no table, and without a build neither."""
    assert "dagger-rust" not in warning_project.pytest("-q", any=TESTS).stdout.str()
    result = warning_project.pytest(any="def test_any():\n    pass\n")
    assert not re.search("=+ dagger-rust =+", result.stdout.str())


def test_a_failure_is_told_once_and_where(bare_project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under `-n 4`: one rendering in all, one annotation with the path in the repository, one entry for GitLab."""
    broken = {f"rust/{name}": text for name, text in program.FILES.items()}
    broken["rust/library.rs"] = "pub fn greeting() -> &'static str {\n    42\n}\n"
    bare_project.write(broken)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(bare_project.folder))
    options = ["--dagger-rust-workspace=rust", "--dagger-rust-gitlab-report=out/quality.json"]
    result = bare_project.pytest("-n4", *options, any=TESTS)
    result.assert_outcomes(errors=6)
    text = result.stdout.str().partition("short test summary info")[0]
    errors = text.partition("= ERRORS =")[2].partition("= dagger-rust =")[0]
    assert errors.count("error[E0308]") == 1
    assert errors.count("--> rust/library.rs:2:5") == 1
    assert errors.count("and 5 more tests need this build") == 1
    assert errors.count("ERROR at setup of") == 1
    summary = result.stdout.str().partition("short test summary info")[2]
    assert (
        len(re.findall(r"ERROR test_any.py::test_any\[\d\] - RustBuildError: could not compile", summary))
        == 1
    )
    assert "6 errors" in summary
    annotations = [line for line in result.outlines if line.startswith("::")]
    assert len(annotations) == 1
    assert annotations[0].startswith("::error file=rust/library.rs,line=2,col=5,title=E0308::error[E0308]: ")
    entries = json.loads((bare_project.folder / "out/quality.json").read_text())
    assert [entry["location"] for entry in entries] == [{"path": "rust/library.rs", "lines": {"begin": 2}}]


@pytest.mark.parametrize("name", ["report", "code-quality"])
def test_a_file_that_cannot_be_written_is_told_at_the_start(project: Project, name: str) -> None:
    """A usage error that names the file, before anything is built."""
    project.write({"file": ""})
    result = project.pytest(f"--dagger-rust-{name}=file/below.out", any=TESTS)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    words = f"*--dagger-rust-{name} is 'file/below.out', which cannot be written: *"
    result.stderr.fnmatch_lines([words])


FINDING = Finding("error", "a, b: 50 %", "E1", "", "50 %\nof a: b,c", "src/lib.rs", 3, 7)


def facts(name: str = "cargo build", **changes: Any) -> BuildFacts:
    """Return facts of a build, with some of them changed."""
    return replace(BuildFacts(name, name, "/repo/rust", started=1.0, seconds=2.0, state="rebuilt"), **changes)


def test_annotations_are_escaped() -> None:
    """Signs that mean something to GitHub are written as it wants them."""
    lines = list(ci.github([facts(findings=(FINDING, FINDING))], Path("/repo")))
    assert lines == ["::error file=rust/src/lib.rs,line=3,col=7,title=E1::50 %25%0Aof a: b,c"]


@pytest.mark.parametrize("file", [None, "/usr/lib/x.rs", "../../other/x.rs"])
def test_places_outside_the_repository_are_left_out(file: str | None) -> None:
    """A message without a place in the repository is no annotation."""
    finding = Finding("error", "m", None, "", "m", file, 1, 1)
    assert not list(ci.github([facts(findings=(finding,))], Path("/repo")))


def test_the_repository_is_found(tmp_path: Path) -> None:
    """What the CI says, else the folder that has .git, else the one asked about."""
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert ci.repository({}, inner) == inner
    (tmp_path / "a" / ".git").mkdir()
    assert ci.repository({}, inner) == tmp_path / "a"
    assert ci.repository({"GITHUB_WORKSPACE": "/w"}, inner) == Path("/w")
    assert ci.repository({"CI_PROJECT_DIR": "/p"}, inner) == Path("/p")


def test_the_worker_that_did_the_work_is_told() -> None:
    """Of equal builds the one that compiled stands for all, and other builds stand beside it."""
    idle, busy, other = facts(), facts(compiled=("a",)), facts("other")
    assert merged([idle, busy, other, idle]) == [busy, other]


@pytest.mark.parametrize("width", [40, 80])
def test_the_table_fits(width: int) -> None:
    """On a narrow terminal the options give way."""
    name = "cargo build --features one,two,three --profile release --bin app"
    lines = list(table.table([facts(name), facts()], width))
    assert max(map(len, lines)) <= width
    assert "..." in "".join(lines)
    assert any("2.0" in line for line in lines)


def test_facts_survive_the_way_to_the_controller() -> None:
    """What a worker sends is what the controller reads."""
    before = facts(compiled=("a",), findings=(FINDING,), reasons={"a": "new"}, sizes={"app": 3})
    assert BuildFacts.from_plain(before.plain()) == before
