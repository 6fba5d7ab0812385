"""What machines share: published to places while tests run, and taken from there by those that have built nothing."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from pytest_dagger_rust.builds.places import MANIFEST, is_missing, reason, refusals
from pytest_dagger_rust.container import agent
from pytest_dagger_rust.errors import DaggerRustError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    import dagger

    from pytest_dagger_rust.builds.places import Kind, Place

# Seconds that a place may take to answer, and to take what is published.
PULL_LIMIT, PUBLISH_LIMIT = 120.0, 300.0

TITLES: Final[Mapping[Kind, str]] = {
    "binaries": "binaries",
    "state": "target directory",
    "dependencies": "dependencies",
}
"""What the summary calls each kind."""


@dataclass(frozen=True)
class Pulled:
    """What was taken from a place."""

    image: dagger.Container
    place: str
    seconds: float

    @property
    def directory(self) -> dagger.Directory:
        """All that is in it."""
        return self.image.rootfs()

    async def manifest(self) -> dict[str, str]:
        """Return what it says that it was made of.

        Raises DaggerRustError where that is damaged.
        """
        try:
            value: object = json.loads(await self.image.label(MANIFEST) or "null")
        except ValueError:
            value = None
        members = cast("dict[str, object]", value if isinstance(value, dict) else {})
        manifest = {name: item for name, item in members.items() if isinstance(item, str)}
        # Nothing else may become an option of rustc's.
        if manifest.get("libc") not in {agent.STATIC, agent.DYNAMIC}:
            raise DaggerRustError("the manifest is damaged")
        return manifest


@dataclass
class SharedCache:
    """Where what other machines have built is looked for, and where this one publishes.

    A place that is gone, slow or damaged fails no build: `problems` has a sentence for each. `branches` are the
    branch that is built and those that it may start from; `job` is the address of the CI's job.
    """

    sources: Sequence[Place] = ()
    targets: Sequence[Place] = ()
    branches: Sequence[str] = ("",)
    job: str = ""
    problems: list[str] = field(default_factory=list[str])
    pulled: list[str] = field(default_factory=list[str])
    published: list[tuple[str, Kind]] = field(default_factory=list["tuple[str, Kind]"])
    _silent: set[str] = field(default_factory=set[str])
    _tasks: list[asyncio.Task[None]] = field(default_factory=list["asyncio.Task[None]"])

    async def pull(self, client: dagger.Client, tag: str, proof: tuple[str, str]) -> Pulled | None:
        """Return what was published under a name, from the first place that has it.

        `proof` is a file in it, and the content by which it is recognized.
        """
        for place in self.sources:
            began = time.monotonic()
            image = None if place.name in self._silent else place.image(client, tag)
            if image is not None and await self._is_right(image, place, tag, proof):
                return Pulled(image, place.name, time.monotonic() - began)
        return None

    async def _is_right(
        self, image: dagger.Container, place: Place, tag: str, proof: tuple[str, str]
    ) -> bool:
        file, expected = proof
        try:
            found = await asyncio.wait_for(image.file(file).contents(), PULL_LIMIT)
        except asyncio.TimeoutError:
            # Nor will it answer what is asked next.
            self._silent.add(place.name)
            self.problems.append(f"{place.name} did not answer within {PULL_LIMIT:g} s")
            return False
        except refusals() as error:
            if not is_missing(why := reason(error)):
                self.problems.append(f"{place.name} could not be read: {why}")
            return False
        if found != expected:
            self.problems.append(f"{place.name} has something else under the name {tag}")
        return found == expected

    @property
    def is_publishing(self) -> bool:
        """Whether there is something to wait for."""
        return bool(self._tasks)

    def summary(self) -> list[str]:
        """Return a line for what was pulled, for each place that was published to, and for each problem."""
        places = dict.fromkeys(place for place, _ in self.published)
        titles = {
            place: [title for kind, title in TITLES.items() if (place, kind) in self.published]
            for place in places
        }
        lines = [f"{', '.join(names)} published to {place}" for place, names in titles.items()]
        return list(dict.fromkeys([*self.pulled, *lines, *self.problems]))

    def publish(
        self,
        client: dagger.Client,
        kind: Kind,
        tag: str,
        make: Callable[[], Awaitable[dagger.Directory]],
        manifest: Mapping[str, str],
        *,
        again: bool = False,
    ) -> None:
        """Begin to publish what `make` returns, to each place that has nothing of this name; see `finish`.

        `manifest` says what it was made of. With `again` it takes the place of what is there.
        """
        said = json.dumps({**manifest, "job": self.job, "published": f"{time.time():.0f}"}, sort_keys=True)

        async def offer(place: Place) -> bool:
            if not again and await place.has(client, tag):
                return False
            image = client.container().with_directory("/", await make()).with_label(MANIFEST, said)
            await place.put(image, tag)
            return True

        self._tasks += [asyncio.ensure_future(self._offered(offer, place, kind)) for place in self.targets]

    async def _offered(self, offer: Callable[[Place], Awaitable[bool]], place: Place, kind: Kind) -> None:
        title = TITLES[kind]
        try:
            is_new = await asyncio.wait_for(offer(place), PUBLISH_LIMIT)
        except asyncio.TimeoutError:
            self.problems.append(f"publishing {title} to {place.name} was given up after {PUBLISH_LIMIT:g} s")
        except refusals() as error:
            self.problems.append(f"{title} could not be published to {place.name}: {reason(error)}")
        else:
            if is_new:
                self.published.append((place.name, kind))

    async def finish(self) -> None:
        """Wait until everything is published, or given up."""
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks)
        self._tasks.clear()
