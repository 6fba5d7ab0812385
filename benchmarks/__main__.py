"""`make bench`: cold, nothing changed and one-line edit of ripgrep, against `cargo build` with the same toolchain."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.timing import median_of, seconds_of, table
from tests import published

REPEAT = int(os.environ.get("BENCH_REPEAT", "5"))
RESULTS = Path(__file__).parent / "results.md"

TEST = """\
import pathlib

async def test_program(cached_rust_build):
    result = await cached_rust_build.run("rg", "--version", check=True)
    assert result.stdout.startswith("ripgrep")
    report = cached_rust_build.report
    pathlib.Path("report.txt").write_text(f"{report.seconds:.2f} {report.cached} {report.steps} {len(report.compiled)}")
"""
FLOOR = "import dagger\n\ndef test_floor():\n    pass\n"
INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"


@dataclass(frozen=True)
class Workload:
    """A copy of the workspace, with a test beside it."""

    root: Path

    def edit(self, number: int) -> None:
        """Change one line of the binary's main file."""
        main = self.root / "crates/core/main.rs"
        lines = [line for line in main.read_text().splitlines() if "edited by" not in line]
        main.write_text("\n".join([*lines, f"// edited by the benchmark: {os.getpid()} {number}", ""]))

    def pytest(self) -> float:
        """Seconds from pytest's start to its end, the program having run."""
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_program.py"]
        return seconds_of(command, self.root)

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
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_floor.py"]
    return median_of(REPEAT, lambda _: None, lambda: seconds_of(command, folder))


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
        rows.append([name, *figures, f"{(plugin - base) / cargo:.2f}"])
        print(rows[-1], flush=True)

    row("cold", ours.pytest(), host.cargo())
    row("nothing changed", median_of(REPEAT, nothing, ours.pytest), median_of(REPEAT, nothing, host.cargo))
    row("one-line edit", median_of(REPEAT, ours.edit, ours.pytest), median_of(REPEAT, host.edit, host.cargo))
    return rows


def main() -> None:
    """Measure, print, and write the table down."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        rows = measure(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    header = ["ripgrep", "plugin", "floor", "cargo build", "above floor + cargo", "(plugin - floor) / cargo"]
    text = table(header, rows)
    RESULTS.write_text(f"# Benchmark\n\nMedians of {REPEAT}, the cold run once.\n\n{text}")
    print(text)


if __name__ == "__main__":
    main()
