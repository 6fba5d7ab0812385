"""Adds the output of programs and services to the report of a failed test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.run import transcript

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Start over for each test."""
    transcript.begin()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add a section for each run and for each service's log."""
    report = yield
    if report.failed:
        report.sections += [(section.title, section.text) for section in transcript.collected()]
    return report
