"""A builder is named by what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import DaggerRustError
from pytest_dagger_rust.builds import builders

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import dagger

    from pytest_dagger_rust import Engine
    from tests.engine.scenario import Scenario


@pytest.mark.parametrize("name_of", [builders.identity, builders.content])
def test_another_builder_has_another_name(
    engine: Engine,
    rust_runtime_container: dagger.Container,
    name_of: Callable[[dagger.Container], Awaitable[str]],
) -> None:
    """A variable or a file more makes it another one; made in the same way twice, it is the same."""
    container = rust_runtime_container
    others = [
        container,
        container.with_env_variable("SOME", "thing"),
        container.with_env_variable("SOME", "else"),
        container.with_new_file("/etc/some", "thing"),
        container.with_new_file("/etc/some", "else"),
    ]
    names = [engine.call(name_of, other) for other in others]
    assert len(set(names)) == len(others)
    assert engine.call(name_of, container.with_env_variable("SOME", "thing")) == names[1]


def test_a_service_of_a_builder_does_not_start(
    engine: Engine, make_scenario: Callable[[dict[str, str]], Scenario]
) -> None:
    """The build fails and says why, and the engine lives on."""
    # An exec that fails before its program runs ends an engine of 0.19 where `client.directory()` is mounted.
    scenario = make_scenario({"Cargo.toml": '[package]\nname = "app"\n', "src/main.rs": "fn main() {}\n"})
    service = scenario.builder.with_exposed_port(9).as_service(args=["false"])
    scenario.builder = scenario.builder.with_service_binding("db", service)
    with pytest.raises(DaggerRustError, match="db"):
        scenario.build()
    assert engine.call(engine.client.version)
