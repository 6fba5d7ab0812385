"""What is kept between builds: reported, remembered on this machine, cleared on request."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from pytest_dagger_rust.builds.file_lock import async_file_lock

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from pathlib import Path

    from pytest_dagger_rust.builds.shared import SharedCache

CacheName: TypeAlias = Literal["dependencies", "target directory", "binaries"]
"""The caches of a build that its report tells the state of; of binaries where they were pulled."""

CacheState: TypeAlias = Literal[
    "kept", "new", "pulled", "cleared", "emptied", "dropped by the engine", "not used"
]
"""What became of a cache in a build."""

DEPENDENCIES: Final = "dependencies"
TARGET: Final = "target directory"
BINARIES: Final = "binaries"
PACKAGES: Final = "downloaded packages"

KEPT: Final = "kept"
NEW: Final = "new"
PULLED: Final = "pulled"
DROPPED: Final = "dropped by the engine"
UNUSED: Final = "not used"

# Stands for a build on no layer: an empty line would say that there was no build.
_NO_LAYER = "none"

# Dependency layers that are remembered: more than the engine is likely to keep of one workspace.
_REMEMBERED = 32


@dataclass(frozen=True)
class Caches:
    """What is kept between builds beside the engine's own caches, and whether to begin without any.

    `folder` is a folder on this machine. It keeps what was sent, so that an edit in a large tree sends only what
    changed, and remembers what was built, to notice when the engine drops it. A new value of `clear` empties the
    workspace's cache volumes and builds everything again. `turns` is a folder shared by processes that may request the
    same build at the same time. `shared` are the places where machines share what they have built. With `write_lock`, a
    lock file that cargo made or changed is written into the workspace.
    """

    folder: Path | None = None
    clear: str = ""
    turns: Path | None = None
    shared: SharedCache | None = None
    write_lock: bool = False

    @contextlib.asynccontextmanager
    async def turn(self, name: str) -> AsyncGenerator[None]:
        """Wait until no other process makes the build of this name; its result is then in the engine's cache."""
        if self.turns is None:
            yield
            return
        self.turns.mkdir(parents=True, exist_ok=True)
        async with async_file_lock(self.turns / f"{name}.lock"):
            yield

    def summary(
        self, volume: str, layer: str, states: Mapping[CacheName, CacheState]
    ) -> dict[CacheName, CacheState]:
        """Return the states of the caches, with those that the engine dropped marked.

        `volume` and `layer` name the caches that the build used.
        """
        known = self._known(volume)
        has_had = {TARGET: bool(known), DEPENDENCIES: layer in known}
        return {name: DROPPED if state == NEW and has_had[name] else state for name, state in states.items()}

    def are_unknown(self, volume: str) -> bool:
        """Return whether this machine remembers no build in the volume."""
        return not self._known(volume)

    def can_skip_dependency_build(self, volume: str, layer: str) -> bool:
        """Return whether a build can start from the volume instead of making this layer first.

        It can if this machine remembers builds in the volume, but none with the layer.
        """
        known = self._known(volume)
        return bool(known) and layer not in known and not self.clear

    def knows(self, volume: str, layer: str) -> bool:
        """Return whether this machine remembers a build with this layer in the volume."""
        return layer in self._known(volume)

    def remember(self, volume: str, layer: str) -> None:
        """Remember that the engine has these caches; `layer` is empty where there was no dependency build."""
        known, layer = self._known(volume), layer or _NO_LAYER
        if self.folder is None or known[-1:] == [layer]:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        names = [*(name for name in known if name != layer), layer][-_REMEMBERED:]
        unfinished = self.folder / f"{os.getpid()}.part"
        unfinished.write_text("\n".join(names))
        unfinished.replace(self._memory(self.folder, volume))

    def _known(self, volume: str) -> list[str]:
        if self.folder is None:
            return []
        try:
            return self._memory(self.folder, volume).read_text().splitlines()
        except OSError:
            return []

    def _memory(self, folder: Path, volume: str) -> Path:
        # Another engine has caches of its own.
        engine = os.environ.get("_EXPERIMENTAL_DAGGER_RUNNER_HOST", "")
        return folder / f"built-{volume}-{hashlib.sha256(engine.encode()).hexdigest()[:8]}"
