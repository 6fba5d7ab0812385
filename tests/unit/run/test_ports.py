"""Tests of a service's ports as they are asked for."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest

from pytest_dagger_rust import ConfigurationError, RunTimeoutError
from pytest_dagger_rust.run.service import ServiceRequest


def test_any_mapping_says_where_to_listen() -> None:
    """A mapping that is no dict keeps the wanted ports, too."""
    assert ServiceRequest(command=("app",), ports=MappingProxyType({8080: 9000})).wanted_ports() == {
        8080: 9000
    }
    assert ServiceRequest(command=("app",), ports=[8080]).wanted_ports() == {8080: 0}


@pytest.mark.parametrize("ports", [8080, "8080", ["8080"], [True], [0], {8080: 70000}])
def test_what_is_no_port_is_one_sentence(ports: Any) -> None:
    """A lone number, text and numbers out of range are errors that say what to write."""
    with pytest.raises(ConfigurationError, match="ports must be"):
        ServiceRequest(command=("app",), ports=ports).wanted_ports()


def test_a_run_out_of_time_is_a_timeout() -> None:
    """Code that expects Python's own error catches it."""
    assert issubclass(RunTimeoutError, TimeoutError)
