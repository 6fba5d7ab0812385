"""Tests of which wheels the running interpreter can import."""

from __future__ import annotations

import sys
import sysconfig

import pytest
from packaging import tags

from pytest_dagger_rust.wheels.compatibility import complaint

MINOR = sys.version_info.minor
HERE = f"cp3{MINOR}"
PLATFORM = next(tags.platform_tags())
LINUX = sysconfig.get_platform().replace("-", "_").replace(".", "_")

pytestmark = pytest.mark.skipif(
    bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    reason="the wheels below are for a Python with its lock",
)


@pytest.mark.parametrize(
    "rest",
    [
        f"{HERE}-{HERE}-{PLATFORM}",
        f"{HERE}-{HERE}-{LINUX}",
        f"{HERE}-{HERE}-plan9.{PLATFORM}.{LINUX}",
        f"cp38-abi3-{PLATFORM}",
        f"{HERE}.cp399-{HERE}-{PLATFORM}",
        "py3-none-any",
    ],
)
def test_a_wheel_for_this_python_fits(rest: str) -> None:
    """Also one whose tags are several in one, and one of the stable ABI."""
    assert complaint(f"a-1.0-{rest}.whl") is None


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        (
            f"cp399-cp399-{PLATFORM}",
            f"is for Python 3.99, and this is Python 3.{MINOR}.\n  Leave `python` out",
        ),
        (f"cp399-cp399-{PLATFORM}.{LINUX}", "is for Python 3.99"),
        (f"cp399-abi3-{PLATFORM}", "is for Python 3.99 or newer"),
        (f"{HERE}-{HERE}t-{PLATFORM}", f"is for free-threaded Python 3.{MINOR}"),
        (f"pp399-pypy399_pp73-{PLATFORM}", "is for PyPy 3.99"),
        (
            f"{HERE}-{HERE}-manylinux_2_17_s390x.manylinux2014_s390x",
            "manylinux2014_s390x/manylinux_2_17_s390x",
        ),
        (f"{HERE}-{HERE}-musllinux_9_9_x86_64", "is for musllinux_9_9_x86_64, and this machine is"),
        (f"{HERE}-{HERE}-win_amd64", "install the wheel in a container of that platform."),
        ("what", "is not the file name of a wheel."),
    ],
)
def test_any_other_wheel_is_refused(rest: str, words: str) -> None:
    """The complaint has what it is for, what this is, and what to do."""
    assert words in str(complaint(f"a-1.0-{rest}.whl"))
