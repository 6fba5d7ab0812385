"""Tests of what makes dependencies compile again and what does not, line by line, by cargo's own reports."""

from __future__ import annotations

import platform
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.engine.scenario import Scenario

    MakeScenario = Callable[[Mapping[str, str]], Scenario]

OWN = {"app", "library"}

WORKSPACE = {
    "Cargo.toml": """\
[workspace]
members = ["app", "library"]
exclude = ["fork"]
resolver = "2"

[workspace.package]
version = "0.1.0"

[workspace.dependencies]
cfg-if = "=1.0.0"

[profile.dev]
debug = 1
""",
    "app/Cargo.toml": """\
[package]
name = "app"
version.workspace = true
edition = "2021"
description = "An application"

[[bin]]
name = "app"
path = "src/main.rs"

[dependencies]
library = { path = "../library", version = "0.1.0" }
itoa = "=1.0.14"

[features]
extra = []
""",
    "app/src/main.rs": 'fn main() {\n    println!("{} {}", library::answer(), env!("CARGO_PKG_VERSION"));\n}\n',
    "library/Cargo.toml": """\
[package]
name = "library"
version = "0.1.0"
edition = "2021"

[dependencies]
cfg-if.workspace = true
semver = { version = "=1.0.23", default-features = false }

[target.'cfg(windows)'.dependencies]
semver = { version = "=1.0.23", features = ["serde"] }
""",
    "library/src/lib.rs": "pub fn answer() -> u32 {\n    42\n}\n",
}


class Edit(NamedTuple):
    """Replace a text in a file; an empty old text appends."""

    file: str
    old: str
    new: str


ROOT, APP, LIBRARY = "Cargo.toml", "app/Cargo.toml", "library/Cargo.toml"

KEEPS: dict[str, list[Edit]] = {
    "a source edited": [Edit("app/src/main.rs", "fn main", "// edited\nfn main")],
    "a source file added": [Edit("app/src/extra.rs", "", "pub fn extra() {}\n")],
    "the root's inherited version bumped, and the lock file with it": [Edit(ROOT, '"0.1.0"', '"0.2.0"')],
    "a member's own version bumped, and the requirement on it": [
        Edit(LIBRARY, '"0.1.0"', '"0.3.0"'),
        Edit(APP, 'version = "0.1.0"', 'version = "0.3.0"'),
    ],
    "comments and formatting": [Edit(APP, "[dependencies]", "# What it needs\n\n[dependencies]")],
    "a description": [Edit(APP, "An application", "A program")],
    "package metadata": [Edit(APP, "", '\n[package.metadata.tool]\nkey = "value"\n')],
    "lints": [Edit(APP, "", '\n[lints.rust]\nunused = "allow"\n')],
    "a target that brings no dependency": [Edit("app/src/bin/second.rs", "", "fn main() {}\n")],
    "a binary renamed": [Edit(APP, 'name = "app"\npath', 'name = "renamed"\npath')],
}

REBUILDS: dict[str, tuple[list[Edit], set[str]]] = {
    "a dependency's version": ([Edit(APP, "=1.0.14", "=1.0.15")], {"itoa"}),
    "a dependency's feature": (
        [Edit(LIBRARY, "default-features = false", 'features = ["serde"]')],
        {"semver"},
    ),
    "default-features": ([Edit(LIBRARY, "default-features = false", "default-features = true")], {"semver"}),
    "a profile setting": (
        [Edit(ROOT, "debug = 1", "debug = 1\nopt-level = 1")],
        {"cfg-if", "itoa", "semver"},
    ),
    "cargo's configuration": (
        [Edit(".cargo/config.toml", "", '[profile.dev.package."*"]\noverflow-checks = false\n')],
        {"cfg-if", "itoa", "semver"},
    ),
    "a patch": (
        [
            Edit(ROOT, "", '\n[patch.crates-io]\nitoa = { path = "patched" }\n'),
            Edit(
                "patched/Cargo.toml", "", '[package]\nname = "itoa"\nversion = "1.0.14"\nedition = "2021"\n'
            ),
            Edit("patched/src/lib.rs", "", "pub fn patched() {}\n"),
        ],
        {"itoa"},
    ),
}
EVERYTHING = {"cfg-if", "itoa", "semver"}
SURROUNDINGS: dict[str, tuple[list[Edit], set[str]]] = {
    # The first resolver gives a package the features that other platforms ask for.
    "the resolver": ([Edit(ROOT, 'resolver = "2"', 'resolver = "1"')], {"semver"}),
    "a dependency's source": (
        [
            Edit(ROOT, 'cfg-if = "=1.0.0"', 'cfg-if = { path = "fork" }'),
            Edit("fork/Cargo.toml", "", '[package]\nname = "cfg-if"\nversion = "1.0.0"\nedition = "2021"\n'),
            Edit("fork/src/lib.rs", "", "pub fn forked() {}\n"),
        ],
        {"cfg-if"},
    ),
    "the target": (
        [Edit(".cargo/config.toml", "", f'[build]\ntarget = "{platform.machine()}-unknown-linux-gnu"\n')],
        EVERYTHING,
    ),
    "the toolchain": ([Edit("rust-toolchain.toml", "", '[toolchain]\nchannel = "stable"\n')], EVERYTHING),
}
FILES_TO_RESTORE = (ROOT, APP, LIBRARY, "Cargo.lock")
# In the place of rustup, which the image does not have: cargo is told of another rustc for another toolchain file.
RUSTC = """\
#!/bin/sh
[ "$*" = -vV ] || exec /usr/bin/rustc "$@"
/usr/bin/rustc -vV | sed "s/^commit-date: .*/& $(cat rust-toolchain.toml 2>&1 | cksum)/"
"""


def apply(scenario: Scenario, edits: list[Edit]) -> None:
    """Make the edits, and let the machine's own cargo bring the lock file up to date."""
    for edit in edits:
        path = scenario.root / edit.file
        if edit.old:
            scenario.replace(edit.file, edit.old, edit.new)
        else:
            scenario.write({edit.file: (path.read_text() if path.exists() else "") + edit.new})
    lock(scenario)


def lock(scenario: Scenario) -> None:
    """Let cargo write the lock file, changing as little as it can."""
    subprocess.run(
        ["cargo", "metadata", "--format-version=1"], cwd=scenario.root, capture_output=True, check=True
    )


@pytest.fixture
def scenario(make_scenario: MakeScenario) -> Scenario:
    """The workspace, built once."""
    scenario = make_scenario(WORKSPACE)
    lock(scenario)
    assert sorted(scenario.build().report.compiled) == ["app", "cfg-if", "itoa", "library", "semver"]
    return scenario


def test_own_changes_compile_own_crates_only(scenario: Scenario) -> None:
    """Versions, comments, descriptions, metadata, lints, sources and targets of one's own, one after another."""
    for change, edits in KEEPS.items():
        apply(scenario, edits)
        compiled = scenario.build().report.compiled
        assert set(compiled) <= OWN, f"{change} compiled {compiled}"
    assert sorted(scenario.build().binaries) == ["renamed", "second"]
    assert scenario.output("renamed") == "42 0.2.0\n"


def test_a_dependencys_changes_compile_it_once(scenario: Scenario) -> None:
    """Version, features, defaults, profile, cargo's configuration and patches: what they reach, and nothing twice."""
    for change, (edits, expected) in REBUILDS.items():
        check_rebuild(scenario, change, edits, expected)


def test_changes_of_all_that_surrounds_dependencies_compile_them_once(make_scenario: MakeScenario) -> None:
    """Resolver, source, target and toolchain: what they reach, and nothing twice."""
    scenario = make_scenario(WORKSPACE)
    scenario.builder = scenario.builder.with_env_variable("CARGO_CACHE_RUSTC_INFO", "0").with_new_file(
        "/usr/local/bin/rustc", RUSTC, permissions=0o755
    )
    lock(scenario)
    assert {*scenario.build().report.compiled} == {*OWN, *EVERYTHING}
    for change, (edits, expected) in SURROUNDINGS.items():
        check_rebuild(scenario, change, edits, expected)


def check_rebuild(scenario: Scenario, change: str, edits: list[Edit], expected: set[str]) -> None:
    """Make the edits, see what they compile of what is not one's own, and that taking them back compiles nothing."""
    before = {name: (scenario.root / name).read_text() for name in FILES_TO_RESTORE}
    apply(scenario, edits)
    compiled = [name for name in scenario.build().report.compiled if name not in OWN]
    new = {"serde", "serde_core", "serde_derive"} & set(compiled)
    assert set(compiled) - new == expected, f"{change} compiled {compiled}"
    # Where a target directory is there already, a local package is compiled in it once more.
    is_local = any(edit.file.endswith("/lib.rs") for edit in edits)
    assert len(compiled) == len(set(compiled)) or is_local, f"{change} compiled {compiled}"
    scenario.write(before)
    for name in (".cargo/config.toml", "rust-toolchain.toml"):
        (scenario.root / name).unlink(missing_ok=True)
    back = [name for name in scenario.build().report.compiled if name not in OWN]
    assert back == [], f"taking back {change} compiled {back}"


def test_a_local_package_that_is_no_member_is_compiled_once(make_scenario: MakeScenario) -> None:
    """With the dependencies: cargo finds it fresh where the sources are built; an edit of it compiles it again."""
    dependency = '[dependencies]\nreal = { path = "real" }\n[workspace]\nexclude = ["real"]\n'
    scenario = make_scenario({
        "Cargo.toml": f'[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n{dependency}',
        "src/main.rs": 'fn main() {\n    println!("{}", real::WORD);\n}\n',
        "real/Cargo.toml": '[package]\nname = "real"\nversion = "0.1.0"\nedition = "2021"\ndescription = "Some."\n',
        "real/src/lib.rs": 'pub const WORD: &str = "one";\n',
    })  # fmt: skip
    assert scenario.build().report.compiled == ("real", "app")
    assert scenario.output() == "one\n"
    scenario.replace("real/src/lib.rs", "one", "two")
    assert scenario.output() == "two\n"
