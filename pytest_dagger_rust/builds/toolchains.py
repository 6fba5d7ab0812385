"""Installs the toolchain that a workspace names, where the builder image has rustup.

rustup does so by itself when it is called in a folder with a toolchain file, but what it installs would be gone with
each exec, and downloaded again in the next. So it is installed before, in an exec that knows nothing of the workspace
but what its toolchain file says: the engine keeps its result until the file changes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dagger_rust.container import agent

if TYPE_CHECKING:
    import dagger

    from pytest_dagger_rust.builds.options import CargoOptions
    from pytest_dagger_rust.workspace import RustWorkspace

_FOLDER = "/pytest-dagger-rust-toolchain"
_CHOSEN = f"{_FOLDER}/name"


def is_named(workspace: RustWorkspace, options: CargoOptions) -> bool:
    """Return whether a toolchain is named that rustup may have to install; one in a folder is there or is not."""
    file = workspace.toolchain_file
    return "RUSTUP_TOOLCHAIN" in options.env or (file.path is not None and file.folder is None)


def choice(workspace: RustWorkspace, options: CargoOptions, base: Path) -> dict[str, str | None]:
    """Return the options that name the toolchain for the agent, none where cargo's own choice is right.

    `base` is the folder that the tree in the container is made from.
    """
    if is_named(workspace, options):
        return {"toolchain": _CHOSEN}
    folder = Path(workspace.toolchain_file.folder or "/")
    # Any other is the image's.
    is_sent = folder.is_relative_to(workspace.boundary) and folder.is_relative_to(base) and folder.is_dir()
    return {"toolchain-folder": folder.relative_to(base).as_posix() if is_sent else None}


async def installed(
    client: dagger.Client,
    workspace: RustWorkspace,
    options: CargoOptions,
    builder: dagger.Container,
    program: dagger.File,
) -> dagger.Container:
    """Return the builder with the toolchain that the workspace names.

    `program` is the half of the agent that builds.
    """
    if not is_named(workspace, options):
        return builder
    place = agent.empty_directory(client)
    return (
        builder.with_mounted_directory(_FOLDER, place, owner=await builder.user())
        .with_mounted_file(agent.PROGRAM, program)
        .with_exec([agent.PROGRAM, "toolchain", *words(workspace, options)])
        .without_mount(agent.PROGRAM)
    )


def words(workspace: RustWorkspace, options: CargoOptions) -> list[str]:
    """Return the options for the agent: all that rustup is to install, and its own variables."""
    file = workspace.toolchain_file
    values: list[tuple[str, str]] = [("into", _CHOSEN)]
    values += [(name, value) for name in ("channel", "profile") if (value := getattr(file, name))]
    values += [("component", value) for value in file.components]
    values += [("target", value) for value in file.targets]
    # Another variable would have the toolchain installed once more, without being of use to rustup.
    of_rustup = [(name, value) for name, value in options.env.items() if _is_for_rustup(name)]
    values += [("env", f"{name}={value}") for name, value in of_rustup]
    return [f"--{name}={value}" for name, value in values]


def _is_for_rustup(name: str) -> bool:
    return name.startswith("RUSTUP_") or name.lower() in {
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
    }
