"""The source files of Rust tests on disk: which of the files that pytest finds they are, and the folders above them."""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from _pytest.pathlib import fnmatch_ex

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from pytest_dagger_rust.workspace import RustWorkspace


class RustSources:
    """The source files of a workspace's targets."""

    def __init__(self, workspace: RustWorkspace, config: pytest.Config) -> None:
        self.root = workspace.root
        self._rootdir = config.rootpath
        self._config = config
        targets = (target for package in workspace.packages for target in package.targets)
        self.files = {self.place(target.src_path) for target in targets if target.kind != "custom-build"}
        self._folders = {folder for file in self.files for folder in file.parents}
        # Folders that pytest itself would not look into.
        self._opened: set[Path] = set()

    def place(self, src_path: str) -> Path:
        """Return the absolute path of a source that is named as cargo names it, relative to the workspace's root."""
        return Path(os.path.normpath(self.root / src_path))

    def find(self, path: Path) -> Path | None:
        """Return the source that a path is, as cargo calls it; None where it is none.

        A link is a target of its own, beside the one that it leads to.
        """
        return next((found for found in self._spellings(path) if found in self.files), None)

    def is_ignored(self, path: Path, *, ignored: bool | None) -> bool | None:
        """Return whether pytest has to leave a path out, where by itself it would say `ignored`.

        A folder with sources is not left out for its name, as `build` or `dist`; of what lies in such a folder, only
        the sources are collected.
        """
        leads = any(found in self._folders for found in self._spellings(path))
        if ignored and leads and path.is_dir() and self._is_for_its_name(path):
            self._opened.add(path)
            return False
        if not ignored and not leads and self._opened.intersection(path.parents):
            return self.find(path) is None
        return ignored

    def _spellings(self, path: Path) -> Iterator[Path]:
        yield path
        yield self._rootdir.resolve() / os.path.relpath(path, self._rootdir)
        yield path.resolve()

    def _is_for_its_name(self, path: Path) -> bool:
        asked: list[str] = self._config.getoption("ignore", None) or []
        folder = self._config.invocation_params.dir
        if any(Path(os.path.normpath(folder / item)) == path for item in asked):
            return False
        patterns: list[str] = self._config.getini("norecursedirs")
        return any(fnmatch_ex(pattern, path) for pattern in patterns) or (path / "pyvenv.cfg").is_file()
