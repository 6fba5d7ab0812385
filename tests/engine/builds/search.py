"""Searches all that builds leave for a token: cache volumes, layers of execs, what leaves a build, files of a run."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_dagger_rust.container import agent
from tests.engine.builds.intruder import forms
from tests.engine.volume import volume_keys

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import dagger
    import pytest

    from pytest_dagger_rust import RustBuild
    from tests.engine.scenario import Scenario

_MARKS = "/marks"
_SEARCH = f"""\
cd /searched
for place in *; do echo "read $(find "$place" -type f | wc -l) $place"; done
find . | grep -aFf {_MARKS} >/found || test $? = 1
grep -raFlf {_MARKS} . >>/found || test $? = 1
sed 's/^/found in /' /found
"""


@dataclass(frozen=True)
class Found:
    """How many files there were in each place, and those with the token in their content or name."""

    files: Mapping[str, int]
    places: tuple[str, ...]

    def check(self, planted: tuple[str, ...]) -> None:
        """Raise AssertionError unless the token is where the search itself has put it, and nowhere else."""
        found = [place for place in self.places if not place.startswith("./planted")]
        print(  # noqa: T201 - the count that there has to be
            f"the token: {len(found)} occurrences in {sum(self.files.values())} files of {self.files}"
        )
        assert found == [], found
        assert {place for place in self.places if place.startswith("./planted")} == {*planted}, self.places


class Execs:
    """The containers in which the agent was run, as they were afterwards."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import dagger  # noqa: PLC0415 - importing dagger takes most of a second

        self.containers: list[dagger.Container] = []
        genuine = dagger.Container.with_exec

        def recorded(container: dagger.Container, command: list[str], *rest: Any, **named: Any) -> Any:
            after = genuine(container, command, *rest, **named)
            if command[0] == agent.PROGRAM:
                self.containers.append(after)
            return after

        monkeypatch.setattr(dagger.Container, "with_exec", recorded)


PLANTED = (
    *(f"./planted-volume/{name}" for name in ("plain", "reversed", "encoded")),
    "./planted-exec/written",
    "./planted-layers/image.tar",
)


def check_nothing_left(scenario: Scenario, build: RustBuild, token: str, execs: Execs) -> None:
    """Search everything of a build's, and raise AssertionError if the token is found, or a planted one is not."""

    async def search() -> Found:
        places = _layers(scenario, build, execs) | await _volumes(scenario)
        assert len(places) > 8
        return await _searched(_planted(scenario, token, scenario.builder), token, scenario, places)

    scenario.engine.call(search).check(PLANTED)


def _layers(scenario: Scenario, build: RustBuild, execs: Execs) -> dict[str, Any]:
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    before = scenario.builder.rootfs()
    written = {f"exec-{i}": before.diff(after.rootfs()) for i, after in enumerate(execs.containers)}
    image = build.container.as_tarball(forced_compression=dagger.ImageLayerCompression.Uncompressed)
    folders = {"artifacts": build.artifacts, "packages": build.packages}
    return {**written, **folders, "layers/image.tar": image}


async def _volumes(scenario: Scenario) -> dict[str, Any]:
    sources, dependencies = await volume_keys(scenario)
    downloads = sources.replace("-sources-", "-downloads-")
    volume = scenario.engine.client.cache_volume
    return {name: volume(name) for name in (sources, dependencies, downloads, "pytest-dagger-rust-downloads")}


def _planted(scenario: Scenario, token: str, container: dagger.Container) -> dagger.Container:
    """Return the container with the token in a cache volume and in the layers of an image."""
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    client = scenario.engine.client
    plain, backwards, *encoded = forms(token)
    texts = {"plain": f"a {plain} b", "reversed": backwards, "encoded": f"Basic {encoded[1]}"}
    folder, image = client.directory(), client.container()
    for name, text in texts.items():
        folder = folder.with_new_file(name, text)
        image = image.with_new_file(f"/{name}", text)
    volume = client.cache_volume(f"planted-{uuid.uuid4().hex}")
    written = container.rootfs().diff(container.with_new_file("/written", plain).rootfs())
    layers = image.as_tarball(forced_compression=dagger.ImageLayerCompression.Uncompressed)
    container = container.with_mounted_cache("/searched/planted-volume", volume, source=folder)
    container = container.with_mounted_directory("/searched/planted-exec", written)
    return container.with_mounted_file("/searched/planted-layers/image.tar", layers)


async def _searched(
    container: dagger.Container, token: str, scenario: Scenario, places: Mapping[str, Any]
) -> Found:
    for name, place in places.items():
        container = _mounted(container, f"/searched/{name}", place)
    marks = scenario.engine.client.set_secret(f"marks-{uuid.uuid4().hex}", "\n".join(forms(token)))
    said = await container.with_mounted_secret(_MARKS, marks).with_exec(["sh", "-euc", _SEARCH]).stdout()
    lines = [line.split(" ", 2) for line in said.splitlines()]
    files = {name: int(count) for word, count, name in lines if word == "read"}
    return Found(files, tuple(place for word, _, place in lines if word == "found"))


def _mounted(container: dagger.Container, path: str, place: Any) -> dagger.Container:
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    if isinstance(place, dagger.CacheVolume):
        return container.with_mounted_cache(path, place)
    if isinstance(place, dagger.Directory):
        return container.with_mounted_directory(path, place)
    return container.with_mounted_file(path, place)


def check_no_file_has(token: str, folder: Path) -> None:
    """Raise AssertionError if a file below the folder has the token, or if a planted one is not found."""
    planted = [folder / f"planted-{number}" for number in range(len(forms(token)))]
    for path, form in zip(planted, forms(token), strict=True):
        path.write_text(f"before{form}after")
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    marks = [form.encode() for form in forms(token)]
    found = [path for path in files if any(mark in _content(path) for mark in marks)]
    print(  # noqa: T201 - the count that there has to be
        f"the token: {len(found) - len(planted)} occurrences in {len(files) - len(planted)} files"
    )
    assert sorted(found) == planted, found


def _content(path: Path) -> bytes:
    return bytes(path) + b"\n" + path.read_bytes()
