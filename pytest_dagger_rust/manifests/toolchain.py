"""Reads the toolchain that a workspace names."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_dagger_rust.manifests.boundary import contains
from pytest_dagger_rust.manifests.manifest import read_manifest
from pytest_dagger_rust.manifests.toml_values import Table, string, strings, table

if TYPE_CHECKING:
    from pytest_dagger_rust.manifests.boundary import Tree

# When both are there, rustup takes the one without an ending.
_NAMES = ("rust-toolchain", "rust-toolchain.toml")


@dataclass(frozen=True, slots=True)
class Toolchain:
    """What rust-toolchain.toml says: the file's absolute path, its channel and its `[toolchain]` table."""

    path: str | None = None
    channel: str | None = None
    table: Table | None = None

    @property
    def folder(self) -> str | None:
        """The absolute path of the toolchain itself, where the file names one by `path`."""
        path = string(table(self.table).get("path"))
        return path and posixpath.normpath(posixpath.join(posixpath.dirname(self.path or "/"), path))

    @property
    def components(self) -> tuple[str, ...]:
        """The components that rustup is to install with it."""
        return tuple(strings(table(self.table).get("components")))

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets that rustup is to install with it."""
        return tuple(strings(table(self.table).get("targets")))

    @property
    def profile(self) -> str | None:
        """The profile that rustup is to install, None for the image's own."""
        return string(table(self.table).get("profile"))


def read_toolchain(tree: Tree, folder: str) -> Toolchain:
    """Read the toolchain file nearest above `folder` that is inside the boundary."""
    while contains(tree.boundary, folder):
        for name in _NAMES:
            path = f"{folder}/{name}"
            if tree.kind(path) == "file":
                return _read(tree, path)
        folder = folder.rpartition("/")[0] or "/"
        if folder == "/":
            break
    return Toolchain()


def _read(tree: Tree, path: str) -> Toolchain:
    text = tree.read(path).decode("utf-8", "replace").strip()
    # The old form of the file is nothing but a channel.
    if path.endswith("/rust-toolchain") and "\n" not in text and "=" not in text and "[" not in text:
        return Toolchain(path, text or None, {"channel": text} if text else {})
    found = table(read_manifest(tree, path).document.get("toolchain"))
    return Toolchain(path, string(found.get("channel")), found)
