"""Images that single tests need beside the builder and the runtime."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[1]

# As it was before pytester gave tests another home: the stack's caches are below it.
ENVIRONMENT = dict(os.environ)


@functools.cache
def python_image() -> str:
    """Return an image of Python 3.13 with pip: the public one, or the development stack's where that is in use."""
    if "POSTGRES_IMAGE" not in os.environ:
        return "python:3.13-slim"
    command = [sys.executable, "-m", "dev.stack", "image", "python:3.13"]
    done = subprocess.run(
        command, cwd=CHECKOUT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip()
