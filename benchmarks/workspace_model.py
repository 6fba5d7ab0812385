"""Measures how long the model and the skeleton of a large workspace take, and how much memory.

Part of `make bench`; alone: `python -m benchmarks.workspace_model`. Each measurement is a process of its own, the
best of three; its time is that of `RustWorkspace.load(…).skeleton()`, its memory the peak of the process less that
of one that has only imported the package.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.memory import peak
from benchmarks.timing import seconds_of, table

REPEATS = 3
# Members of each workspace, and what is asked for.
LIMITS = {30: "0.060 s, and cargo's", 1000: "1.5 s, 150 MB", 2000: "2.2 times that of 1000"}
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
    """Print what one model and its skeleton take in this process: seconds, of them at work, and megabytes."""
    from pytest_dagger_rust.workspace import RustWorkspace  # noqa: PLC0415 - so that imports are not measured

    before = peak()
    started, worked = time.perf_counter(), time.process_time()
    RustWorkspace.load(root).skeleton()
    seconds = time.perf_counter() - started, time.process_time() - worked
    after = peak()
    print(*seconds, (after - before) / 1024)


@dataclass(frozen=True)
class Figures:
    """What it takes: seconds by the clock and at work, megabytes, and seconds of `cargo metadata --no-deps`."""

    seconds: float
    work: float
    megabytes: float
    cargo: float


def measure(root: Path) -> Figures:
    """Return the best of several processes, and of several runs of cargo on the same tree."""
    command = [sys.executable, "-m", "benchmarks.workspace_model", str(root)]
    runs = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(REPEATS)
    ]
    seconds, work, megabytes = (min(map(float, figures)) for figures in zip(*runs, strict=True))
    metadata = ["cargo", "metadata", "--no-deps", "--offline", "--format-version=1"]
    return Figures(seconds, work, megabytes, min(seconds_of(metadata, root) for _ in range(REPEATS)))


def results() -> str:
    """Measure workspaces of several sizes, and give a table with what is asked of them."""
    measured: dict[int, Figures] = {}
    rows: list[list[str]] = []
    for members, limit in LIMITS.items():
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder).resolve()
            make(root, members)
            found = measured[members] = measure(root)
        rows.append([
            str(members), f"{found.seconds:.3f} s", f"{found.megabytes:.0f} MB", limit, f"{found.cargo:.3f} s",
        ])  # fmt: skip
    ratio = measured[2000].work / measured[1000].work
    header = ["members", "model and skeleton", "memory", "at most", "cargo metadata --no-deps"]
    # Time at work, because waiting for the disk and for other processes does not grow with the workspace.
    linear = f"2000 members take {ratio:.2f} times the processor's time of 1000; at most 2.2."
    return f"{table(header, rows)}\n{linear}\n"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure_here(Path(sys.argv[1]))
    else:
        print(results())
