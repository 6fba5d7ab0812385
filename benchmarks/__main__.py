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
from typing import Any

from benchmarks import page, runs, workspace_model
from benchmarks.builds import Figures, measure, measure_surroundings
from benchmarks.workloads import ALL, RIPGREP

RESULTS = Path(__file__).parent / "results.json"


def hosts_toolchain() -> str:
    """Return the image that has this machine's own toolchain, built where it is missing."""
    command = [sys.executable, "-m", "dev.stack", "image", "rust:host"]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def measure_all(names: list[str]) -> None:
    """Measure what was asked for, and keep each part once it is there; what is built is deleted at the end."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        if RIPGREP.name in names:
            surroundings = measure_surroundings(RIPGREP, made(folder / "surroundings"))
            keep("surroundings", dataclasses.asdict(surroundings))
            keep("runs", runs.results())
            keep("workspace model", workspace_model.results())
        for name in names:
            keep(name, dataclasses.asdict(measure(ALL[name], made(folder / name))))
            shutil.rmtree(folder / name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def kept() -> dict[str, Any]:
    """Return the figures that are kept."""
    return json.loads(RESULTS.read_text()) if RESULTS.exists() else {}


def keep(name: str, figures: object) -> None:
    """Keep the figures of one part in place of its earlier ones."""
    RESULTS.write_text(json.dumps({**kept(), name: figures}, indent=1))


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
        measure_all(asked.workloads)
    found = kept()
    figures = {name: Figures(**found[name]) for name in ("surroundings", *ALL) if name in found}
    page.write(figures, found["runs"], found["workspace model"])


if __name__ == "__main__":
    main()
