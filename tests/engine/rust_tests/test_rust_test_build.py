"""Test binaries are built as programs are: dependencies once, own crates incrementally, nothing twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import StaleBinaryError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.engine.scenario import Scenario


def package(name: str, rest: str = "") -> str:
    """Return the manifest of a member."""
    return f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n{rest}'


WORKSPACE: Mapping[str, str] = {
    "Cargo.toml": '[workspace]\nmembers = ["app", "library"]\nresolver = "2"\n',
    "app/Cargo.toml": package("app", '[dependencies]\nlibrary = { path = "../library" }\n'),
    "app/src/main.rs": 'fn main() { println!("{}", library::answer()); }\n',
    "app/tests/all.rs": '#[test]\nfn runs() { assert!(std::path::Path::new(env!("CARGO_BIN_EXE_app")).exists()); }\n',
    "library/Cargo.toml": package(
        "library", '[dev-dependencies]\ncfg-if = "1"\n[[test]]\nname = "own"\nharness = false\n'
    ),
    "library/src/lib.rs": "pub fn answer() -> i32 { 42 }\n#[test]\nfn right() { cfg_if::cfg_if! { if #[cfg(test)] {} } }\n",
    "library/tests/all.rs": "#[test]\nfn answers() { assert_eq!(library::answer(), 42); }\n",
    "library/tests/own.rs": "fn main() {}\n",
}


def test_each_thing_is_compiled_once(make_scenario: Callable[[Mapping[str, str]], Scenario]) -> None:
    """A cold build compiles each dependency once, an edit its own package; the programs are there already."""
    scenario = make_scenario(WORKSPACE)
    cold = scenario.build_tests()
    assert sorted(cold.report.compiled) == ["app", "cfg-if", "library"]
    found = {(b.package, b.kind, b.target, b.src_path, b.harness) for b in cold.binaries}
    assert found == {
        ("app", "bin", "app", "app/src/main.rs", True),
        ("app", "test", "all", "app/tests/all.rs", True),
        ("library", "lib", "library", "library/src/lib.rs", True),
        ("library", "test", "all", "library/tests/all.rs", True),
        ("library", "test", "own", "library/tests/own.rs", False),
    }
    assert len({binary.executable for binary in cold.binaries}) == len(cold.binaries)
    assert all(binary.folder.endswith(f"/{binary.package}") for binary in cold.binaries)
    assert all(binary.env["CARGO_PKG_NAME"] == binary.package for binary in cold.binaries)

    scenario.replace("library/tests/all.rs", "42", "40 + 2")
    assert scenario.build_tests().report.compiled == ("library",)

    programs = scenario.build(packages=("*",))
    assert programs.report.compiled == ()
    assert programs.blocking.run("app", check=True).stdout == "42\n"


BLIND_CARGO = """\
#!/bin/sh
PATH=${PATH#/blind:}
for file in */src/lib.rs; do touch -d 2006-01-02 "$file"; done
exec cargo "$@"
"""


def test_a_test_linked_with_older_sources_is_refused(
    make_scenario: Callable[[Mapping[str, str]], Scenario],
) -> None:
    """A cargo that sees no change of a library is not believed, by the tests of its dependents neither."""
    scenario = make_scenario(WORKSPACE)
    path = scenario.engine.call(scenario.builder.env_variable, "PATH")
    scenario.builder = scenario.builder.with_env_variable("PATH", f"/blind:{path}").with_new_file(
        "/blind/cargo", BLIND_CARGO, permissions=0o755
    )
    scenario.build_tests()
    scenario.replace("app/src/main.rs", "{}", "{}!")
    assert scenario.build_tests().report.compiled == ("app",)
    scenario.replace("library/src/lib.rs", "42", "43")
    with pytest.raises(StaleBinaryError, match="could not be proved"):
        scenario.build_tests()
