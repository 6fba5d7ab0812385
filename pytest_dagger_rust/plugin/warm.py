"""A pytest plugin for `python -m pytest_dagger_rust warm`: of each test that needs a build, only the build happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.plugin.marks import FIXTURE

if TYPE_CHECKING:
    from collections.abc import Iterator

_BUILDS = ("cached_rust_build", "rust_build")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep one test for each build; Rust tests were built when they were collected."""
    kept = list(_first_of_each(items))
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def _first_of_each(items: list[pytest.Item]) -> Iterator[pytest.Item]:
    seen: set[str] = set()
    for item in items:
        names: list[str] = getattr(item, "fixturenames", [])
        builds = [name for name in _BUILDS if name in names]
        params: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
        # Any folder, module or class may have fixtures of its own.
        key = repr(([params.get(name) for name in (*_BUILDS, FIXTURE)], item.listchain()[1:-1]))
        if builds and key not in seen:
            seen.add(key)
            # What else the test would have set up is no build.
            names[:] = builds
            yield item


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, str] | None:
    """Count what was built, for no test has passed."""
    return ("built", "b", "BUILT") if report.when == "call" and report.passed else None


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call() -> bool:
    """Call no test."""
    return True
