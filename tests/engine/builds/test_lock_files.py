"""A lock file that lies elsewhere than in the root is the one that counts; cargo 1.97 and newer know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.engine.scenario import Scenario

    MakeScenario = Callable[[Mapping[str, str]], Scenario]

WORKSPACE = {
    "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n',
    "src/main.rs": 'fn main() {\n    println!("one");\n}\n',
}
LOCK = 'version = 4\n\n[[package]]\nname = "app"\nversion = "0.1.0"\n'
CONFIG = '[resolver]\nlockfile-path = "locks/Cargo.lock"\n'


def by_configuration(scenario: Scenario) -> Path:
    """Have cargo's configuration name a lock file, and return its path."""
    scenario.write({".cargo/config.toml": CONFIG})
    return scenario.root / "locks/Cargo.lock"


def by_variable(scenario: Scenario) -> Path:
    """Have cargo's variable name a lock file by its path on this machine, and return that."""
    path = scenario.root / "other/Cargo.lock"
    scenario.options = type(scenario.options)(env={"CARGO_RESOLVER_LOCKFILE_PATH": str(path)})
    return path


@pytest.mark.parametrize("named", [by_configuration, by_variable])
def test_a_lock_file_elsewhere_is_used(
    make_scenario: MakeScenario, named: Callable[[Scenario], Path]
) -> None:
    """By both builds: with --locked they would fail without it."""
    scenario = make_scenario(WORKSPACE)
    path = named(scenario)
    path.parent.mkdir()
    path.write_text(LOCK)
    assert scenario.output(locked=True) == "one\n"
    scenario.replace("src/main.rs", "one", "two")
    assert scenario.output(locked=True) == "two\n"


@pytest.mark.parametrize("named", [by_configuration, by_variable])
def test_a_lock_file_elsewhere_may_be_missing(
    make_scenario: MakeScenario, named: Callable[[Scenario], Path]
) -> None:
    """Cargo makes one where it is to be, for this build only."""
    scenario = make_scenario(WORKSPACE)
    path = named(scenario)
    assert scenario.output() == "one\n"
    assert not path.exists()
