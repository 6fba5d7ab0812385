"""Compares the version of the engine with that of the SDK, which only know each other's API if they are alike."""

from __future__ import annotations

import re
from importlib import metadata
from typing import TYPE_CHECKING

from pytest_dagger_rust.errors import ConfigurationError

if TYPE_CHECKING:
    from pytest_dagger_rust.engine.introspection import Said

_RELEASE = re.compile(r"v?(?P<minor>\d+\.\d+)\.\d+\S*")


def check_versions(said: Said | None) -> None:
    """Raise ConfigurationError if the engine and the SDK are of different minor versions.

    What has no version, such as an engine that somebody compiled, is not compared.
    """
    if said is not None and (difference := difference_of(said.version, metadata.version("dagger-io"))):
        raise ConfigurationError(difference)


def difference_of(engine: str, sdk: str) -> str:
    """Return a sentence about versions that do not go together, empty if they do."""
    found = _RELEASE.fullmatch(engine), _RELEASE.fullmatch(sdk)
    if not (found[0] and found[1]) or found[0]["minor"] == found[1]["minor"]:
        return ""
    return (
        f"The Dagger engine is version {engine.removeprefix('v')} and the Python SDK is version {sdk}, "
        "which do not go together.\n"
        f"  Install the SDK of the engine's version: pip install dagger-io=={engine.removeprefix('v')}"
    )
