"""Compiled dependencies for other machines: published to a registry or to a folder, and taken from there."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.engine.plain import without_trace
from pytest_dagger_rust.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import dagger

# Seconds that a place may take to answer, and to take what is published.
PULL_LIMIT, PUBLISH_LIMIT = 120.0, 300.0

# Sets of dependencies that a folder keeps: those published last.
_KEPT = 8

# What registries answer where a tag is not there.
_MISSING = ("not found", "manifest unknown", "name unknown", "404")


def is_pull_request(environ: Mapping[str, str]) -> bool:
    """Return whether a CI builds a change that is not accepted yet.

    Sources: https://docs.github.com/actions/reference/workflows-and-actions/variables and
    https://docs.gitlab.com/ci/variables/predefined_variables/
    """
    event = environ.get("GITHUB_EVENT_NAME", "")
    return event.startswith("pull_request") or bool(environ.get("CI_MERGE_REQUEST_IID"))


def _folder(name: str, base: Path) -> Path:
    folder = os.path.expanduser(name)  # noqa: PTH111 - it leaves a user that there is not
    if "\0" in name or folder.startswith("~"):
        raise ConfigurationError(
            f"cache_from and cache_to: {name!r} is no path of a folder; write the whole path."
        )
    return Path(os.path.normpath(base / folder))


@dataclass(frozen=True)
class Place:
    """A repository of a registry, or a folder: what begins with `.`, `/` or `~`."""

    name: str
    folder: Path | None

    @classmethod
    def of(cls, name: str, base: Path) -> Place:
        """Read a setting's value; folders are relative to `base`.

        Raises ConfigurationError for what cannot be a folder's path.
        """
        if name.startswith((".", "/", "~")):
            return cls(name, _folder(name, base))
        return cls(name, None)

    def image(self, client: dagger.Client, key: str) -> dagger.Container | None:
        """Return the image of that key, None if it is known not to be there."""
        if self.folder is None:
            return client.container().from_(f"{self.name}:{key}")
        file = self.folder / f"{key}.tar"
        # Also where the path is too long, or nobody may look.
        is_there = os.path.isfile(file)  # noqa: PTH113
        return client.container().import_(client.host().file(str(file))) if is_there else None

    async def put(self, image: dagger.Container, key: str) -> None:
        """Publish an image under a key, whole or not at all."""
        import dagger  # noqa: PLC0415 - importing dagger takes most of a second

        zstd = dagger.ImageLayerCompression.Zstd
        if self.folder is None:
            await image.publish(f"{self.name}:{key}", forced_compression=zstd)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f"{key}.{os.getpid()}.part"
        try:
            await image.export(str(unfinished), forced_compression=zstd)
            unfinished.replace(self.folder / f"{key}.tar")
            for old in sorted(self.folder.glob("*.tar"), key=lambda path: -path.stat().st_mtime)[_KEPT:]:
                old.unlink(missing_ok=True)
        finally:
            unfinished.unlink(missing_ok=True)


@dataclass
class SharedCache:
    """Where compiled dependencies are looked for, and where they are published.

    A place that is gone, slow or damaged fails no build: `problems` has a sentence for each.
    """

    sources: Sequence[Place] = ()
    targets: Sequence[Place] = ()
    problems: list[str] = field(default_factory=list[str])
    published: list[str] = field(default_factory=list[str])
    _tasks: list[asyncio.Task[None]] = field(default_factory=list["asyncio.Task[None]"])

    async def pull(
        self, client: dagger.Client, key: str, build_id: str
    ) -> tuple[dagger.Directory, str] | None:
        """Return the dependencies that were published under a key, and the place they come from."""
        for place in self.sources:
            image = place.image(client, key)
            if image is not None and await self._is_whole(image, place, build_id):
                return image.rootfs(), place.name
        return None

    async def _is_whole(self, image: dagger.Container, place: Place, build_id: str) -> bool:
        try:
            found = await asyncio.wait_for(image.file("/build-id").contents(), PULL_LIMIT)
        except asyncio.TimeoutError:
            self.problems.append(f"{place.name} did not answer within {PULL_LIMIT:g} s")
            return False
        except _refusals() as error:
            reason = _reason(error)
            if not any(word in reason for word in _MISSING):
                self.problems.append(f"{place.name} could not be read: {reason}")
            return False
        if found != build_id:
            self.problems.append(f"{place.name} has other dependencies under the name of these")
        return found == build_id

    @property
    def is_publishing(self) -> bool:
        """Whether there is something to wait for."""
        return bool(self._tasks)

    def summary(self) -> list[str]:
        """Return a line for each place that was published to, and for each problem."""
        places = dict.fromkeys(self.published)
        return [*(f"dependencies published to {place}" for place in places), *dict.fromkeys(self.problems)]

    def publish(self, client: dagger.Client, key: str, directory: dagger.Directory) -> None:
        """Begin to publish dependencies; see `finish`."""
        image = client.container().with_directory("/", directory)
        self._tasks += [asyncio.ensure_future(self._put(place, image, key)) for place in self.targets]

    async def _put(self, place: Place, image: dagger.Container, key: str) -> None:
        try:
            await asyncio.wait_for(place.put(image, key), PUBLISH_LIMIT)
        except asyncio.TimeoutError:
            self.problems.append(f"publishing to {place.name} was given up after {PUBLISH_LIMIT:g} s")
        except _refusals() as error:
            self.problems.append(f"dependencies could not be published to {place.name}: {_reason(error)}")
        else:
            self.published.append(place.name)

    async def finish(self) -> None:
        """Wait until everything is published, or given up."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks)
        self._tasks.clear()


def _refusals() -> tuple[type[Exception], ...]:
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    return (dagger.QueryError, OSError)


def _reason(error: Exception) -> str:
    """Return the end of an error's first line: what is before it are the steps that led there."""
    lines = (line for line in lines_of(without_trace(str(error))) if line.strip())
    first = next(lines, type(error).__name__)
    return first.rpartition(": ")[2] if first.count(": ") > 2 else first
