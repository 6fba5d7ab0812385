"""The test binaries of a workspace: built as programs are, and placed where they run as `cargo test` runs them."""

from __future__ import annotations

import base64
import os
import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_dagger_rust.builds import messages
from pytest_dagger_rust.builds.caches import Caches
from pytest_dagger_rust.builds.outcome import section
from pytest_dagger_rust.builds.pipeline import VOLUME, BuildRequest, run_build

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import dagger

    from pytest_dagger_rust.builds.options import CargoOptions
    from pytest_dagger_rust.rust_build import BuildReport
    from pytest_dagger_rust.workspace import RustWorkspace

SOURCES = "/pytest-dagger-rust-sources.tar"

# What the build and the engine set, and `cargo test` on a user's machine would not.
_OURS = re.compile(
    "CARGO_BUILD_BUILD_DIR|CARGO_BUILD_DEP_INFO_BASEDIR|CARGO_TARGET_DIR|CARGO_TARGET_.*_RUNNER|LC_ALL|PACKAGES"
    "|RUSTDOC|VOLUME|PYTEST_DAGGER_RUST_.*|OTEL_.*|TRACEPARENT|PWD|OLDPWD"
)

_LISTED = re.compile(r"(?P<name>\S.*): test")


@dataclass(frozen=True, eq=False)
class RustTestBinary:
    """One test binary; `src_path` is relative to the workspace's root, the other paths are the container's.

    `kind` is that of its target: "lib", "bin", "test", "example" or "bench". `folder` and `env` are those that
    `cargo test` runs it with. One without `harness` has a `main` of its own.

    One of the kind "doc" is rustdoc with the `arguments` for a library, whose doctests are `names`.
    """

    package: str
    target: str
    kind: str
    src_path: str
    harness: bool
    executable: str
    folder: str
    env: Mapping[str, str]
    arguments: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class RustTestBuild:
    """All test binaries of one build, by source file, and the container in which they can be run."""

    binaries: tuple[RustTestBinary, ...]
    report: BuildReport
    client: dagger.Client
    container: dagger.Container


async def build_tests(
    client: dagger.Client,
    workspace: RustWorkspace,
    options: CargoOptions,
    *,
    builder: dagger.Container,
    runner: dagger.Container | None = None,
    excludes: Sequence[str] = (),
    caches: Caches | None = None,
) -> RustTestBuild:
    """Build the tests of the selected packages in `builder`, as `cargo test --tests` does.

    `runner` is the container to run them in, where it is another one.

    Raises what `build` raises.
    """
    started = time.time()
    with tempfile.TemporaryDirectory(prefix="pytest-dagger-rust-") as folder:
        request = BuildRequest(
            client,
            workspace,
            options,
            builder,
            builder,
            tuple(excludes),
            Path(folder),
            caches or Caches(),
            tests=True,
        )
        out, text, report = await run_build(request, started)
    container = (runner or builder).with_mounted_directory(f"{VOLUME}/target", out.directory("target"))
    container = container.with_mounted_file(SOURCES, out.file("sources.tar"))
    # Cargo tells of them as they get done; every worker of pytest-xdist has to have them in the same order.
    found = (*_binaries(workspace, text), *_doctests(text))
    binaries = tuple(sorted(found, key=lambda b: (b.src_path, b.kind == "doc", b.kind, b.target)))
    return RustTestBuild(binaries, report, client, container)


def _binaries(workspace: RustWorkspace, text: str) -> Iterator[RustTestBinary]:
    (root,) = section(text, "root")
    harnessless = {
        (package.name, target.kind, target.name)
        for package in workspace.packages
        for target in package.targets
        if not target.harness
    }
    records = {line.split("\t")[0]: line.split("\t")[1:] for line in section(text, "tests")}
    for artifact in messages.parse(section(text, "sources")).tests:
        if artifact.executable not in records:
            continue
        folder, environ = records[artifact.executable]
        # The kind of a library is what it is compiled to.
        kind = artifact.kind[0] if artifact.kind[0] in {"bin", "test", "example", "bench"} else "lib"
        yield RustTestBinary(
            package=artifact.package,
            target=artifact.name,
            kind=kind,
            src_path=os.path.relpath(artifact.src_path, root),
            harness=(artifact.package, kind, artifact.name) not in harnessless,
            executable=artifact.executable,
            folder=folder,
            env=MappingProxyType(_environment(environ)),
        )


def _doctests(text: str) -> Iterator[RustTestBinary]:
    (root,) = section(text, "root")
    for line in section(text, "doctests"):
        rustdoc, folder, environ, *fields = line.split("\t")
        arguments, listed, ignored = map(_decoded, fields)
        words = tuple(arguments.split("\0")[:-1])
        source = next(word for word in words if word.endswith(".rs"))
        env = _environment(environ)
        yield RustTestBinary(
            package=env["CARGO_PKG_NAME"],
            target=words[words.index("--crate-name") + 1],
            kind="doc",
            src_path=os.path.relpath(os.path.join(folder, source), root),  # noqa: PTH118 - keeps ".."
            harness=True,
            executable=rustdoc,
            folder=folder,
            env=MappingProxyType(env),
            arguments=words,
            names=tuple(dict.fromkeys(listed_names(listed))),
            ignored=tuple(listed_names(ignored)),
        )


def listed_names(text: str) -> list[str]:
    """Return the tests that a harness lists."""
    return [found["name"] for line in text.splitlines() if (found := _LISTED.fullmatch(line))]


def _decoded(encoded: str) -> str:
    return base64.b64decode(encoded).decode("utf-8", "surrogateescape")


def _environment(encoded: str) -> dict[str, str]:
    environ = (pair.split("=", 1) for pair in _decoded(encoded).split("\0") if "=" in pair)
    return {name: value for name, value in environ if not _OURS.fullmatch(name)}
