"""Tests of how the SDK is imported; each in a process of its own, where nobody has imported it."""

from __future__ import annotations

import subprocess
import sys


def run(code: str) -> str:
    """Run code in a new interpreter, and return what it prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_what_others_decorate_is_checked() -> None:
    """The SDK's methods are as they are written; beartype checks those of other modules, before and afterwards."""
    code = """
from pytest_dagger_rust.engine.sdk import import_sdk
dagger = import_sdk()
from beartype import beartype
from beartype.roar import BeartypeCallHintParamViolation

@beartype
def double(number: int) -> int:
    return 2 * number

try:
    double("2")
except BeartypeCallHintParamViolation:
    print(dagger.Container.with_exec.__code__.co_filename.endswith("gen.py"), dagger is import_sdk())
"""
    assert run(code) == "True True"


def test_a_sdk_that_was_imported_keeps_its_checks() -> None:
    """Who imports dagger first has its checks of arguments."""
    code = """
import dagger
from pytest_dagger_rust.engine.sdk import import_sdk
print(import_sdk() is dagger, dagger.Container.with_exec.__code__.co_filename.endswith("gen.py"))
"""
    assert run(code) == "True False"
