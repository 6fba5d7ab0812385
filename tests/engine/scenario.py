"""A workspace on disk that is built on the real engine, modified, and built again."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_dagger_rust import BuildAccess, CargoOptions, RustWorkspace, build
from pytest_dagger_rust.builds.caches import Caches
from pytest_dagger_rust.rust_tests.build import build_tests

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import dagger

    from pytest_dagger_rust import Engine, RustBuild
    from pytest_dagger_rust.rust_tests.build import RustTestBuild


@dataclass
class Scenario:
    """One workspace and the containers it is built with."""

    engine: Engine
    root: Path
    builder: dagger.Container
    runtime: dagger.Container
    options: CargoOptions = field(default_factory=CargoOptions)
    caches: Caches = field(default_factory=Caches)
    access: BuildAccess = field(default_factory=BuildAccess)

    def write(self, files: Mapping[str, str], mtime: float | None = None) -> None:
        """Write files, given by path and text, dated to `mtime` where it is given."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if mtime is not None:
                os.utime(path, (mtime, mtime))

    def replace(self, name: str, old: str, new: str) -> None:
        """Change a text within a file."""
        text = (self.root / name).read_text()
        assert old in text, f"{name} has no {old!r}"
        (self.root / name).write_text(text.replace(old, new))

    def remove(self, name: str) -> None:
        """Remove a file or a folder."""
        path = self.root / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    def lock(self) -> None:
        """Have cargo write the lock file that the manifests ask for."""
        subprocess.run(["cargo", "update", "--quiet", "--workspace"], cwd=self.root, check=True)

    def build(self, **changes: Any) -> RustBuild:
        """Load the workspace and build it, with the scenario's options changed by `changes`."""
        return self.engine.call(self.building, changes)

    async def building(self, changes: Mapping[str, Any] | None = None) -> RustBuild:
        """Do the same on the loop of Dagger's client."""
        return await build(
            self.engine.client,
            RustWorkspace.load(self.root),
            CargoOptions(**{**vars(self.options), **(changes or {})}),
            builder=self.builder,
            runtime=self.runtime,
            engine=self.engine,
            caches=self.caches,
            access=self.access,
        )

    def reasons(self, **changes: Any) -> dict[str, str]:
        """Build, and give the reason why each package was compiled."""
        return dict(self.build(**changes).report.reasons)

    def build_tests(self, runner: dagger.Container | None = None, **changes: Any) -> RustTestBuild:
        """Load the workspace and build the tests of all its members, to be run in `runner` where it is given."""
        options = replace(self.options, packages=("*",), **changes)

        async def run() -> RustTestBuild:
            client, workspace = self.engine.client, RustWorkspace.load(self.root)
            return await build_tests(client, workspace, options, builder=self.builder, runner=runner)

        return self.engine.call(run)

    def output(self, name: str = "app", *arguments: str, **changes: Any) -> str:
        """Build, run a binary, and give what it printed."""
        return self.build(**changes).blocking.run(name, *arguments, check=True).stdout
