"""Where the development stack keeps its files, and the few things a user may choose."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

DEV = Path(__file__).resolve().parent.parent
CHECKOUT = DEV.parent

REGISTRY_PORT_VARIABLE = "STACK_REGISTRY_PORT"
DEFAULT_REGISTRY_PORT = 5000


class StackError(Exception):
    """Something the user has to know or to change, in one sentence."""


@dataclass(frozen=True)
class Settings:
    """One stack is one cache folder: two folders and two ports make two stacks beside each other."""

    cache: Path
    registry_port: int = DEFAULT_REGISTRY_PORT

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the cache folder and the port as the XDG rules and our variable name them."""
        home = Path(environment.get("HOME") or Path.home())
        base = environment.get("XDG_CACHE_HOME", "")
        root = Path(base) if os.path.isabs(base) else home / ".cache"  # noqa: PTH117 - an empty name is no path
        return cls(root / "pytest-dagger-rust", _port(environment.get(REGISTRY_PORT_VARIABLE, "")))

    @property
    def registry(self) -> str:
        """The registry's address, as image names spell it."""
        return f"127.0.0.1:{self.registry_port}"

    @property
    def run(self) -> Path:
        """The folder of process ids and of the engine's socket."""
        return self.cache / "run"

    @property
    def logs(self) -> Path:
        """The folder of the daemons' output."""
        return self.cache / "log"

    @property
    def network(self) -> str:
        """A name for this stack's container network, short enough for an interface's name."""
        return "pdr" + self._digest()[:6]

    @property
    def subnet(self) -> str:
        """An address range of this stack's own, away from the ranges Docker and Dagger take."""
        return f"10.{144 + int(self._digest()[:4], 16) % 64}.0.0/16"

    def _digest(self) -> str:
        return hashlib.sha256(str(self.cache).encode()).hexdigest()


def content_key(*parts: str | bytes) -> str:
    """Return a short name that changes exactly when one of the parts does."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(b"%d:" % len(data) + data)
    return digest.hexdigest()[:16]


def _port(text: str) -> int:
    if not text:
        return DEFAULT_REGISTRY_PORT
    if text.isdecimal() and 0 < int(text) < 65536:
        return int(text)
    raise StackError(f"{REGISTRY_PORT_VARIABLE} must be a port number, not {text!r}.")
