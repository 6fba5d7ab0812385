"""Test binaries and doctests: written down as cargo calls them, and handed out with what they look for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cargo.container.workshop import Workshop

FILES = {
    "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n',
    "build.rs": 'fn main() { std::fs::write(format!("{}/made", std::env::var("OUT_DIR").unwrap()), "x").unwrap(); }\n',
    "src/lib.rs": "/// ```\n/// assert_eq!(app::two(), 2);\n/// ```\npub fn two() -> i32 { 2 }\n\n/// ```ignore\n/// nothing\n/// ```\npub fn three() {}\n#[test] fn one() {}\n",
    "src/main.rs": "fn main() {}\n",
    "tests/all it's.rs": '#[test] fn program() { assert!(std::path::Path::new(env!("CARGO_BIN_EXE_app")).exists()); }\n',
    "data file": "",
}


def test_tests_are_recorded_and_not_run(workshop: Workshop) -> None:
    """Each binary with its folder and environment, each library with its doctests."""
    workshop.options = ("test", "--tests", "--no-fail-fast")
    workshop.env["ODD"] = "a\tb\nc"
    del FILES["tests/all it's.rs"]
    workshop.write({**FILES, "tests/all.rs": "#[test] fn never() { panic!(); }\n"})
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
    assert doctests["listed"].count(": test\n") == 2
    assert doctests["ignored"].count(": test\n") == 1
    libraries = [word.partition("=")[2] for word in doctests["arguments"] if word.startswith("app=")]
    for library in libraries:
        assert (workshop.out / "target" / library.removeprefix(f"{workshop.volume}/target/")).is_file()
    assert sorted(path.name for path in (workshop.out / "files").iterdir()) == sorted(
        path.name for path in workshop.root.iterdir()
    )
    assert list((workshop.out / "target").glob("debug/build/*/out/made"))


def test_a_second_build_of_tests_compiles_nothing_and_records_again(workshop: Workshop) -> None:
    """The proofs hold for programs beside their tests."""
    workshop.options = ("test", "--tests", "--no-fail-fast")
    workshop.write(FILES)
    first = workshop.build()
    second = workshop.build()
    assert workshop.compiled(second) == set()
    assert [record["executable"] for record in second["tests"]] == [r["executable"] for r in first["tests"]]
    assert len(second["doctests"]) == 1
