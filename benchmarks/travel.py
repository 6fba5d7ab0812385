"""`python -m benchmarks.travel [NAME]`: what a new machine gains from a registry that another one has published to.

The development stack's engine is the machine that publishes. The other one is a second engine, of the same build, whose
state is empty at the start of each case: it has no image, no volume and no layer.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from benchmarks.workloads import ALL
from dev.stack import engine as stack
from dev.stack.settings import Settings
from dev.stack.source import RUNNER_HOST
from pytest_dagger_rust import Engine, RustWorkspace, build
from pytest_dagger_rust.builds.caches import Caches
from pytest_dagger_rust.builds.places import Place
from pytest_dagger_rust.builds.shared import SharedCache

if TYPE_CHECKING:
    from collections.abc import Generator

    from benchmarks.workloads import Workload

BUILDER = os.environ["PYTEST_DAGGER_RUST_BUILDER_IMAGE"]
RUNTIME = os.environ["PYTEST_DAGGER_RUST_RUNTIME_IMAGE"]


@dataclass
class Figures:
    """Seconds from the first connection to the end of the program's first run, and of publishing."""

    seconds: float
    compiled: int
    steps: dict[str, float]
    publishing: float
    said: list[str]


@contextlib.contextmanager
def new_engine() -> Generator[dict[str, str]]:
    """Run an engine with an empty state, and return the environment that leads to it."""
    ours = Settings.from_environment(os.environ)
    folder = Path(tempfile.mkdtemp(prefix="pdr-"))
    engine = stack.Engine(Settings(folder, ours.registry_port))
    built = stack.Engine(ours).build()
    engine.folder.mkdir(parents=True)
    (engine.folder / built.name).symlink_to(built)
    for place in (engine.settings.run, engine.settings.logs):
        place.mkdir(parents=True)
    try:
        engine.up()
        yield {**os.environ, RUNNER_HOST: f"unix://{engine.socket}"}
    finally:
        engine.down()
        shutil.rmtree(folder, ignore_errors=True)


def measure(environ: dict[str, str], workload: Workload, root: Path, shared: SharedCache | None) -> Figures:
    """Build as a session does, run the program, and publish."""
    started = time.monotonic()
    caches = Caches(root.parent / uuid.uuid4().hex, shared=shared)
    engine = Engine(environ)
    with engine as client:

        async def run() -> tuple[int, dict[str, float]]:
            builder, runtime = (client.container().from_(name) for name in (BUILDER, RUNTIME))
            workspace = RustWorkspace.load(root)
            made = await build(client, workspace, builder=builder, runtime=runtime, caches=caches)
            await made.run(workload.binary, "--version", check=True)
            return len(made.report.compiled), dict(made.report.steps)

        compiled, steps = engine.call(run)
        seconds = time.monotonic() - started
        if shared is None:
            return Figures(seconds, compiled, steps, 0.0, [])
        engine.call(shared.finish)
        return Figures(seconds, compiled, steps, time.monotonic() - started - seconds, shared.summary())


def floor(environ: dict[str, str], image: str) -> float:
    """Return the seconds of pulling an image and running something in it."""
    started = time.monotonic()
    engine = Engine(environ)
    with engine as client:
        engine.call(client.container().from_(image).with_exec(["true"]).sync)
    return time.monotonic() - started


def published(repository: str) -> dict[str, int]:
    """Return the bytes of what is in a repository, by name."""
    registry, _, name = repository.partition("/")
    base = f"http://{registry}/v2/{name}"

    def read(path: str) -> dict[str, Any]:
        accept = {"Accept": "application/vnd.oci.image.manifest.v1+json"}
        with urllib.request.urlopen(urllib.request.Request(f"{base}/{path}", headers=accept)) as answer:  # noqa: S310
            return cast("dict[str, Any]", json.loads(answer.read()))

    tags = cast("list[str]", read("tags/list")["tags"])
    return {tag: sum(layer["size"] for layer in read(f"manifests/{tag}")["layers"]) for tag in tags}


def shared(repository: str, *, publishes: bool = False) -> SharedCache:
    """Return what a job of the main branch shares by a repository."""
    place = Place.of(repository, Path())
    return SharedCache([place], [place] if publishes else [], ["main"])


def main(workload: Workload) -> None:
    """Measure each case, and say the figures as they come."""
    repository = f"{Settings.from_environment(os.environ).registry}/travel-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        root = workload.lay_out(Path(name) / "first" / "tree")
        other = workload.lay_out(Path(name) / "other" / "tree")
        say(
            workload,
            "published",
            measure(dict(os.environ), workload, root, shared(repository, publishes=True)),
        )
        print(json.dumps(published(repository), indent=1), flush=True)
        with new_engine() as environ:
            print(f"{workload.name}: runtime image alone: {floor(environ, RUNTIME):.1f} s", flush=True)
            say(
                workload,
                "unchanged, runtime image there",
                measure(environ, workload, other, shared(repository)),
            )
        with new_engine() as environ:
            say(workload, "unchanged", measure(environ, workload, other, shared(repository)))
        workload.edit(other, workload.program, 1)
        with new_engine() as environ:
            print(f"{workload.name}: builder image alone: {floor(environ, BUILDER):.1f} s", flush=True)
            say(
                workload,
                "one line changed, builder image there",
                measure(environ, workload, other, shared(repository)),
            )
        with new_engine() as environ:
            say(workload, "one line changed", measure(environ, workload, other, shared(repository)))
        workload.bump(other, 0)
        with new_engine() as environ:
            say(workload, "and one dependency bumped", measure(environ, workload, other, shared(repository)))
        with new_engine() as environ:
            say(workload, "nothing pulled", measure(environ, workload, other, None))


def say(workload: Workload, case: str, figures: Figures) -> None:
    """Print the figures of a case."""
    compiled = f"{figures.compiled} packages compiled"
    publishing = f", publishing {figures.publishing:.1f} s more" if figures.publishing > 0.1 else ""
    print(f"{workload.name}: {case}: {figures.seconds:.1f} s, {compiled}{publishing}", flush=True)
    print("  " + ", ".join(f"{name} {took:.1f} s" for name, took in figures.steps.items()), flush=True)
    for line in figures.said:
        print(f"  {line}", flush=True)


if __name__ == "__main__":
    main(ALL[sys.argv[1] if len(sys.argv) > 1 else "ripgrep"])
