"""Writes the summary when all tests have run: to the terminal, and to the files that settings name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pytest_dagger_rust.errors import one_line
from pytest_dagger_rust.plugin.state import SETTINGS_KEY
from pytest_dagger_rust.report import ci, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from pytest_dagger_rust.report.facts import BuildFacts

# Earlier runs in pytest's cache.
_HISTORY, _KEPT_RUNS = "dagger_rust/history", 20


def finish(config: pytest.Config, builds: Sequence[BuildFacts], waits: Sequence[tuple[str, float]]) -> None:
    """Write the files, and add builds and waits to pytest's own summaries."""
    if path := _file(config, "gitlab_report"):
        root = ci.repository(os.environ, config.rootpath)
        path.write_text(ci.gitlab(builds, root), "utf-8")
    if path := _file(config, "html_report"):
        path.write_text(_page(config, builds), "utf-8")
    for plugin in config.pluginmanager.get_plugins():
        # The fixture record_testsuite_property does the same, and is lost in workers.
        if add := getattr(plugin, "add_global_property", None):
            for name, value in table.properties(builds):
                add(name, value)
    if reporter := config.pluginmanager.get_plugin("terminalreporter"):
        stats: dict[str, list[Any]] = reporter.stats
        # Reports of this category are listed by --durations and counted nowhere.
        stats.setdefault("", []).extend(table.durations(waits))


def _page(config: pytest.Config, builds: Sequence[BuildFacts]) -> str:
    from pytest_dagger_rust.report import html_report  # noqa: PLC0415 - only where a page is asked for

    # With `-p no:cacheprovider` there is no history but this run.
    cache: Any = getattr(config, "cache", None)
    earlier: list[Any] = cache.get(_HISTORY, []) if cache is not None else []
    history = list(html_report.history_of(earlier, builds, _KEPT_RUNS))
    if cache is not None:
        cache.set(_HISTORY, history)
    return html_report.page(builds, history, title=config.rootpath.name)


def summarize(
    reporter: pytest.TerminalReporter, builds: Sequence[BuildFacts], notes: Sequence[str] = ()
) -> None:
    """Write the table of builds and lines below it, and annotations on GitHub Actions."""
    config = reporter.config
    if config.get_verbosity() >= 0:
        _write(reporter, builds, show_warnings=config.stash[SETTINGS_KEY]["show_warnings"])
        for note in notes:
            reporter.write_line(note)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in ci.github(builds, ci.repository(os.environ, config.rootpath)):
            reporter.write_line(line)


def _file(config: pytest.Config, name: str) -> Path | None:
    path: Path | None = config.stash[SETTINGS_KEY][name]
    return None if path is None else config.invocation_params.dir / path


def _write(reporter: pytest.TerminalReporter, builds: Sequence[BuildFacts], *, show_warnings: bool) -> None:
    """Write the section of the builds."""
    reporter.write_sep("=", "dagger-rust")
    for line in table.table(builds, reporter._tw.fullwidth):  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        reporter.write_line(line)
    if written := rewritten(builds):
        reporter.write_line(written)
    if unsent := withheld(builds):
        reporter.write_line(unsent)
    warnings = list(dict.fromkeys(f for b in builds for f in b.findings if f.level == "warning"))
    if warnings and show_warnings:
        coloured = reporter.hasmarkup
        for finding in warnings:
            reporter.write_line("")
            reporter.write_line(finding.rendered if coloured else finding.text)
    elif warnings:
        count = f"{len(warnings)} compiler warning{'s' if len(warnings) > 1 else ''}"
        reporter.write_line(f"{count}; show with --dagger-rust-show-warnings")


def rewritten(builds: Sequence[BuildFacts]) -> str:
    """Return a line about sources that build scripts changed, empty if they changed none."""
    paths = list(dict.fromkeys(path for build in builds for path in build.rewritten))
    if not paths:
        return ""
    binaries = "the binaries contain the changes, the next build starts from your files"
    return f"build scripts changed {_first(paths)}; {binaries}"


def withheld(builds: Sequence[BuildFacts]) -> str:
    """Return a line about files that were not sent, because they may hold secrets; empty if there were none."""
    paths = list(dict.fromkeys(path for build in builds for path in build.withheld))
    if not paths:
        return ""
    return f"not sent to the engine, they may hold secrets: {_first(paths)}; to send one, add !NAME to source_excludes"


def _first(paths: Sequence[str]) -> str:
    return f"{', '.join(map(one_line, paths[:3]))}{f' and {len(paths) - 3} more' if len(paths) > 3 else ''}"
