"""`make bench`: cold, nothing changed and one-line edit of ripgrep, against `cargo build` with the same toolchain."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from benchmarks import workspace_model
from benchmarks.timing import median_of, seconds_of, table
from tests import published

REPEAT = int(os.environ.get("BENCH_REPEAT", "5"))
RESULTS = Path(__file__).parent / "results.md"

TEST = """\
import json
import pathlib

async def test_program(cached_rust_build):
    result = await cached_rust_build.run("rg", "--version", check=True)
    assert result.stdout.startswith("ripgrep")
    report = cached_rust_build.report
    said = {"seconds": report.seconds, "steps": report.steps, "compiled": report.compiled}
    # Beside the workspace, not in it: a new file in it is a new tree.
    pathlib.Path("../report.json").write_text(json.dumps(said))
"""
INTRODUCTION = """\
# Benchmark

Written by `make bench`: the ripgrep 14.1.1 workspace, dev profile, the same toolchain in the builder image as on the
machine. *plugin* is a whole pytest run of one test that runs the binary, *floor* one whose only test imports dagger,
*cargo build* the machine's own. Medians of {repeat}, the cold run once; packages had been downloaded before on both
sides. Absolute figures are those of one machine with 2 cores; the ratios are what can be compared.
"""
MODEL = """\
## The model of a workspace

Reading a workspace whose members have five targets each and making its skeleton, best of three processes; memory is
what comes on top of Python with the package imported.
"""
FLOOR = "import dagger\n\ndef test_floor():\n    pass\n"
PYTEST = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"


@dataclass(frozen=True)
class Workload:
    """A copy of the workspace, with a test beside it."""

    root: Path

    def edit(self, number: int) -> None:
        """Change one line of the binary's main file."""
        main = self.root / "crates/core/main.rs"
        lines = [line for line in main.read_text().splitlines() if "const EDITED" not in line]
        main.write_text("\n".join([*lines, f"#[allow(dead_code)] const EDITED: usize = {number};", ""]))

    def pytest(self) -> float:
        """Seconds from pytest's start to its end, the program having run."""
        return seconds_of([*PYTEST, "test_program.py"], self.root)

    def compiled(self) -> list[str]:
        """Names of the packages the last run compiled."""
        names: list[str] = json.loads((self.root.parent / "report.json").read_text())["compiled"]
        return names

    def cargo(self) -> float:
        """Seconds of the host's own `cargo build`."""
        return seconds_of(
            ["cargo", "build", "--locked"], self.root, {"CARGO_TARGET_DIR": str(self.root / "target")}
        )


def workload(folder: Path, name: str) -> Workload:
    """Lay out ripgrep anew: a place no cache has seen."""
    root = published.copy(published.ripgrep(), folder / name)
    (root / "test_program.py").write_text(TEST)
    (root / "pytest.ini").write_text(INI)
    return Workload(root)


def floor(folder: Path) -> float:
    """Seconds of a pytest run whose only test imports dagger."""
    (folder / "test_floor.py").write_text(FLOOR)
    (folder / "pytest.ini").write_text(INI)
    return median_of(REPEAT, nothing, lambda: seconds_of([*PYTEST, "test_floor.py"], folder))


def hosts_toolchain() -> str:
    """Give the image that has this machine's own toolchain, built where it is missing."""
    command = [sys.executable, "-m", "dev.stack", "image", "rust:host"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def nothing(_: int) -> None:
    """Prepare nothing."""


def measure(folder: Path) -> list[list[str]]:
    """Measure everything and give the rows of the table."""
    base = floor(folder)
    ours, host = workload(folder, "ours"), workload(folder, "host")
    subprocess.run(["cargo", "fetch", "--locked"], cwd=host.root, check=True, capture_output=True)
    rows: list[list[str]] = []

    def row(name: str, plugin: float, cargo: float) -> None:
        figures = [f"{value:.2f} s" for value in (plugin, base, cargo, plugin - base - cargo)]
        rows.append([name, *figures, f"{(plugin - base) / cargo:.2f}", str(len(ours.compiled()))])
        print(rows[-1], flush=True)

    row("cold", ours.pytest(), host.cargo())
    if repeated := [name for name, count in Counter(ours.compiled()).items() if count > 1]:
        msg = f"compiled twice: {', '.join(repeated)}"
        raise RuntimeError(msg)
    row("nothing changed", median_of(REPEAT, nothing, ours.pytest), median_of(REPEAT, nothing, host.cargo))
    row("one-line edit", median_of(REPEAT, ours.edit, ours.pytest), median_of(REPEAT, host.edit, host.cargo))
    return rows


def main() -> None:
    """Measure, print, and write the table down."""
    os.environ["PYTEST_DAGGER_RUST_BUILDER_IMAGE"] = hosts_toolchain()
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        rows = measure(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    header = [
        "ripgrep",
        "plugin",
        "floor",
        "cargo build",
        "above both",
        "(plugin - floor) / cargo",
        "compiled",
    ]
    text = f"{table(header, rows)}\n{MODEL}\n{workspace_model.results()}"
    RESULTS.write_text(f"{INTRODUCTION.format(repeat=REPEAT)}\n{text}")
    print(text)


if __name__ == "__main__":
    main()
