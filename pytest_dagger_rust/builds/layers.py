"""Compiled dependencies of other machines: the results of dependency builds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_dagger_rust.builds import keys
from pytest_dagger_rust.builds.execs import OUT

if TYPE_CHECKING:
    import dagger

    from pytest_dagger_rust.builds.execs import Exec, Step
    from pytest_dagger_rust.builds.shared import Pulled


async def pulled(step: Step, built: Exec) -> tuple[Pulled | None, str]:
    """Return the dependencies that another machine has compiled, and their name; neither if this machine has them."""
    request, shared = step.request, step.request.caches.shared
    if shared is None or request.caches.clear or request.caches.knows(step.volume, built.build_id):
        return None, ""
    tag = keys.tag("dependencies", await keys.dependencies(step, built))
    found = await shared.pull(request.client, tag, ("build-id", built.build_id))
    if found is not None:
        shared.pulled.append(f"dependencies pulled from {found.place} in {found.seconds:.1f} s")
    return found, tag


def publish(step: Step, tag: str, built: Exec) -> None:
    """Begin to publish what a dependency build has made."""

    async def directory() -> dagger.Directory:
        return built.container.directory(OUT)

    shared = step.request.caches.shared
    if shared is not None:
        shared.publish(step.request.client, "dependencies", tag, directory, {"build": built.build_id})
