"""One override in use: this project's own tests build in the images of its development stack, unless told otherwise."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session")
def rust_builder_image() -> str:
    """The builder image the project's own tests use."""
    return os.environ.get("PYTEST_DAGGER_RUST_BUILDER_IMAGE", "rust:1-trixie")
