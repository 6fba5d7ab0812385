"""Wheels of crates that are Python modules: compiled by the ordinary build, packed by maturin, for any Python."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import shutil
import sys
import weakref
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from packaging.tags import sys_tags
from packaging.utils import parse_wheel_filename

from pytest_dagger_rust import scratch
from pytest_dagger_rust.builds import archive, toolchains
from pytest_dagger_rust.builds.execs import INPUT, OUT, PACKAGES, VOLUME
from pytest_dagger_rust.builds.source_tree import source_tree
from pytest_dagger_rust.container import agent
from pytest_dagger_rust.errors import ConfigurationError, DaggerRustError
from pytest_dagger_rust.rust_build import build
from pytest_dagger_rust.wheels import maturin, project

if TYPE_CHECKING:
    from os import PathLike

    import dagger

    from pytest_dagger_rust.builds.access import BuildAccess
    from pytest_dagger_rust.builds.caches import Caches
    from pytest_dagger_rust.builds.options import CargoOptions
    from pytest_dagger_rust.builds.report import BuildReport
    from pytest_dagger_rust.rust_build import RustBuild
    from pytest_dagger_rust.workspace import Package, RustWorkspace

_CONFIG = "/pytest-dagger-rust-python"
_VERSION = re.compile(r"3\.(\d+)")


@dataclass(frozen=True)
class Wheel:
    """A wheel: its file name, the file on this machine, and the same as a `dagger.File`.

    The file at `path` is there as long as this object. `report` says how its library was built.
    """

    name: str
    path: Path
    file: dagger.File
    report: BuildReport = field(repr=False)

    def unpack(self, folder: str | PathLike[str]) -> Path:
        """Unpack it into a folder that the running interpreter can import from, and return that folder.

        Raises ConfigurationError for a wheel of another Python or platform.
        """
        if complaint := _unfit(self.name):
            raise ConfigurationError(f"{self.name} {complaint}")
        with zipfile.ZipFile(self.path) as wheel:
            wheel.extractall(folder)
        return Path(folder)


def _unfit(name: str) -> str | None:
    """Return why this interpreter cannot import a wheel, None if it can.

    Source: https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/
    """
    tags, here = parse_wheel_filename(name)[-1], list(sys_tags())
    if not tags.isdisjoint(here):
        return None
    said = " or ".join(sorted({f"{tag.interpreter}-{tag.abi}" for tag in tags}))
    if {(tag.interpreter, tag.abi) for tag in tags}.isdisjoint((tag.interpreter, tag.abi) for tag in here):
        python = (
            f"Python {sys.version_info.major}.{sys.version_info.minor} ({here[0].interpreter}-{here[0].abi})"
        )
        hint = (
            "Leave `python` out to build for this Python, or install the wheel in a container with that one."
        )
        return f"is for {said}, and this is {python}.\n  {hint}"
    platforms = " or ".join(sorted({tag.platform for tag in tags}))
    machine = f"{here[0].platform}" if sys.platform.startswith("linux") else sys.platform
    return f"is for {platforms}, and this machine is {machine}.\n  Install the wheel in a container."


@dataclass(frozen=True)
class WheelRequest:
    """The request for one wheel."""

    client: dagger.Client
    workspace: RustWorkspace
    package: str
    python: str
    options: CargoOptions
    builder: dagger.Container
    runtime: dagger.Container
    excludes: tuple[str, ...]
    caches: Caches | None
    access: BuildAccess | None = None

    def member(self) -> Package:
        """Return the wheel's package.

        Raises ConfigurationError where there is none of that name.
        """
        for package in self.workspace.packages:
            if package.name == self.package:
                return package
        names = ", ".join(sorted(package.name for package in self.workspace.packages))
        raise ConfigurationError(f"wheel: there is no package {self.package!r}. The workspace has: {names}.")


def python_version(python: str | None) -> str:
    """Return the requested version as "3.13"; None means the running interpreter's.

    Raises ConfigurationError for what is no version.
    """
    if python is None:
        return f"3.{sys.version_info.minor}"
    if not _VERSION.fullmatch(python):
        raise ConfigurationError(f"wheel: python must be a version such as '3.13': got {python!r}.")
    return python


async def build_wheel(request: WheelRequest) -> Wheel:
    """Build the package's library as `build` does, and make a wheel of it with maturin.

    Raises what `build` raises, ConfigurationError for a package that is not a Python module, and DaggerRustError where
    maturin fails.
    """
    folder = _project(request)
    builder = request.builder.with_new_file(_CONFIG, _config(request.python))
    built = await build(
        request.client,
        request.workspace,
        _options(request, folder),
        builder=builder,
        runtime=request.runtime,
        excludes=request.excludes,
        caches=request.caches,
        access=request.access,
    )
    made = await _packed(request, built, builder, folder)
    (name,) = await made.entries()
    file = made.file(name)
    place = scratch.new_folder()
    wheel = Wheel(name, place / name, file, built.report)
    weakref.finalize(wheel, shutil.rmtree, place, ignore_errors=True)
    await file.export(str(wheel.path))
    return wheel


def _project(request: WheelRequest) -> Path:
    """Return the folder maturin runs in: the package's, or the root if only it has a `pyproject.toml`."""
    own = (request.workspace.root / request.member().manifest_path).parent
    root = request.workspace.root
    if _is_project(own):
        return own
    if not _is_project(root):
        project.check_inside(root, request.package)
        return own
    return root


def _is_project(folder: Path) -> bool:
    return (folder / "pyproject.toml").is_file()


def _config(python: str) -> str:
    """Return PyO3's configuration, so that its build script needs no interpreter."""
    lines = ["implementation=CPython", f"version={python}", "shared=true", "abi3=false", "pointer_width=64"]
    return "\n".join([*lines, "build_flags=", "suppress_build_script_link_lines=true", ""])


def _options(request: WheelRequest, folder: Path) -> CargoOptions:
    """Return the options of the library's build: the configured ones, and those of `[tool.maturin]`."""
    options = project.options_of(folder / "pyproject.toml", request.options, request.python)
    env = {"PYO3_CONFIG_FILE": _CONFIG, "PYO3_BUILD_EXTENSION_MODULE": "1", **options.env}
    return dataclasses.replace(options, packages=(request.package,), bins=(), examples=(), env=env)


async def _packed(
    request: WheelRequest, built: RustBuild, builder: dagger.Container, folder: Path
) -> dagger.Directory:
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    shared = [
        name for name, artifact in built.libraries.items() if _is_module(request, name, artifact.package)
    ]
    if not shared:
        raise ConfigurationError(
            f"wheel: the package {request.package!r} is not a Python module.\n"
            '  Its [lib] needs crate-type = ["cdylib"], and PyO3 among its dependencies.'
        )
    base, entries = source_tree(request.workspace, request.excludes)
    program = built.agents.builder
    parts = (request.client, request.workspace, request.options)
    builder = await toolchains.installed(*parts, builder, program)
    with scratch.temporary_folder() as unpacked:
        tree = archive.pack(entries, unpacked)
        report, library = f"{INPUT}/report.json", f"{INPUT}/{shared[0]}"
        options = agent.options(
            {
                "volume": VOLUME,
                "packages": PACKAGES,
                "out": OUT,
                "archive": f"{INPUT}/{tree.path.name}",
                "digest": tree.digest,
                "library": library,
                "report": report,
                "folder": PurePosixPath(folder.relative_to(base)).as_posix(),
                "python": request.python,
                **toolchains.choice(request.workspace, request.options, base),
            }
        )
        user = await builder.user()
        container = (
            (await _with_maturin(request, builder, program, unpacked))
            .with_mounted_directory(PACKAGES, built.packages)
            .with_mounted_directory(OUT, agent.empty_directory(request.client), owner=user)
            .with_mounted_file(f"{INPUT}/{tree.path.name}", request.client.host().file(str(tree.path)))
            .with_mounted_file(library, built.file(shared[0]))
            .with_mounted_file(report, built.artifacts.file("report.json"))
            .with_mounted_file(agent.PROGRAM, program)
            .with_exec([agent.PROGRAM, "wheel", *options])
        )
        try:
            return await container.directory(OUT).sync()
        except dagger.ExecError as error:
            said = error.stderr.strip().rpartition("pytest-dagger-rust: maturin failed")[0] or error.stderr
            msg = f"maturin could not make a wheel of {request.package}:\n{said.strip()}"
            raise DaggerRustError(msg) from None


def _is_module(request: WheelRequest, name: str, package: str) -> bool:
    return package == request.package and name.endswith(".so")


async def _with_maturin(
    request: WheelRequest, builder: dagger.Container, program: dagger.File, folder: Path
) -> dagger.Container:
    options = agent.options({"name": "maturin", "out": "/pytest-dagger-rust-found"})
    look = builder.with_mounted_file(agent.PROGRAM, program).with_exec([agent.PROGRAM, "find", *options])
    if await look.file("/pytest-dagger-rust-found").contents():
        return builder
    platform = str(await request.client.default_platform())
    maturin_program = await asyncio.to_thread(maturin.download, platform, folder)
    return builder.with_file("/usr/local/bin/maturin", request.client.host().file(str(maturin_program)))
