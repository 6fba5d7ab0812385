"""Tests of Rust tests as items of pytest: how they are collected, selected, run and reported."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.pytest import rust_workspace
from tests.pytest.conftest import PYTEST_INI, Project, lay_out
from tests.pytest.terminal import WITHOUT_THEM

if TYPE_CHECKING:
    from pathlib import Path

GOOD = {
    "crates/derive/src/lib.rs::a_macro_crate_has_tests": "passed",
    "crates/good/src/lib.rs::at_the_root": "passed",
    "crates/good/src/lib.rs::deep::tests::left_out": "skipped",
    "crates/good/src/lib.rs::deep::tests::left_out_with_a_reason": "skipped",
    "crates/good/src/lib.rs::deep::tests::nested": "passed",
    "crates/good/src/lib.rs::deep::tests::panics": "passed",
    "crates/good/tests/all.rs::programs_can_be_called": "passed",
    "crates/good/tests/all.rs::the_folder_is_the_package": "passed",
    "crates/good/tests/all.rs::what_a_test_writes_is_gone_afterwards": "passed",
    "crates/good/tests/own.rs::own": "passed",
}
BAD = {
    "aborts": "died of SIGABRT",
    "assertion": "assertion `left == right` failed: sums",
    "claims_success_and_fails": "but it failed",
    "claims_failure_and_succeeds": None,
    "error": 'Error: "went wrong"',
    "exits_as_if_all_were_well": None,
    "floods": "after the flood",
    "hangs": "timed out after 5 s (dagger_rust_test_timeout)",
    "leaves_a_process_behind": None,
    "should_have_panicked": "note: test did not panic as expected at crates/bad/tests/all.rs:60:4",
}


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace no test changes, so that its tests are built once."""
    return lay_out(tmp_path_factory.mktemp("rust-tests"), rust_workspace.FILES)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workspace: Path) -> Project:
    """The workspace's folder, as the rootdir of pytest runs."""
    settings = "dagger_rust_collect_rust_tests = true\ndagger_rust_test_timeout = 5\ntestpaths = tests\n"
    lay_out(
        workspace, {"pytest.ini": PYTEST_INI + settings, "tests/test_any.py": "def test_any():\n    pass\n"}
    )
    monkeypatch.chdir(workspace)
    return Project(pytester)


def outcomes(result: pytest.RunResult) -> dict[str, str]:
    """Return the outcome of each test by its node id, from a run with -v or with workers."""
    lines = re.findall(
        r"^(\S+\.(?:py|rs)\S*(?: \S+)?) (PASSED|FAILED|SKIPPED)", result.stdout.str(), re.MULTILINE
    )
    lines += re.findall(
        r"^\[gw\d\] \[.*\] (?P<b>PASSED|FAILED|SKIPPED) (?P<a>\S+)", result.stdout.str(), re.MULTILINE
    )
    return {name: outcome.lower() for name, outcome in (sorted(line, key=str.isupper) for line in lines)}


def test_every_test_of_the_workspace_is_an_item(project: Project) -> None:
    """Beside the Python tests of testpaths, with what is ignored skipped, and none run twice or left out."""
    result = project.pytest("-v", "-rs", "--deselect=crates/bad")
    assert outcomes(result) == {"tests/test_any.py::test_any": "passed", **GOOD}
    result.stdout.fnmatch_lines(['SKIPPED * crates/good/src/lib.rs: #?ignore = "needs the moon"?'])
    result.stdout.re_match_lines([r"build +compiled +fresh", r"cargo test +3 +0 "])


def test_parts_of_a_suite_on_several_machines(project: Project, tmp_path: Path) -> None:
    """Each test is in one part, where it stays when others are left out; the parts' JUnit files can be merged."""
    parts: list[dict[str, str]] = []
    names: list[set[tuple[str | None, str | None]]] = []
    plugin = ("-p", "pytest_shard.pytest_shard", "-v", "--deselect=crates/bad", "--num-shards=2")
    for part in (0, 1):
        report = tmp_path / f"part-{part}.xml"
        parts.append(outcomes(project.pytest(*plugin, f"--shard-id={part}", f"--junitxml={report}")))
        cases = ET.parse(report).iter("testcase")  # noqa: S314 - written by pytest
        names.append({(case.get("classname"), case.get("name")) for case in cases})
    assert all(parts)
    assert parts[0] | parts[1] == {"tests/test_any.py::test_any": "passed", **GOOD}
    assert not parts[0].keys() & parts[1].keys()
    assert [len(found) for found in names] == [len(found) for found in parts]
    assert not names[0] & names[1]
    alone = project.pytest(*plugin, "--shard-id=1", "crates/good/tests")
    assert outcomes(alone).items() <= parts[1].items()


def test_each_way_to_fail_is_told(project: Project, tmp_path: Path) -> None:
    """Panics, errors, aborts, hangs and false claims are those of the right test, and with its own output."""
    report = tmp_path / "junit.xml"
    result = project.pytest("-v", f"--junitxml={report}", "crates/bad")
    expected = {
        f"crates/bad/tests/all.rs::{name}": "failed" if why else "passed" for name, why in BAD.items()
    }
    assert outcomes(result) == expected
    cases = {case.get("name"): case for case in ET.parse(report).iter("testcase")}  # noqa: S314
    messages = {
        name: failure.get("message") for name in BAD if (failure := cases[name].find("failure")) is not None
    }
    assert messages == {name: why for name, why in BAD.items() if why}
    assert float(cases["hangs"].get("time") or 0) >= 5 > float(cases["error"].get("time") or 9)
    text = result.stdout.str()
    for words in (
        "printed before the abort",
        "printed before the hang",
        "all.rs:14:5",
        "to stdout",
        "to stderr",
    ):
        assert text.count(words) == 1, words
    for words in ("Traceback", "running 1 test", "RUST_BACKTRACE", "nodes.py"):
        assert words not in text
    assert len(text) < 1_000_000


def test_tests_are_selected_as_in_python(project: Project) -> None:
    """By folder, file, module, name, expression and marker."""
    deep = "crates/good/src/lib.rs::deep::tests"
    ran = outcomes(project.pytest("-v", "crates/derive", f"{deep}::nested", "crates/good/tests/own.rs"))
    names = (
        "crates/derive/src/lib.rs::a_macro_crate_has_tests",
        f"{deep}::nested",
        "crates/good/tests/own.rs::own",
    )
    assert ran == dict.fromkeys(names, "passed")
    ran = outcomes(
        project.pytest("-v", "crates/good/src/lib.rs::deep", "-k", "nested or left", "-m", "not rust_ignored")
    )
    assert ran == {f"{deep}::nested": "passed"}


def test_ignored_tests_run_where_they_are_asked_for(project: Project) -> None:
    """As with cargo's `--ignored` and `--include-ignored`."""
    deep = "crates/good/src/lib.rs::deep::tests"
    ignored = {f"{deep}::left_out": "passed", f"{deep}::left_out_with_a_reason": "failed"}
    ran = outcomes(project.pytest("-v", "--dagger-rust-ignored-tests=only"))
    assert ran == {"tests/test_any.py::test_any": "passed", **ignored}
    ran = outcomes(project.pytest("-v", "--dagger-rust-ignored-tests=include", deep))
    assert ran == {f"{deep}::nested": "passed", f"{deep}::panics": "passed", **ignored}


def test_the_tree_is_readable(project: Project) -> None:
    """Files lie in folders, tests in modules; an unknown name is pytest's own usage error."""
    result = project.pytest("--collect-only", "crates/good")
    result.stdout.fnmatch_lines([
        "*<Dir good>", "*<RustFile lib.rs>", "*<RustTest at_the_root>", "*<RustModule deep>",
        "*<RustModule tests>", "*<RustTest nested>", "*<RustFile all.rs>", "*<RustFile own.rs>", "*<RustTest own>",
    ])  # fmt: skip
    result = project.pytest("crates/good/src/lib.rs::nothing")
    result.stderr.fnmatch_lines(["ERROR: not found: *crates/good/src/lib.rs::nothing*"])


def test_a_failure_stops_the_run(project: Project) -> None:
    """With -x the run ends at the first failure, and what hangs later is not waited for."""
    result = project.pytest("-x", "-v", "--dagger-rust-test-timeout=100", "crates/bad")
    assert outcomes(result) == {"crates/bad/tests/all.rs::aborts": "failed"}
    assert result.duration < 60


def test_the_last_failures_are_run_again(project: Project) -> None:
    """`--lf` runs what failed, and really runs it."""
    run = project.pytester.runpytest_subprocess
    cache = (*WITHOUT_THEM, "-v", "-o", f"cache_dir={project.folder / 'cache'}")
    run(*cache, "-k", "assertion or error or nested").assert_outcomes(failed=2, passed=1, deselected=18)
    failed = {f"crates/bad/tests/all.rs::{name}": "failed" for name in ("assertion", "error")}
    assert outcomes(run(*cache, "--lf")) == failed


def test_files_that_tests_write_are_brought_back(project: Project, workspace: Path) -> None:
    """Where a pattern matches, also by workers, and the end of the run names them."""
    options = (
        "-n1",
        "crates/good",
        "-k",
        "what_a_test_writes",
        "--dagger-rust-test-outputs=crates/*/tests/*.txt",
    )
    written = workspace / "crates/good/tests/written.txt"
    try:
        result = project.pytest(*options)
        result.assert_outcomes(passed=1)
        assert written.read_text() == "by a test"
    finally:
        written.unlink(missing_ok=True)
    result.stdout.fnmatch_lines(["Rust tests: written into the workspace: crates/good/tests/written.txt"])


def test_workers_share_the_build_and_the_runs(project: Project) -> None:
    """Under -n 2 every test has its result, which one of the workers has run for all."""
    result = project.pytest("-n2", "-v", "crates", "--deselect=crates/bad/tests/all.rs::hangs")
    ran = outcomes(result)
    bad = {f"crates/bad/tests/all.rs::{name}": "failed" if why else "passed" for name, why in BAD.items()}
    del bad["crates/bad/tests/all.rs::hangs"]
    assert ran == {**GOOD, **bad}
    result.stdout.fnmatch_lines(["assertion `left == right` failed: sums"])


BELOW_ROOTDIR = {
    "rust/Cargo.toml": rust_workspace.manifest(
        "app",
        '[[bin]]\nname = "one"\npath = "src/shared.rs"\n[[bin]]\nname = "two"\npath = "src/shared.rs"\n',
    )
    + "[features]\nloud = []\n",
    "rust/Cargo.lock": 'version = 4\n\n[[package]]\nname = "app"\nversion = "0.1.0"\n',
    "rust/src/shared.rs": 'fn main() {}\n#[test]\nfn fails() { assert!(cfg!(feature = "loud"), "quiet"); }\n',
    "rust/tests/loud.rs": '#[test]\nfn is_loud() { assert!(cfg!(feature = "loud")); }\n',
    "rust/tests/early.rs": """
#[used]
#[link_section = ".init_array"]
static EARLY: extern "C" fn() = early;
extern "C" fn early() { std::process::exit(7); }
#[test]
fn unheard_of() {}
""",
    "conftest.py": """
import dataclasses
import pytest

@pytest.fixture(scope="session")
def rust_test_options(rust_test_options):
    return dataclasses.replace(rust_test_options, no_default_features=True)
""",
    "test_programs.py": """
def test_nothing_is_compiled_again(cached_rust_build):
    assert cached_rust_build.report.compiled == ()
    assert sorted(cached_rust_build.binaries) == ["one", "two"]
""",
}


def test_a_workspace_below_rootdir(bare_project: Project) -> None:
    """Paths are seen from rootdir, targets that share a source are told apart, and nothing is built twice.

    A binary that cannot list its tests is an error of its own file.
    """
    bare_project.write(BELOW_ROOTDIR)
    below = ("--dagger-rust-workspace=rust", "--dagger-rust-collect-rust-tests")
    result = bare_project.pytest("-v", "--continue-on-collection-errors", *below)
    assert outcomes(result) == {
        "rust/src/shared.rs::bin one::fails": "failed",
        "rust/src/shared.rs::bin two::fails": "failed",
        "rust/tests/loud.rs::is_loud": "failed",
        "test_programs.py::test_nothing_is_compiled_again": "passed",
    }
    result.stdout.fnmatch_lines(["thread 'fails'* panicked at rust/src/shared.rs:3:14:", "quiet"])
    loud = (
        "--dagger-rust-features=loud",
        "rust/src",
        "--dagger-rust-workspace=rust",
        "--dagger-rust-collect-rust-tests",
    )
    bare_project.pytest(*loud).assert_outcomes(passed=2)


BROKEN = {
    "Cargo.toml": rust_workspace.manifest("app"),
    "src/lib.rs": "#[test]\nfn fine() {}\n",
    "tests/broken.rs": "#[test]\nfn broken() { nowhere(); }\n",
}


def test_a_compile_error_is_shown_once(bare_project: Project) -> None:
    """As rustc renders it, without a traceback; the other files refer to it."""
    bare_project.write(BROKEN)
    result = bare_project.pytest("--dagger-rust-collect-rust-tests")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    text = result.stdout.str().partition("short test summary info")[0]
    assert text.count("cannot find function `nowhere` in this scope") == 1
    assert text.count("and 1 more file needs this build") == 1
    assert "Traceback" not in text
    assert ".py" not in text.partition("collected")[2]


def test_no_engine(bare_project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an engine nothing can be collected: that is an error told once, or a reason to skip."""
    monkeypatch.setenv("_EXPERIMENTAL_DAGGER_RUNNER_HOST", "unix:///nowhere/engine.sock")
    bare_project.write(BROKEN)
    result = bare_project.pytest("--dagger-rust-collect-rust-tests")
    # Below CI=true the short summary has the line whole, once more.
    shown = result.stdout.str().partition("short test summary")[0]
    assert shown.count("No Dagger engine answers at unix:///nowhere/engine.sock") == 1
    result = bare_project.pytest("--dagger-rust-collect-rust-tests", "--dagger-rust-on-missing-engine=skip")
    result.assert_outcomes(skipped=2)
