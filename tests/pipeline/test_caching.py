"""Tests of what is compiled when: cargo's own reports from the real engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.pipeline.scenario import Scenario

    MakeScenario = Callable[[Mapping[str, str]], Scenario]

WORKSPACE = {
    "Cargo.toml": '[workspace]\nmembers = ["app", "library"]\nresolver = "2"\n',
    "app/Cargo.toml": """\
[package]
name = "app"
version = "1.2.3"
edition = "2021"

[dependencies]
library = { path = "../library" }
itoa = "=1.0.15"
""",
    "app/src/main.rs": """\
fn main() {
    println!("{} {} {}", library::answer(), itoa::Buffer::new().format(7), env!("CARGO_PKG_VERSION"));
}
""",
    "library/Cargo.toml": """\
[package]
name = "library"
version = "0.1.0"
edition = "2021"

[dependencies]
cfg-if = "=1.0.0"
""",
    "library/src/lib.rs": 'pub fn answer() -> &\'static str {\n    "one"\n}\n',
}


def test_dependencies_are_compiled_once_and_an_edit_compiles_own_crates_only(
    make_scenario: MakeScenario,
) -> None:
    """Cold: every package once. Unchanged: nothing. An edited bin: that package. An edited library: its dependents."""
    scenario = make_scenario(WORKSPACE)
    cold = scenario.build()
    assert sorted(cold.report.compiled) == ["app", "cfg-if", "itoa", "library"]
    assert cold.report.fresh == ()
    assert cold.blocking.run("app", check=True).stdout == "one 7 1.2.3\n"

    unchanged = scenario.build()
    assert unchanged.report.cached
    assert unchanged.report.compiled == ()
    assert sorted(unchanged.report.fresh) == ["app", "cfg-if", "itoa", "library"]

    scenario.replace("app/src/main.rs", "{} {} {}", "{}-{}-{}")
    edited = scenario.build()
    assert edited.report.compiled == ("app",)
    assert edited.blocking.run("app", check=True).stdout == "one-7-1.2.3\n"

    scenario.replace("library/src/lib.rs", "one", "two")
    edited = scenario.build()
    assert sorted(edited.report.compiled) == ["app", "library"]
    assert edited.blocking.run("app", check=True).stdout == "two-7-1.2.3\n"
