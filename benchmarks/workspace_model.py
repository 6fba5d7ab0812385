"""Measures how long the model and the skeleton of a large workspace take, and how much memory.

Run by hand: `python benchmarks/workspace_model.py`. Each measurement is a process of its own, the best of three;
its time is that of `RustWorkspace.load(…).skeleton()`, its memory the peak of the process less that of one that
has only imported the package.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS = 3
_MANIFEST = """\
# Member {number} of many.
[package]
name = "member-{number}"
version.workspace = true
edition.workspace = true
description = "A member like many others"

[dependencies]
serde = {{ workspace = true, features = ["derive"] }}
log = "0.4"
{neighbour}
[dev-dependencies]
tempfile = "3"

[features]
default = ["std"]
std = ["serde/std"]
extra = []

[[bin]]
name = "tool-{number}"
path = "src/bin/tool.rs"
required-features = ["std"]
"""
_ROOT = """\
[workspace]
members = ["crates/*"]
resolver = "2"

[workspace.package]
version = "1.2.3"
edition = "2021"

[workspace.dependencies]
serde = { version = "1", default-features = false }
"""
_SOURCES = ("src/lib.rs", "src/bin/tool.rs", "tests/works.rs", "examples/shown.rs", "benches/fast.rs")


def make(root: Path, members: int) -> None:
    """Write a workspace whose members have five targets each, and folders that nobody should walk."""
    (root / ".git").mkdir()
    (root / "Cargo.toml").write_text(_ROOT)
    (root / "Cargo.lock").write_text(_lock(members))
    for unowned in ("target", "node_modules"):
        for number in range(50):
            (root / unowned / f"deep-{number}").mkdir(parents=True)
    for number in range(members):
        folder = root / "crates" / f"member-{number}"
        neighbour = f'member-{number - 1} = {{ path = "../member-{number - 1}" }}' if number % 10 else ""
        for source in _SOURCES:
            (folder / source).parent.mkdir(parents=True, exist_ok=True)
            (folder / source).write_text("// nothing\n" * 50)
        (folder / "Cargo.toml").write_text(_MANIFEST.format(number=number, neighbour=neighbour))


def _lock(members: int) -> str:
    source = 'source = "registry+https://example.invalid/index"\n'
    packages = [
        f'[[package]]\nname = "{name}"\nversion = "1.0.0"\n{source}' for name in ("serde", "log", "tempfile")
    ]
    packages += [
        f'[[package]]\nname = "member-{number}"\nversion = "1.2.3"\ndependencies = [\n "log",\n "serde",\n]\n'
        for number in range(members)
    ]
    return "version = 4\n\n" + "\n".join(packages)


def measure_here(root: Path) -> None:
    """Print the seconds and the megabytes that one model and its skeleton take in this process."""
    from pytest_dagger_rust.workspace import RustWorkspace  # noqa: PLC0415 - so that imports are not measured

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    RustWorkspace.load(root).skeleton()
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(seconds, (after - before) / 1024)


def measure(root: Path) -> tuple[float, float]:
    """Return the best seconds and megabytes of several processes."""
    command = [sys.executable, __file__, str(root)]
    runs = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(REPEATS)
    ]
    return min(float(run[0]) for run in runs), min(float(run[1]) for run in runs)


def cargo_seconds(root: Path) -> float:
    """Return the best time `cargo metadata --no-deps` takes on the same tree."""
    times: list[float] = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        command = ["cargo", "metadata", "--no-deps", "--offline", "--format-version=1"]
        subprocess.run(command, cwd=root, capture_output=True, check=True)
        times.append(time.perf_counter() - started)
    return min(times)


def main() -> None:
    """Print a line for each size, and how the largest compares with half of it."""
    seconds: dict[int, float] = {}
    for members in (30, 1000, 2000):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder).resolve()
            make(root, members)
            seconds[members], megabytes = measure(root)
            line = f"{members:5} members: {seconds[members]:.3f} s, {megabytes:.0f} MB"
            print(f"{line}; cargo metadata --no-deps: {cargo_seconds(root):.3f} s", flush=True)
    print(f"2000 members take {seconds[2000] / seconds[1000]:.2f} times as long as 1000")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure_here(Path(sys.argv[1]))
    else:
        main()
