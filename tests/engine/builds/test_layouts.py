"""What is promised holds as well where cargo gives each form of a crate a folder of its own in the build folder.

That is `-Z build-dir-new-layout`, on its way to be the only layout: https://github.com/rust-lang/cargo/issues/15010.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.builds.execs import VOLUME
from tests.engine.builds.test_caching import (
    WORKSPACE,
    test_a_warm_volume_does_without_a_new_layer,
    test_dependencies_are_compiled_once_and_an_edit_compiles_own_crates_only,
    test_why_a_package_was_compiled_is_told_in_words,
)
from tests.engine.builds.test_guard import (
    test_a_binary_cargo_wrongly_calls_fresh_is_built_anew,
    test_a_library_cargo_wrongly_calls_fresh_is_built_anew,
    test_a_library_is_not_taken_for_the_program_of_its_name,
    test_a_program_beside_its_tests_is_not_believed_either,
    test_a_program_is_not_taken_for_the_library_of_its_name,
)
from tests.engine.builds.test_libraries import (
    test_a_library_that_only_others_are_linked_with_stays,
    test_libraries_leave_the_build_fresh,
)
from tests.engine.rust_tests.test_rust_test_build import test_each_thing_is_compiled_once
from tests.engine.volume import in_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.engine.scenario import Scenario

    MakeScenario = Callable[[Mapping[str, str]], Scenario]

# The tests of other modules that are run here too, on the scenarios of this one.
__all__ = (
    "test_a_binary_cargo_wrongly_calls_fresh_is_built_anew",
    "test_a_library_cargo_wrongly_calls_fresh_is_built_anew",
    "test_a_library_is_not_taken_for_the_program_of_its_name",
    "test_a_library_that_only_others_are_linked_with_stays",
    "test_a_program_beside_its_tests_is_not_believed_either",
    "test_a_program_is_not_taken_for_the_library_of_its_name",
    "test_a_warm_volume_does_without_a_new_layer",
    "test_dependencies_are_compiled_once_and_an_edit_compiles_own_crates_only",
    "test_each_thing_is_compiled_once",
    "test_libraries_leave_the_build_fresh",
    "test_why_a_package_was_compiled_is_told_in_words",
)

NEW_LAYOUT = {"RUSTC_BOOTSTRAP": "1", "CARGO_UNSTABLE_BUILD_DIR_NEW_LAYOUT": "true"}


@pytest.fixture
def make_scenario(make_scenario: MakeScenario) -> MakeScenario:
    """Return a function that lays out a workspace which is built with the new layout."""

    def make(files: Mapping[str, str]) -> Scenario:
        scenario = make_scenario(files)
        for name, value in NEW_LAYOUT.items():
            scenario.builder = scenario.builder.with_env_variable(name, value)
        return scenario

    return make


def test_the_layout_is_the_new_one(make_scenario: MakeScenario) -> None:
    """Otherwise the other tests here would show nothing."""
    scenario = make_scenario(WORKSPACE)
    scenario.build()
    folders = in_volume(scenario, f"ls {VOLUME}/target/debug {VOLUME}/target/debug/build")
    assert "deps" not in folders.split()
    assert {"app", "cfg-if", "itoa", "library"} <= set(folders.split())
