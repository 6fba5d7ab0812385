"""The host's cargo as the judge of what the model and the skeleton should be."""

from __future__ import annotations

import json
import os
import posixpath
import shlex
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_dagger_rust.workspace import Package, RustWorkspace, Skeleton

CHECK_ALL = ("check", "--offline", "--workspace", "--all-targets")

# Name, kind, crate types, source path, required features, edition.
TargetFacts: TypeAlias = "tuple[str, str, tuple[str, ...], str, tuple[str, ...], str]"


@dataclass(frozen=True)
class PackageFacts:
    """What both sides can say about a package."""

    name: str
    version: str
    manifest_path: str
    edition: str
    default_run: str | None
    targets: tuple[TargetFacts, ...]


class CargoFailed(Exception):  # noqa: N818 - it tells what happened, the tests decide whether that is an error
    """cargo did not accept what it was given; the text is what it said."""


def cargo(
    *arguments: str, cwd: Path, target_dir: Path | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Run cargo and return its output; raises CargoFailed with what it said."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("CARGO_BUILD")}
    variables |= {"CARGO_TERM_COLOR": "never", "CARGO_INCREMENTAL": "0", "RUSTFLAGS": "", **(env or {})}
    if target_dir is not None:
        variables["CARGO_TARGET_DIR"] = str(target_dir)
    done = subprocess.run(
        ["cargo", *arguments],
        cwd=cwd,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    if done.returncode:
        raise CargoFailed(done.stderr)
    return done.stdout


def commands(*arguments: str, cwd: Path, target_dir: Path) -> list[list[str]]:
    """Run cargo and return the command lines of rustc that it tells of, whether they succeed or not."""
    done = subprocess.run(
        ["cargo", *arguments, "-v", "--keep-going"],
        cwd=cwd,
        env={**os.environ, "CARGO_TERM_COLOR": "never", "CARGO_TARGET_DIR": str(target_dir)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    lines = (line.strip() for line in done.stderr.splitlines())
    told = [
        line.removeprefix("Running `").removesuffix("`") for line in lines if line.startswith("Running `")
    ]
    return [shlex.split(line) for line in told if "rustc --crate-name" in line]


def harness_mismatches(workspace: RustWorkspace, target_dir: Path) -> list[str]:
    """Return the targets whose tests cargo compiles with a harness and the model says without, or the reverse.

    `cargo metadata` does not tell of the harness, but the command lines of rustc do.
    """
    said = {
        (str((workspace.root / target.src_path).resolve()), target.name.replace("-", "_")): target.harness
        for package in workspace.packages
        for target in package.targets
    }
    found: list[str] = []
    for command in commands(*CHECK_ALL, "--all-features", cwd=workspace.root, target_dir=target_dir):
        path = command[next(i for i, word in enumerate(command, start=1) if word.startswith("--edition="))]
        key = (str((workspace.root / path).resolve()), command[command.index("--crate-name") + 1])
        has_harness = "--test" in command
        is_test = has_harness or ("--cfg", "test") in pairwise(command)
        if is_test and said.get(key) != has_harness:
            found.append(f"{key}: {has_harness}")
    return found


def metadata(root: Path) -> dict[str, Any]:
    """Return what `cargo metadata --no-deps` says about the workspace at `root`."""
    found: dict[str, Any] = json.loads(
        cargo("metadata", "--no-deps", "--offline", "--format-version=1", cwd=root)
    )
    return found


def facts_of_cargo(root: Path) -> tuple[PackageFacts, ...]:
    """Return the packages cargo sees, in the order of their manifests."""
    return _facts(metadata(root))


def facts_of_build(root: Path, *flags: str) -> tuple[PackageFacts, ...]:
    """Return the packages cargo sees when it resolves all dependencies, as it does for a build."""
    return _facts(json.loads(cargo("metadata", "--offline", "--format-version=1", *flags, cwd=root)))


def _facts(found: dict[str, Any]) -> tuple[PackageFacts, ...]:
    base = found["workspace_root"]
    members = set(found["workspace_members"])
    packages = [_package_of_cargo(item, base) for item in found["packages"] if item["id"] in members]
    return tuple(sorted(packages, key=lambda item: item.manifest_path))


def _package_of_cargo(package: dict[str, Any], base: str) -> PackageFacts:
    return PackageFacts(
        package["name"],
        package["version"],
        posixpath.relpath(package["manifest_path"], base),
        package["edition"],
        package["default_run"],
        tuple(_target_of_cargo(target, base) for target in package["targets"]),
    )


def _target_of_cargo(target: dict[str, Any], base: str) -> TargetFacts:
    known = {"bin", "example", "test", "bench", "custom-build"}
    kind = target["kind"][0] if target["kind"] and target["kind"][0] in known else "lib"
    path = posixpath.relpath(posixpath.normpath(target["src_path"]), base)
    features = tuple(target.get("required-features", ()))
    return target["name"], kind, tuple(target["crate_types"]), path, features, target["edition"]


def facts_of_model(workspace: RustWorkspace) -> tuple[PackageFacts, ...]:
    """Return the packages of the model, in the order of their manifests."""
    packages = [_package_of_model(item) for item in workspace.packages]
    return tuple(sorted(packages, key=lambda item: item.manifest_path))


def _package_of_model(package: Package) -> PackageFacts:
    targets = tuple(
        (item.name, item.kind, item.crate_types, item.src_path, item.required_features, item.edition)
        for item in package.targets
    )
    return PackageFacts(
        package.name, package.version, package.manifest_path, package.edition, package.default_run, targets
    )


def default_members_of_cargo(root: Path) -> set[str]:
    """Return the manifests of the members cargo builds by default, relative to the workspace's root."""
    found = metadata(root)
    ids = set(found["workspace_default_members"])
    base = found["workspace_root"]
    return {posixpath.relpath(item["manifest_path"], base) for item in found["packages"] if item["id"] in ids}


def write_tree(root: Path, files: Mapping[str, str]) -> Path:
    """Write files below `root`; a name that ends with a slash is an empty folder."""
    for name, text in files.items():
        path = root / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return root


def date(root: Path, time: float) -> None:
    """Return all files below `root` one and the same time."""
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (time, time))


def lay(skeleton: Skeleton, workspace: RustWorkspace, place: Path, moved_to: Path | None = None) -> Path:
    """Lay a skeleton out below `place`, at the depth the workspace has in its boundary; return its root.

    The sources are read from `moved_to`, when the repository has been moved there.
    """
    depth = workspace.root.relative_to(workspace.boundary)
    root = place / depth
    origin = moved_to / depth if moved_to is not None and moved_to.exists() else workspace.root
    for name in skeleton.sources:
        target = Path(posixpath.normpath(root / name))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(Path(posixpath.normpath(origin / name)).read_bytes())
    for name, text in skeleton.files.items():
        target = Path(posixpath.normpath(root / name))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return root


@dataclass(frozen=True)
class Compiled:
    """Which packages a build compiled, and which it found fresh, by name and version."""

    compiled: frozenset[str]
    fresh: frozenset[str]


def build(
    root: Path, target_dir: Path, flags: Sequence[str] = (), *, locked: bool = True, command: str = "build"
) -> Compiled:
    """Run `cargo build`, or another command like it, and tell which units it compiled, by its own report."""
    arguments = [command, "--offline", "--message-format=json", *(["--locked"] if locked else []), *flags]
    output = cargo(*arguments, cwd=root, target_dir=target_dir)
    messages = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    artifacts = [item for item in messages if item["reason"] == "compiler-artifact"]
    return Compiled(
        frozenset(_short(item["package_id"]) for item in artifacts if not item["fresh"]),
        frozenset(_short(item["package_id"]) for item in artifacts if item["fresh"]),
    )


def _short(package_id: str) -> str:
    url, _, fragment = package_id.rpartition("#")
    name, at, version = fragment.partition("@")
    return f"{name} {version}" if at else f"{url.rpartition('/')[2]} {name}"


def host() -> str:
    """Return the target that cargo builds for by default."""
    output = subprocess.run(["rustc", "-vV"], capture_output=True, text=True, check=True).stdout
    return next(line.removeprefix("host: ") for line in output.splitlines() if line.startswith("host: "))
