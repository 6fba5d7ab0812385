"""The keys under which the parts of the plugin find each other in pytest's configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_dagger_rust.plugin.display import BuildReporting
    from pytest_dagger_rust.plugin.settings import Settings

SETTINGS_KEY: pytest.StashKey[Settings] = pytest.StashKey()
REPORTING_KEY: pytest.StashKey[BuildReporting] = pytest.StashKey()
