"""The example repository passes its own tests, as `make demo` runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.pytest.terminal import FEWER_PLUGINS

EXAMPLE = Path(__file__).parents[2] / "examples" / "stocktake"


def test_the_example_passes() -> None:
    """Program, HTTP service, database and client: real parts, and all of its tests."""
    command = [sys.executable, "-m", "pytest", *FEWER_PLUGINS, "-q"]
    done = subprocess.run(command, cwd=EXAMPLE, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
