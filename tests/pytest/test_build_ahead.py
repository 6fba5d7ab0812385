"""Tests of the setting `build_ahead`: the build goes on while tests run that need none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_dagger_rust.plugin.build_ahead import first_with_build

if TYPE_CHECKING:
    import pytest

    from tests.pytest.conftest import Project

FILES = {
    "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n',
    "Cargo.lock": 'version = 4\n\n[[package]]\nname = "app"\nversion = "0.1.0"\n',
    "src/main.rs": 'fn main() {\n    println!("old");\n}\n',
}

OTHERS = """
import time
import pytest
from pytest_dagger_rust.plugin.state import REPORTING_KEY

def test_of_something_else():
    pass

def test_while_the_build_goes_on(pytestconfig):
    log = pytestconfig.stash[REPORTING_KEY].build_log
    until = time.monotonic() + 120
    while not any(build.made or build.error for build in log.builds):
        assert time.monotonic() < until
        time.sleep(0.05)
    source = pytestconfig.rootpath / "src" / "main.rs"
    source.write_text(source.read_text().replace("old", "new"))

def test_of_the_program(rust_build):
    assert rust_build.run("app").stdout == "new\\n"
"""

CHOICES = """
import pytest

def test_of_something_else(): pass

@pytest.mark.skipif(True, reason="never")
def test_skipped(cached_rust_build): pass

class TestOverride:
    @pytest.fixture(scope="session")
    def cached_rust_build(self, cached_rust_build): return cached_rust_build

    def test_overridden(self, cached_rust_build): pass

def test_chosen(rust_build): pass

def test_later(cached_rust_build): pass
"""


def test_other_tests_run_meanwhile_and_later_changes_are_in_the_binary(bare_project: Project) -> None:
    """A test sees the end of a build it did not ask for, and what it then changes is built for the next one."""
    bare_project.write(FILES)
    result = bare_project.pytest("--dagger-rust-build-ahead", others=OTHERS)
    result.assert_outcomes(passed=3)
    # One row in the summary, though it was built twice.
    assert sum("cargo build" in line for line in result.outlines) == 1
    bare_project.pytest("-k", "something or program", "--dagger-rust-build-ahead").assert_outcomes(
        passed=2, deselected=1
    )


def test_a_compile_error_is_one_of_the_test_that_needs_the_build(bare_project: Project) -> None:
    """The tests before it pass, and the error is shown once."""
    bare_project.write({**FILES, "src/main.rs": 'fn main() {\n    missing("old");\n}\n'})
    result = bare_project.pytest("--dagger-rust-build-ahead", others=OTHERS)
    result.assert_outcomes(passed=2, errors=1)
    assert result.stdout.str().count("error[E0425]") == 1


def test_a_test_that_fails_at_once_ends_the_run_and_the_build(bare_project: Project) -> None:
    """With `-x`, nobody waits for a build that is no longer needed."""
    endless = "fn main() {\n    std::thread::sleep(std::time::Duration::from_secs(600));\n}\n"
    bare_project.write({**FILES, "build.rs": endless})
    tests = "def test_a():\n    pass\n\ndef test_b():\n    assert 0\n\ndef test_c(rust_build):\n    pass\n"
    result = bare_project.pytest("-x", "--dagger-rust-build-ahead", others=tests)
    result.assert_outcomes(passed=1, failed=1)
    assert result.duration < 60


def test_the_first_test_that_needs_the_plain_build_is_chosen(pytester: pytest.Pytester) -> None:
    """A test that may be skipped may need nothing, and an override may ask for another build."""
    items, _ = pytester.inline_genitems(pytester.makepyfile(CHOICES))  # pyright: ignore[reportUnknownMemberType]
    chosen = first_with_build(items)
    assert chosen is not None
    assert chosen.name == "test_chosen"
    assert first_with_build(items[:1]) is None
