"""Tests of what is compiled when: cargo's own reports from the real engine."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.builds.caches import Caches
from pytest_dagger_rust.builds.execs import VOLUME
from tests.engine.volume import in_volume, prune

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_dagger_rust import Engine, RustBuild
    from tests.engine.scenario import Scenario

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
    assert cold.report.caches == {"dependencies": "new", "target directory": "new"}
    assert set(cold.report.reasons.values()) == {"not built before"}
    steps = ["dependencies", "lock", "update", "restore", "cargo", "verify", "copy"]
    assert list(cold.report.steps) == steps
    sizes = cold.report.sizes
    assert list(sizes) == ["app", "target directory", "dependencies", "downloaded packages"]
    assert 10_000 < sizes["dependencies"] < sizes["target directory"] < 50_000_000
    assert sizes["downloaded packages"] > 10_000
    assert 0 < sum(cold.report.steps.values()) < cold.report.seconds
    assert cold.blocking.run("app", check=True).stdout == "one 7 1.2.3\n"

    unchanged = scenario.build()
    assert unchanged.report.cached
    assert unchanged.report.compiled == ()
    assert unchanged.report.steps == {}
    assert unchanged.report.reasons == {}
    assert unchanged.report.caches == {"dependencies": "kept", "target directory": "kept"}
    assert sorted(unchanged.report.fresh) == ["app", "cfg-if", "itoa", "library"]

    scenario.replace("app/src/main.rs", "{} {} {}", "{}-{}-{}")
    edited = scenario.build()
    assert edited.report.compiled == ("app",)
    assert list(edited.report.steps) == steps[1:]
    assert edited.report.reasons == {"app": "app/src/main.rs changed"}
    assert edited.blocking.run("app", check=True).stdout == "one-7-1.2.3\n"

    scenario.replace("library/src/lib.rs", "one", "two")
    edited = scenario.build()
    assert sorted(edited.report.compiled) == ["app", "library"]
    assert edited.report.reasons == {
        "library": "library/src/lib.rs changed",
        "app": "dependency library was compiled again",
    }
    assert edited.blocking.run("app", check=True).stdout == "two-7-1.2.3\n"


def test_why_a_package_was_compiled_is_told_in_words(make_scenario: MakeScenario) -> None:
    """A feature, a profile, a variable, another version of a dependency, a removed file, a bumped version."""
    manifest = WORKSPACE["app/Cargo.toml"]
    scenario = make_scenario(
        {
            **WORKSPACE,
            "app/Cargo.toml": f"{manifest}\n[features]\nloud = []\n",
            "app/src/main.rs": f'const _: Option<&str> = option_env!("WORD");\nmod more;\n{WORKSPACE["app/src/main.rs"]}',
            "app/src/more/mod.rs": "",
        }
    )
    scenario.build()
    assert scenario.reasons(env={"WORD": "one"}) == {"app": "variable WORD changed"}
    scenario.remove("app/src/more/mod.rs")
    scenario.write({"app/src/more.rs": ""})
    assert scenario.reasons(env={"WORD": "one"}) == {"app": "app/src/more/mod.rs is missing"}
    assert scenario.reasons(features=("loud",), env={"WORD": "one"}) == {"app": "feature loud added"}
    scenario.replace("app/Cargo.toml", "=1.0.15", "=1.0.14")
    assert scenario.reasons(features=("loud",), env={"WORD": "one"}) == {
        "itoa": "version 1.0.15 → 1.0.14",
        "app": "dependency itoa 1.0.15 → 1.0.14",
    }
    scenario.replace("app/Cargo.toml", "1.2.3", "1.2.4")
    assert scenario.reasons(features=("loud",), env={"WORD": "one"}) == {"app": "version 1.2.3 → 1.2.4"}
    assert "opt_level 0 → 3" in scenario.reasons(features=("loud",), profile="release")["app"]


def test_dropped_and_cleared_caches_are_told(make_scenario: MakeScenario, tmp_path: Path) -> None:
    """What this machine remembers and the engine no longer has was dropped; what was asked for was cleared."""
    scenario = make_scenario(WORKSPACE)
    scenario.caches = Caches(tmp_path / "cache")
    assert scenario.build().report.caches == {"dependencies": "new", "target directory": "new"}
    prune(scenario)
    scenario.replace("app/src/main.rs", "{} {} {}", "{}-{}-{}")
    pruned = scenario.build()
    assert pruned.report.caches == {"dependencies": "kept", "target directory": "dropped by the engine"}
    assert sorted(pruned.report.compiled) == ["app", "library"]
    scenario.caches = Caches(tmp_path / "cache", clear="once")
    assert scenario.build().report.caches["target directory"] == "cleared"
    assert scenario.build().report.cached


def test_a_warm_volume_does_without_a_new_layer(make_scenario: MakeScenario, tmp_path: Path) -> None:
    """What a bumped dependency concerns is compiled once, at once; the layer is made when the volume is gone."""
    scenario = make_scenario(WORKSPACE)
    scenario.caches = Caches(tmp_path / "cache")
    scenario.lock()
    scenario.build()
    scenario.replace("app/Cargo.toml", "=1.0.15", "=1.0.14")
    scenario.lock()
    bumped = scenario.build()
    assert bumped.report.compiled == ("itoa", "app")
    assert bumped.report.caches == {"dependencies": "not used", "target directory": "kept"}
    assert "dependencies" not in bumped.report.steps
    assert scenario.build().report.cached
    scenario.replace("app/src/main.rs", "{} {} {}", "{}-{}-{}")
    assert scenario.build().report.compiled == ("app",)

    prune(scenario)
    scenario.replace("app/src/main.rs", "{}-{}-{}", "{}+{}+{}")
    pruned = scenario.build()
    assert sorted(pruned.report.compiled) == ["app", "cfg-if", "itoa", "library"]
    assert pruned.report.caches == {"dependencies": "new", "target directory": "dropped by the engine"}
    scenario.replace("app/src/main.rs", "{}+{}+{}", "{}/{}/{}")
    edited = scenario.build()
    assert edited.report.caches == {"dependencies": "kept", "target directory": "kept"}
    assert edited.blocking.run("app", check=True).stdout == "one/7/1.2.3\n"


@pytest.mark.parametrize(
    ("accident", "state", "reason"),
    [
        (
            r"""sed -i 's/"dependencies":\[/&"2","3","4","5","6","7","8",/' state.json""",
            "emptied",
            "it held 8 sets of dependencies",
        ),
        (": >running", "emptied", "a build had been interrupted"),
        ("rm -r target", "dropped by the engine", None),
    ],
)
def test_a_layer_is_made_where_the_volume_does_not_serve(
    make_scenario: MakeScenario, tmp_path: Path, accident: str, state: str, reason: str | None
) -> None:
    """A volume that is full, was interrupted, or is gone, takes new dependencies from a layer only."""
    scenario = make_scenario(WORKSPACE)
    scenario.caches = Caches(tmp_path / "cache")
    scenario.lock()
    scenario.build()
    in_volume(scenario, f"cd {VOLUME}; {accident}")
    scenario.replace("app/Cargo.toml", "=1.0.15", "=1.0.14")
    scenario.lock()
    report = scenario.build().report
    assert report.caches == {"dependencies": "new", "target directory": state}
    assert report.cache_reasons.get("target directory") == reason


def test_builds_at_once_have_reports_of_their_own(make_scenario: MakeScenario, engine: Engine) -> None:
    """Workers of pytest-xdist share a session: what one of them builds is not taken for a cache's answer by another."""
    scenarios = [
        make_scenario(
            {
                "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n',
                "src/main.rs": f'fn main() {{ println!("{number}"); }}\n',
            }
        )
        for number in range(4)
    ]

    async def all_at_once() -> list[RustBuild]:
        return await asyncio.gather(*(scenario.building() for scenario in scenarios))

    reports = [built.report for built in engine.call(all_at_once)]
    assert [(report.compiled, report.cached) for report in reports] == [(("app",), False)] * 4
