"""Tests of test binaries in a container that has their libraries and nothing else: no shell, no other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.rust_tests.cases import list_tests
from pytest_dagger_rust.rust_tests.jobs import Limits, read_result, run_jobs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import dagger

    from tests.engine.scenario import Scenario

TESTS = r"""
#[test]
fn passes() { assert!(std::path::Path::new("src/lib.rs").exists()); println!("a\tb\u{2028}"); }
#[test]
fn fails() { panic!("oh\nno"); }
#[test]
fn aborts() { std::process::abort(); }
#[test]
fn exits() { std::process::exit(134); }
#[test]
fn hangs() { std::thread::sleep(std::time::Duration::from_secs(600)); }
#[test]
#[ignore = "a reason\twith a tab"]
fn ignored() {}
"""
WORKSPACE: Mapping[str, str] = {
    "Cargo.toml": '[package]\nname = "a"\nversion = "1.0.0"\nedition = "2021"\n',
    "src/lib.rs": TESTS,
}


@pytest.fixture
def bare_container(
    dagger_client: dagger.Client, rust_runtime_container: dagger.Container
) -> dagger.Container:
    """A container with libraries and no programs."""
    libraries = rust_runtime_container.directory("/usr")
    container = dagger_client.container().with_directory("/usr", libraries, exclude=["bin", "sbin"])
    for folder in ("lib", "lib64"):
        container = container.with_symlink(f"usr/{folder}", f"/{folder}")
    return container


def test_a_container_without_a_shell_will_do(
    make_scenario: Callable[[Mapping[str, str]], Scenario], bare_container: dagger.Container
) -> None:
    """Its tests are listed and run there, each way to end is known, and limits are kept."""
    scenario = make_scenario(WORKSPACE)
    build = scenario.build_tests(bare_container)
    engine = scenario.engine
    (cases,) = engine.call(list_tests, build, 60.0).values()
    assert isinstance(cases, list)
    assert [(case.name, case.reason) for case in cases if case.is_ignored] == [
        ("ignored", "a reason\twith a tab")
    ]
    jobs = [case.job for case in cases]

    async def run() -> Mapping[int, bytes]:
        return await run_jobs(build, jobs, Limits(3), anew=True)

    results = {jobs[n].arguments[1]: read_result(jobs[n], data) for n, data in engine.call(run).items()}
    codes = {name: (result.exit_code, result.signal, result.timed_out) for name, result in results.items()}
    assert codes == {
        "passes": (0, None, False),
        "fails": (101, None, False),
        "aborts": (134, "SIGABRT", False),
        "exits": (134, None, False),
        "hangs": (143, "SIGTERM", True),
        "ignored": (0, None, False),
    }
    assert "a\tb\u2028\n" in results["passes"].stdout
