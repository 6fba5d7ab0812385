"""Where machines share what they have built: repositories of registries, and folders."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from pytest_dagger_rust.diagnostics import lines_of
from pytest_dagger_rust.engine.plain import without_trace
from pytest_dagger_rust.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dagger

Kind: TypeAlias = Literal["binaries", "state", "dependencies"]
"""What travels; a name in a place begins with its kind."""

KINDS: Final[tuple[Kind, ...]] = ("binaries", "state", "dependencies")

MANIFEST: Final = "pytest-dagger-rust.manifest"
"""The label of an image that says what it was made of."""

# Of each kind, what a folder keeps: that which was published last.
KEPT: Final = 8

# What registries answer where a tag is not there.
_MISSING = ("not found", "manifest unknown", "name unknown", "404")

_REPOSITORY = re.compile(r"[\w.-]+(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+\Z", re.ASCII)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s\"]*@")
_QUERY = re.compile(r"(?<=[\w/])\?[^\s\"']+")


def without_credentials(text: str) -> str:
    """Return a text whose addresses have neither user nor query: a registry's redirects are signed there."""
    return _QUERY.sub("?...", _CREDENTIALS.sub("", text))


def reason(error: BaseException) -> str:
    """Return the end of an error's first line: what is before it are the steps that led there."""
    lines = (line for line in lines_of(without_trace(str(error))) if line.strip())
    first = next(lines, type(error).__name__)
    if first.endswith("failed precondition"):
        return "a part of it is not what its digest says"
    return without_credentials(first.rpartition(": ")[2] if first.count(": ") > 2 else first)


def is_missing(reason: str) -> bool:
    """Return whether a place has answered that something is not there."""
    return any(word in reason for word in _MISSING)


def refusals() -> tuple[type[Exception], ...]:
    """Return the errors by which a place refuses."""
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    return (dagger.QueryError, OSError)


def _folder(name: str, base: Path) -> Path:
    folder = os.path.expanduser(name)  # noqa: PTH111 - it leaves a user that there is not
    if "\0" in name or folder.startswith("~"):
        raise ConfigurationError(
            f"cache_from and cache_to: {name!r} is no path of a folder; write the whole path."
        )
    return Path(os.path.normpath(base / folder))


def _check_repository(name: str) -> None:
    if _REPOSITORY.match(name):
        return
    # Neither a password nor a token may end up in a log.
    shown = without_credentials(name).rpartition("@")[2]
    raise ConfigurationError(
        f"cache_from and cache_to: {shown!r} is no repository of a registry.\n"
        "  Write it as registry.example/team/cache, without https://, user and tag; a folder begins with ./ or /."
    )


@dataclass(frozen=True)
class Place:
    """A repository of a registry, or a folder: what begins with `.`, `/` or `~`."""

    name: str
    folder: Path | None

    @classmethod
    def of(cls, name: str, base: Path) -> Place:
        """Read a setting's value; folders are relative to `base`.

        Raises ConfigurationError for what is neither a folder's path nor a repository.
        """
        if name.startswith((".", "/", "~")):
            return cls(name, _folder(name, base))
        _check_repository(name)
        return cls(name, None)

    def image(self, client: dagger.Client, tag: str) -> dagger.Container | None:
        """Return the image of that name, None if it is known not to be there."""
        if self.folder is None:
            return client.container().from_(f"{self.name}:{tag}")
        file = self.folder / f"{tag}.tar"
        # Also where the path is too long, or nobody may look.
        is_there = os.path.isfile(file)  # noqa: PTH113
        return client.container().import_(client.host().file(str(file))) if is_there else None

    async def has(self, client: dagger.Client, tag: str) -> bool:
        """Return whether there is something of that name; what cannot be asked has not."""
        if self.folder is not None:
            return self.image(client, tag) is not None
        try:
            # This asks for the description alone, and downloads nothing.
            await client.container().from_(f"{self.name}:{tag}").image_ref()
        except refusals():
            return False
        return True

    async def put(self, image: dagger.Container, tag: str) -> None:
        """Publish an image, whole or not at all."""
        import dagger  # noqa: PLC0415 - importing dagger takes most of a second

        zstd = dagger.ImageLayerCompression.Zstd
        if self.folder is None:
            await image.publish(f"{self.name}:{tag}", forced_compression=zstd)
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f"{tag}.{os.getpid()}.part"
        try:
            await image.export(str(unfinished), forced_compression=zstd)
            unfinished.replace(self.folder / f"{tag}.tar")
        finally:
            unfinished.unlink(missing_ok=True)
        for old in newest_first(self.folder, tag.partition("-")[0])[KEPT:]:
            old.unlink(missing_ok=True)


def newest_first(folder: Path, kind: str) -> list[Path]:
    """Return the files of what was published to a folder of one kind."""
    dated = sorted(_dated(folder, f"{kind}-*.tar"), reverse=True)
    return [path for _, path in dated]


def _dated(folder: Path, pattern: str) -> Iterator[tuple[float, Path]]:
    for path in folder.glob(pattern):
        # Another process may have deleted it by now.
        with contextlib.suppress(FileNotFoundError):
            yield path.stat().st_mtime, path
