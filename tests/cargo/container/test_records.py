"""Test binaries and doctests: written down as cargo calls them, and handed out with what they look for."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust.builds.failures import cargo_failure
from tests.cargo.container.workshop import AgentError

if TYPE_CHECKING:
    from tests.cargo.container.workshop import Workshop

FILES = {
    "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n',
    "build.rs": 'fn main() { std::fs::write(format!("{}/made", std::env::var("OUT_DIR").unwrap()), "x").unwrap(); }\n',
    "src/lib.rs": "/// ```\n/// assert_eq!(app::two(), 2);\n/// ```\npub fn two() -> i32 { 2 }\n\n/// ```ignore\n/// nothing\n/// ```\npub fn three() {}\n#[test] fn one() {}\n",
    "src/main.rs": "fn main() {}\n",
    "tests/all.rs": "#[test] fn never() { panic!(); }\n",
    "data file": "",
}


def test_tests_are_recorded_and_not_run(workshop: Workshop) -> None:
    """Each binary with its folder and environment, each library with its doctests."""
    workshop.options = ("test", "--no-fail-fast")
    workshop.env["ODD"] = "a\tb\nc"
    workshop.write(FILES)
    (workshop.root / "link").symlink_to("data file")
    report = workshop.build()
    files = str(workshop.volume / "files")
    names = [record["executable"].rpartition("/")[2].rpartition("-")[0] for record in report["tests"]]
    assert sorted(names) == ["all", "app", "app"]
    for record in report["tests"]:
        environment = dict(record["environment"])
        assert record["folder"] == files
        assert environment["ODD"] == "a\tb\nc"
        assert environment["CARGO_PKG_NAME"] == "app"
        target = record["executable"].removeprefix(f"{workshop.volume}/target/")
        assert (workshop.out / "target" / target).is_file()
    (doctests,) = report["doctests"]
    assert "--test" in doctests["arguments"]
    assert "--error-format" not in doctests["arguments"]
    assert doctests["listed"].count(": test\n") == 2
    assert doctests["ignored"].count(": test\n") == 1
    libraries = [word.partition("=")[2] for word in doctests["arguments"] if word.startswith("app=")]
    for library in libraries:
        assert (workshop.out / "target" / library.removeprefix(f"{workshop.volume}/target/")).is_file()
    handed_out = {path.name for path in (workshop.out / "files").iterdir()}
    assert handed_out == {path.name for path in workshop.root.iterdir()} | {"Cargo.lock", "target"}
    assert list((workshop.out / "target").glob("debug/build/*/out/made"))


def test_a_second_build_of_tests_compiles_nothing_and_records_again(workshop: Workshop) -> None:
    """The proofs hold for programs beside their tests."""
    workshop.options = ("test", "--no-fail-fast")
    workshop.write(FILES)
    first = workshop.build()
    second = workshop.build()
    assert workshop.compiled(second) == set()
    assert [record["executable"] for record in second["tests"]] == [r["executable"] for r in first["tests"]]
    assert len(second["doctests"]) == 1


def test_a_program_without_a_library_has_no_doctests(workshop: Workshop) -> None:
    """Where a library that it depends on has some; cargo lists those of packages that are selected."""
    workshop.write(
        {
            **FILES,
            "Cargo.toml": FILES["Cargo.toml"].replace("app", "helper")
            + '[workspace]\nmembers = ["program"]\n',
            "src/lib.rs": FILES["src/lib.rs"].replace("app::", "helper::"),
            "program/Cargo.toml": FILES["Cargo.toml"] + '[dependencies]\nhelper = { path = ".." }\n',
            "program/src/main.rs": "fn main() { helper::two(); }\n#[test] fn one() {}\n",
        }
    )
    workshop.options = ("test", "--no-fail-fast", "--package=app")
    report = workshop.build()
    assert (names_of(report), report["doctests"]) == (["app"], [])
    workshop.options = ("test", "--no-fail-fast", "--workspace")
    assert len(workshop.build()["doctests"]) == 1


def names_of(report: dict[str, Any]) -> list[str]:
    """Return the names of the test binaries that were recorded, in cargo's order."""
    return [record["executable"].rpartition("/")[2].rpartition("-")[0] for record in report["tests"]]


REFUSED = """\
#![deny(rustdoc::invalid_codeblock_attributes)]
/// ```compile-fail
/// 1
/// ```
pub fn one() {}
"""


def test_what_rustdoc_says_is_shown_as_cargo_shows_it(workshop: Workshop) -> None:
    """And not as JSON, which cargo has rustdoc write where it writes some itself."""
    workshop.options = ("test", "--no-fail-fast")
    workshop.write({**FILES, "src/lib.rs": REFUSED})
    with pytest.raises(AgentError):
        workshop.build("--build-id", "this")
    workshop.failure("this").check_returncode()
    said = str(cargo_failure((workshop.folder / "failure.json").read_text()))
    assert said.splitlines()[:2] == ["error: unknown attribute `compile-fail`", " --> src/lib.rs:2:1"]
    assert "$message_type" not in said


AS_CARGO = {
    "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n[profile.test]\ndebug-assertions = false\n',
    "build.rs": 'fn main() { println!("cargo::rerun-if-changed=words.txt"); std::fs::create_dir_all("data").unwrap(); std::fs::write("data/count.txt", "2").unwrap(); }\n',
    "words.txt": "a\nb\n",
    "src/lib.rs": '#[cfg(debug_assertions)] #[cfg(test)] compile_error!("not the profile of tests");\n',
    "src/main.rs": "fn main() {}\n",
    "examples/child.rs": "fn main() {}\n",
    "tests/all.rs": "#[test] fn never() { panic!(); }\n",
}


def test_the_surroundings_are_those_of_cargo_test(workshop: Workshop) -> None:
    """Examples are built, `target` leads to them, what build scripts wrote is there; and none of it stays."""
    workshop.options = ("test", "--no-fail-fast")
    workshop.write(AS_CARGO)
    for _ in range(2):
        report = workshop.build()
        assert sorted(names_of(report)) == ["all", "app", "app"]
        files = workshop.out / "files"
        assert (files / "data/count.txt").read_text() == "2"
        assert (files / "target").readlink() == workshop.volume / "target"
        for program in ("debug/app", "debug/examples/child"):
            assert (workshop.out / "target" / program).is_file()
        assert not (workshop.volume / "files/data/count.txt").exists()


HOST_TRIPLE = "x86_64-unknown-linux-gnu"


@pytest.mark.skipif(
    platform.machine() != "x86_64", reason="the triple below is this machine's only on x86-64"
)
@pytest.mark.parametrize("way", ["file", "list", "variable"])
def test_tests_of_a_chosen_target_are_recorded(workshop: Workshop, way: str) -> None:
    """Whoever names the target: a configuration file, with one or several, or a variable."""
    workshop.options = ("test", "--no-fail-fast")
    targets = {"file": f'"{HOST_TRIPLE}"', "list": f'["{HOST_TRIPLE}"]'}
    workshop.write({**FILES, "src/main.rs": "fn main() {}\n#[test] fn never() { panic!(); }\n"})
    if way == "variable":
        workshop.env["CARGO_BUILD_TARGET"] = HOST_TRIPLE
    else:
        runner = "[target.'cfg(unix)']\nrunner = \"/nowhere/runner\"\n"
        workshop.write({".cargo/config.toml": f"[build]\ntarget = {targets[way]}\n{runner}"})
    report = workshop.build()
    assert sorted(names_of(report)) == ["all", "app", "app"]
    assert {record["triple"] for record in report["tests"]} == {HOST_TRIPLE}
    assert not any(name.endswith("_RUNNER") for r in report["tests"] for name, _ in r["environment"])


def test_variables_of_the_configuration_reach_the_tests(workshop: Workshop) -> None:
    """As the table [env] has them, a path made absolute where it says so."""
    workshop.options = ("test", "--no-fail-fast")
    config = '[env]\nPLAIN = "plain"\nPLACE = { value = "here", relative = true }\n'
    workshop.write({**FILES, ".cargo/config.toml": config})
    for record in workshop.build()["tests"]:
        environment = dict(record["environment"])
        assert environment["PLAIN"] == "plain"
        assert environment["PLACE"] == f"{workshop.volume}/files/here"


def test_the_packages_of_the_workspace_are_handed_out(workshop: Workshop) -> None:
    """Those that its lock file names, and no others: tests that call cargo need no network."""
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo")) / "registry"
    crates = sorted(home.glob("cache/*/cfg-if-1.*.crate"))
    if not crates or not any(home.glob("index/*/.cache/cf/g-/cfg-if")):
        pytest.skip("cargo's home has no package cfg-if")
    version = crates[-1].stem.removeprefix("cfg-if-")
    shutil.copytree(home, workshop.folder / "packages/registry", ignore=shutil.ignore_patterns("src", ".git"))
    workshop.options = ("test", "--no-fail-fast")
    manifest = FILES["Cargo.toml"] + f'[dev-dependencies]\ncfg-if = "={version}"\n'
    workshop.write({**FILES, "Cargo.toml": manifest})
    assert workshop.build()["home"] == str(workshop.folder / "home")
    out = workshop.out / "packages/registry"
    assert [path.name for path in out.glob("cache/*/*")] == [f"cfg-if-{version}.crate"]
    assert [path.name for path in out.glob("index/*/.cache/*/*/*")] == ["cfg-if"]
