"""Has packages fetched again after a failure: a session answers an exec that failed with the same error, unasked."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import dagger

_VARIABLE: Final = "PYTEST_DAGGER_RUST_ATTEMPT"

# By the names of volumes. A later session may fetch once more than it has to, from the downloads on the volume.
_attempts: dict[str, str] = {}


def failed(volume: str) -> None:
    """Remember that fetching failed: the token may be another one next time, or the server may answer again."""
    _attempts[volume] = uuid.uuid4().hex


def with_attempt(container: dagger.Container, volume: str) -> dagger.Container:
    """Return the container in which packages are fetched; one that has never failed is in no cache's key."""
    attempt = _attempts.get(volume)
    return container if attempt is None else container.with_env_variable(_VARIABLE, attempt)
