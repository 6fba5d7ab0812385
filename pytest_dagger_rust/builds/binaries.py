"""Proved binaries of other machines: taken where the tree, and all else that decides, is the same here.

The key is computed here, from what is on this machine. The report that comes with the binaries is read as any other:
what it names must be targets of the workspace. The agent's half that runs programs comes with them, so that a machine
that has built nothing needs no toolchain.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_dagger_rust.builds import caches, keys
from pytest_dagger_rust.builds.agent_report import read_report
from pytest_dagger_rust.builds.made import Made
from pytest_dagger_rust.builds.outcome import build_report
from pytest_dagger_rust.builds.places import reason, refusals
from pytest_dagger_rust.errors import DaggerRustError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import dagger

    from pytest_dagger_rust.builds.agent_report import AgentReport
    from pytest_dagger_rust.builds.execs import BuildRequest, Step
    from pytest_dagger_rust.builds.shared import Pulled

# What an address may have that is shown as it was published.
_ADDRESS = re.compile(r"https?://[\w.:/~%+-]{1,200}\Z", re.ASCII)


def publish(request: BuildRequest, key: str, parts: Mapping[str, str], made: Made) -> None:
    """Begin to publish what a build has made, unless cargo has changed what it was made from."""
    shared = request.caches.shared
    if shared is None or made.said.lock != request.workspace.lock:
        return
    manifest = {**parts, "libc": made.libc, "build": made.said.build_id}

    async def directory() -> dagger.Directory:
        return (
            request.client.directory()
            .with_directory("out", made.out)
            .with_directory("agent", made.runner)
            .with_new_file("key", key)
        )

    shared.publish(request.client, "binaries", keys.tag("binaries", key), directory, manifest)


async def pulled(step: Step, key: str, started: float) -> Made | None:
    """Return what another machine has made of the same; None where that cannot be had."""
    request, shared = step.request, step.request.caches.shared
    if shared is None:
        return None
    found = await shared.pull(request.client, keys.tag("binaries", key), ("key", key))
    if found is None:
        return None
    failures: tuple[type[Exception], ...] = (*refusals(), DaggerRustError, ValueError)
    try:
        made, proof = await _read(step, found, started)
    except failures as error:
        shared.problems.append(f"the binaries of {found.place} could not be used: {reason(error)}")
        return None
    shared.pulled.append(f"binaries pulled from {found.place} in {found.seconds:.1f} s, {proof}")
    return made


async def _read(step: Step, found: Pulled, started: float) -> tuple[Made, str]:
    request = step.request
    out = found.directory.directory("out")
    manifest = await found.manifest()
    said = read_report(await out.file("report.json").contents(), request.workspace)
    if said.lock != request.workspace.lock:
        raise DaggerRustError("they were built with another Cargo.lock")
    await _check_files(said, out)
    proof = _proof(said, manifest)
    runner = found.directory.directory("agent")
    # It runs every program: a test that cannot start it would fail.
    await runner.file("agent").size()
    report = build_report(said, request.run_id, started)
    report = replace(
        report,
        cached=True,
        caches={
            caches.BINARIES: caches.PULLED,
            caches.DEPENDENCIES: caches.UNUSED,
            caches.TARGET: caches.UNUSED,
        },
        cache_reasons={caches.BINARIES: f"from {found.place}, {proof}"},
        withheld=tuple(sorted(request.withheld)),
    )
    return Made(out, said, report, manifest["libc"], step.builder, runner, step.packages), proof


async def _check_files(said: AgentReport, out: dagger.Directory) -> None:
    """Raise DaggerRustError if a file is missing that the report names."""
    files = set(await out.glob("*/*"))
    wanted = {
        f"{'examples' if 'example' in item.kind else 'bin'}/{item.name}" for item in said.said.executables
    }
    wanted |= {f"lib/{name}" for item in said.said.artifacts for name in item.libraries}
    if missing := sorted(wanted - files):
        raise DaggerRustError(f"{missing[0]} is missing")


def _proof(said: AgentReport, manifest: Mapping[str, str]) -> str:
    """Return by what the binaries were proved, in words that are safe to show."""
    build = said.build_id[:12]
    job = manifest.get("job", "")
    where = f" ({job})" if _ADDRESS.match(job) else ""
    return f"proved by build {build if re.fullmatch('[0-9a-f]+', build) else 'unknown'}{where}"
