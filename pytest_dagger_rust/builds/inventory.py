"""What is in a place where machines share: listed, looked at and deleted without an engine."""

from __future__ import annotations

import json
import tarfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from pytest_dagger_rust.builds.places import KINDS, MANIFEST, newest_first
from pytest_dagger_rust.builds.registry import Registry
from pytest_dagger_rust.errors import ConfigurationError, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pytest_dagger_rust.builds.places import Place

_DAY = 86_400


@dataclass(frozen=True)
class Item:
    """Something that was published: its name, its bytes, when, and what it was made of."""

    name: str
    size: int
    published: float
    manifest: dict[str, str]

    @property
    def kind(self) -> str:
        """What it is: binaries, state or dependencies."""
        return self.name.partition("-")[0]

    def line(self, now: float) -> str:
        """Return it in one line."""
        what = self.manifest.get("branch") or self.manifest.get("command", "")
        age = f"{(now - self.published) / _DAY:.1f} days"
        return one_line(f"{self.name:54}  {self.size / 1e6:8.1f} MB  {age:>11}  {what}".rstrip())


class Inventory(Protocol):
    """A place that can say what it has."""

    def items(self) -> Iterator[Item]:
        """Return all that was published."""
        ...

    def delete(self, name: str) -> None:
        """Delete something."""
        ...


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def items(self) -> Iterator[Item]:
        for path in (path for kind in KINDS for path in newest_first(self._folder, kind)):
            found = path.stat()
            yield Item(path.stem, found.st_size, found.st_mtime, _labelled(path))

    def delete(self, name: str) -> None:
        (self._folder / f"{name}.tar").unlink()


def _labelled(path: Path) -> dict[str, str]:
    """Return what an image in an archive says of itself; nothing where it is damaged."""
    try:
        with tarfile.open(path) as tar:
            index = _json(tar, "index.json")
            manifest = _json(tar, _blob(index["manifests"][0]["digest"]))
            return manifest_of(_json(tar, _blob(manifest["config"]["digest"])))
    except (tarfile.TarError, OSError, KeyError, IndexError, TypeError, ValueError, AttributeError):
        return {}


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _json(tar: tarfile.TarFile, name: str) -> Any:
    file = tar.extractfile(name)
    return json.loads(file.read(1 << 24)) if file is not None else None


def manifest_of(config: Any) -> dict[str, str]:
    """Return what an image's configuration says that it was made of."""
    inner = cast("dict[str, Any]", config.get("config") or {})
    labels = cast("dict[str, str]", inner.get("Labels") or {})
    value: object = json.loads(labels.get(MANIFEST) or "{}")
    members = cast("dict[str, object]", value if isinstance(value, dict) else {})
    return {name: text for name, text in members.items() if isinstance(text, str)}


class _Repository:
    def __init__(self, name: str) -> None:
        self._registry = Registry(name)

    def items(self) -> Iterator[Item]:
        for tag in self._registry.tags():
            if tag.partition("-")[0] in KINDS:
                manifest = self._registry.manifest(tag)
                size = sum(layer["size"] for layer in manifest["layers"])
                said = manifest_of(self._registry.blob(manifest["config"]["digest"]))
                yield Item(tag, size, _seconds(said.get("published", "")), said)

    def delete(self, name: str) -> None:
        self._registry.delete(name)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def inventory(place: Place) -> Inventory:
    """Return what is in a place.

    Raises ConfigurationError for a folder that there is not.
    """
    if place.folder is None:
        return _Repository(place.name)
    if not place.folder.is_dir():
        raise ConfigurationError(f"There is no folder {place.folder}.")
    return _Folder(place.folder)


def outdated(
    items: Iterable[Item], *, keep: int | None, days: float | None, now: float | None = None
) -> list[Item]:
    """Return the items of each kind beyond the `keep` newest ones, and those older than `days`."""
    by_age: Sequence[Item] = sorted(items, key=lambda item: -item.published)
    now = time.time() if now is None else now
    found: list[Item] = []
    for kind in KINDS:
        for number, item in enumerate(item for item in by_age if item.kind == kind):
            is_old = days is not None and now - item.published > days * _DAY
            if is_old or (keep is not None and number >= keep):
                found.append(item)
    return found
