"""Names for what machines share: each is made of all that the shared thing depends on.

Everything that decides what cargo compiles is in one of these parts:

- **The tree**: path, kind and content of every file that the build gets, which is all that `include_str!`, macros and
  build scripts can read of the workspace. What lies outside of it is not in the container, and a file of the builder
  image is the builder's. The repository's `.git` is not sent, so no build script can ask git.
- **The command, and the variables** that are set for cargo, rustc and build scripts, whether or not
  `rerun-if-env-changed` names them. A variable of the builder container is the builder's.
- **The builder**: its recipe, with the image by its digest, files and folders by that of their content.
- **The toolchain**, where rustup installs it. One that moves, such as `stable`, has no name that says what it is.
- **The platform**: one recipe makes other builders on other machines.
- **The agent**, which writes the report and the layout of a volume.

Time and the network are in no name. An unchanged tree is not built again on a machine that has built it, whatever the
time is: the engine answers from its cache. What is pulled is that same answer, of another machine.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from pytest_dagger_rust.builds import builders, toolchains
from pytest_dagger_rust.builds.execs import VOLUME_LAYOUT, digest, pairs
from pytest_dagger_rust.container import agent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_dagger_rust.builds.archive import Archive
    from pytest_dagger_rust.builds.execs import BuildRequest, Exec, Step

# Of rustup's toolchains those that are the same tomorrow.
_PINNED = re.compile(r"(1\.\d+\.\d+|(nightly|beta)-\d{4}-\d\d-\d\d)(-[a-z0-9_]+)*\Z")

# To be raised when the layout of what is published changes.
_FORMAT = "1"


async def recipe(request: BuildRequest, steps: builders.Steps) -> str:
    """Return the builder's recipe, empty where parts of it are known by number only."""
    return await builders.written(request.builder, steps) or ""


def tag(kind: str, key: str) -> str:
    """Return the name of something in a place."""
    return f"{kind}-{key[:40]}"


async def dependencies(step: Step, built: Exec) -> str:
    """Return the key of a dependency build's result."""
    request = step.request
    choice = toolchains.choice(request.workspace, request.options, step.base).values()
    toolchain = [*toolchains.words(request.workspace, request.options), *filter(None, choice)]
    platform = str(await request.builder.platform())
    parts = (VOLUME_LAYOUT, built.build_id, await builders.identity(request.builder), platform, *toolchain)
    return digest(*parts)


async def _common(step: Step, recipe: str) -> dict[str, str]:
    request = step.request
    toolchain = toolchains.words(request.workspace, request.options)
    choice = toolchains.choice(request.workspace, request.options, step.base)
    return {
        "format": _FORMAT,
        "agent": agent.digest(),
        "root": step.root,
        "command": " ".join(request.source_arguments()),
        "builder": recipe,
        "toolchain": " ".join([*toolchain, *(f"{name}={value}" for name, value in choice.items() if value)]),
        "platform": str(await request.builder.platform()),
    }


def _key(parts: Mapping[str, str], variables: str) -> str:
    return digest(json.dumps(parts, sort_keys=True), variables)


async def binaries(step: Step, packed: Archive, recipe: str) -> tuple[str, Mapping[str, str]] | None:
    """Return the key of a source build's result, and what it is made of; None where that does not say what it is.

    Without a lock file a build gets the newest packages, and without a recipe it is unknown what the builder has.
    """
    workspace, options = step.request.workspace, step.request.options
    if not recipe or workspace.lock is None or step.request.tests:
        return None
    named = options.env.get("RUSTUP_TOOLCHAIN", workspace.toolchain or "")
    if toolchains.is_named(workspace, options) and not _PINNED.match(named):
        return None
    parts = {**await _common(step, recipe), "tree": packed.index}
    return _key(parts, digest(*pairs(options))), parts


async def state(step: Step, recipe: str, branch: str) -> tuple[str, Mapping[str, str]] | None:
    """Return the key of a branch's newest target directory, and what it is made of; None where there is no branch.

    It is a place to start from, whatever it was made of: content decides what is compiled. So the key has no tree.
    """
    if not recipe or not branch:
        return None
    members = sorted(package.name for package in step.request.workspace.packages)
    parts = {**await _common(step, recipe), "members": " ".join(members), "branch": branch}
    return _key(parts, ""), parts
