"""Tests with published Rust that nobody here wrote, built on the real engine and put to work."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from dev import published
from tests.engine.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import dagger

    from pytest_dagger_rust import Engine, RustBuild

    MakeScenario = Callable[[Mapping[str, str]], Scenario]

HAYSTACK: Mapping[str, str] = {
    "/hay/poem.txt": "Two roads diverged in a yellow wood,\nAnd sorry I could not travel both\n",
    "/hay/deep/notes.md": "nothing\nthe road not taken\n",
    "/hay/ignored.log": "road\n",
    "/hay/.ignore": "*.log\n",
}

RIPGREP_OWN = {"ripgrep", *published.RIPGREP_MEMBERS.values()} - {"grep-pcre2"}
SEARCHER_DEPENDENTS = {"grep-searcher", "grep-printer", "grep", "ripgrep"}


def published_scenario(make_scenario: MakeScenario, tree: Path) -> Scenario:
    """Return a published tree as a scenario, with files that may be edited."""
    scenario = make_scenario({})
    published.copy(tree, scenario.root)
    return scenario


def search(build: RustBuild) -> str:
    """Search the haystack, sorted by path."""
    arguments = ("--sort", "path", "--line-number", "--ignore-case", "ROADS?", "/hay")
    return build.blocking.run("rg", *arguments, files=HAYSTACK, check=True).stdout


def assert_each_compiled_once(build: RustBuild) -> None:
    """No package was compiled by both containers."""
    compiled = build.report.compiled
    assert len(compiled) == len(set(compiled)), sorted(p for p in compiled if compiled.count(p) > 1)


def test_ripgrep_searches_and_an_edit_compiles_what_depends_on_it(make_scenario: MakeScenario) -> None:
    """The search is right, cold compiles each package once, an edit its package and the dependents."""
    scenario = published_scenario(make_scenario, published.ripgrep())
    cold = scenario.build()
    assert_each_compiled_once(cold)
    assert set(cold.report.compiled) > RIPGREP_OWN
    assert search(cold) == (
        "/hay/deep/notes.md:2:the road not taken\n/hay/poem.txt:1:Two roads diverged in a yellow wood,\n"
    )

    scenario.replace("crates/core/main.rs", "fn main()", "#[allow(unused)]\nfn edited() {}\n\nfn main()")
    assert scenario.build().report.compiled == ("ripgrep",)

    scenario.replace("crates/searcher/src/lib.rs", "#![deny", "#![allow(unused)]\n#![deny")
    edited = scenario.build()
    assert set(edited.report.compiled) == SEARCHER_DEPENDENTS
    assert_each_compiled_once(edited)
    assert search(edited) == search(cold)


@pytest.fixture
def build_application(
    engine: Engine, rust_builder_container: dagger.Container, rust_runtime_container: dagger.Container
) -> Callable[[published.Application], RustBuild]:
    """Return a function that builds a published application where it lies, so that later runs find its caches."""

    def build(application: published.Application) -> RustBuild:
        scenario = Scenario(engine, application.tree(), rust_builder_container, rust_runtime_container)
        built = scenario.build()
        assert_each_compiled_once(built)
        return built

    return build


def test_hexyl_dumps_bytes(build_application: Callable[[published.Application], RustBuild]) -> None:
    """A published program with a lock file of its own prints the bytes it was given."""
    app = build_application(published.HEXYL).blocking
    dump = app.run("hexyl", "--plain", "/data", files={"/data": b"\x00\xffRust"}, check=True).stdout
    assert "00 ff 52 75 73 74" in dump


def test_sd_replaces_text(build_application: Callable[[published.Application], RustBuild]) -> None:
    """A published program with a lock file of its own rewrites what it reads."""
    app = build_application(published.SD).blocking
    result = app.run("sd", r"(\w+) (\w+)", "$2 $1", stdin="hello world\n", check=True)
    assert result.stdout == "world hello\n"


BUMPED: Mapping[str, str] = {
    "Cargo.toml": """\
[package]
name = "app"
version = "0.1.0"
edition = "2021"

[dependencies]
itoa = "1"
serde_json = { version = "1", default-features = false, features = ["alloc"] }
cfg-if = "1"
""",
    "src/main.rs": """\
fn main() {
    cfg_if::cfg_if! { if #[cfg(unix)] { let os = "unix"; } else { let os = "other"; } }
    println!("{} {} {os}", itoa::Buffer::new().format(7), serde_json::json!([1]));
}
""",
}


@pytest.fixture
def lock(tmp_path: Path) -> Callable[..., str]:
    """Return a function that moves packages to exact versions with cargo, and returns the lock file's text."""
    folder = tmp_path / "locking"
    for name, text in BUMPED.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    def move(**versions: str) -> str:
        for name, version in versions.items():
            command = ["cargo", "update", "--quiet", name.replace("_", "-"), "--precise", version]
            subprocess.run(command, cwd=folder, check=True)
        return (folder / "Cargo.lock").read_text()

    return move


@pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is needed to move a locked version")
def test_a_bumped_dependency_compiles_itself_and_its_dependents_once(
    make_scenario: MakeScenario, lock: Callable[..., str]
) -> None:
    """Another locked version compiles that package and what depends on it, in one of the two containers."""
    scenario = make_scenario({**BUMPED, "Cargo.lock": lock(itoa="1.0.14", cfg_if="1.0.0")})
    cold = scenario.build()
    assert_each_compiled_once(cold)
    assert {"app", "itoa", "cfg-if", "serde_json"} <= set(cold.report.compiled)

    scenario.write({"Cargo.lock": lock(itoa="1.0.15")})
    bumped = scenario.build()
    assert sorted(bumped.report.compiled) == ["app", "itoa", "serde_json"]

    scenario.write({"Cargo.lock": lock(cfg_if="1.0.1")})
    assert sorted(scenario.build().report.compiled) == ["app", "cfg-if"]
