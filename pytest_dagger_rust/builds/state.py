"""Target directories of other machines: a build goes on from the newest one of its branch, or of the main branch.

What is in it was made from another tree. The agent compares the two by content and has cargo compile what differs, as
on the machine where it was made; see `container/rust/state.rs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_dagger_rust.builds import keys
from pytest_dagger_rust.builds.execs import copied_state
from pytest_dagger_rust.builds.places import reason, refusals
from pytest_dagger_rust.container import agent
from pytest_dagger_rust.errors import DaggerRustError

if TYPE_CHECKING:
    import dagger

    from pytest_dagger_rust.builds.execs import Step
    from pytest_dagger_rust.builds.shared import Pulled


async def pulled(step: Step, recipe: str) -> tuple[Pulled, str, agent.Agents] | None:
    """Return the newest target directory of this branch, or of those that it was made from.

    The agent comes with it, and how that was linked, so that it need not be compiled before cargo can begin.
    """
    shared = step.request.caches.shared
    for branch in shared.branches if shared is not None else ():
        named = await keys.state(step, recipe, branch)
        if shared is None or named is None:
            continue
        key, _ = named
        if found := await shared.pull(step.request.client, keys.tag("state", key), ("key", key)):
            failures: tuple[type[Exception], ...] = (*refusals(), DaggerRustError)
            try:
                libc = (await found.manifest())["libc"]
                await found.directory.file("builder").size()
            except failures as error:
                shared.problems.append(f"the target directory of {found.place} was not used: {reason(error)}")
                return None
            shared.pulled.append(f"target directory pulled from {found.place} in {found.seconds:.1f} s")
            agents = agent.Agents(found.directory.file("builder"), found.directory.directory("agent"))
            return found, libc, agents
    return None


async def publish(step: Step, recipe: str) -> None:
    """Begin to publish the target directory as the newest one of this branch."""
    shared = step.request.caches.shared
    named = (
        await keys.state(step, recipe, shared.branches[0]) if shared is not None and shared.targets else None
    )
    if shared is None or named is None:
        return
    key, parts = named
    client = step.request.client

    async def directory() -> dagger.Directory:
        return (
            client.directory()
            .with_directory("state", copied_state(step))
            .with_file("builder", step.request.program())
            .with_directory("agent", step.request.runner())
            .with_new_file("key", key)
        )

    shared.publish(
        client, "state", keys.tag("state", key), directory, {**parts, "libc": step.request.libc}, again=True
    )
