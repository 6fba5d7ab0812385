"""What is written when all tests have run: to the terminal, and to the files that settings name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pytest_dagger_rust import ci_messages, summary
from pytest_dagger_rust.fixtures import SETTINGS_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from pytest_dagger_rust.facts import BuildFacts


def finish(config: pytest.Config, builds: Sequence[BuildFacts], waits: Sequence[tuple[str, float]]) -> None:
    """Write files, and give pytest's own summaries what belongs there."""
    if path := _file(config, "code_quality"):
        root = ci_messages.repository(os.environ, config.rootpath)
        path.write_text(ci_messages.gitlab(builds, root), "utf-8")
    for plugin in config.pluginmanager.get_plugins():
        # The fixture record_testsuite_property does the same, and is lost in workers.
        if add := getattr(plugin, "add_global_property", None):
            for name, value in summary.properties(builds):
                add(name, value)
    if reporter := config.pluginmanager.get_plugin("terminalreporter"):
        stats: dict[str, list[Any]] = reporter.stats
        # Reports of this category are listed by --durations and counted nowhere.
        stats.setdefault("", []).extend(summary.durations(waits))


def summarize(reporter: pytest.TerminalReporter, builds: Sequence[BuildFacts]) -> None:
    """Write the table of builds, and annotations where GitHub Actions reads them."""
    config = reporter.config
    if config.get_verbosity() >= 0:
        summary.write(reporter, builds, show_warnings=config.stash[SETTINGS_KEY]["show_warnings"])
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in ci_messages.github(builds, ci_messages.repository(os.environ, config.rootpath)):
            reporter.write_line(line)


def _file(config: pytest.Config, name: str) -> Path | None:
    path: Path | None = config.stash[SETTINGS_KEY][name]
    return None if path is None else config.invocation_params.dir / path
