"""`make bench`: measures everything in one run, and writes docs/performance.md with its plot."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks import page, runs, workspace_model
from benchmarks.builds import Figures, measure, measure_surroundings
from benchmarks.workloads import ALL, RIPGREP

RESULTS = Path(__file__).parent / "results.json"


def hosts_toolchain() -> str:
    """Give the image that has this machine's own toolchain, built where it is missing."""
    command = [sys.executable, "-m", "dev.stack", "image", "rust:host"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def measured(names: list[str]) -> dict[str, object]:
    """Measure what was asked for; a place of its own is deleted at the end."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    found: dict[str, object] = {}
    try:
        if RIPGREP.name in names:
            surroundings = measure_surroundings(RIPGREP, made(folder / "surroundings"))
            found["surroundings"] = dataclasses.asdict(surroundings)
        for name in names:
            found[name] = dataclasses.asdict(measure(ALL[name], made(folder / name)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    found["runs"] = runs.results()
    found["workspace model"] = workspace_model.results()
    return found


def made(folder: Path) -> Path:
    """Make a folder and give it."""
    folder.mkdir(parents=True)
    return folder


def main() -> None:
    """Measure, keep the figures, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "workloads", nargs="*", default=list(ALL), help=f"of {', '.join(ALL)}; all by default"
    )
    parser.add_argument(
        "--page", action="store_true", help="only write the page from the figures that are kept"
    )
    asked = parser.parse_args()
    os.environ["PYTEST_DAGGER_RUST_BUILDER_IMAGE"] = hosts_toolchain()
    # Python keeps bytecode unless it is told not to; a run that may not keep it measures the compiler.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if not asked.page:
        kept: dict[str, object] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        RESULTS.write_text(json.dumps({**kept, **measured(asked.workloads)}, indent=1))
    found = json.loads(RESULTS.read_text())
    figures = {name: Figures(**found[name]) for name in ("surroundings", *ALL) if name in found}
    page.write(figures, found["runs"], found["workspace model"])


if __name__ == "__main__":
    main()
