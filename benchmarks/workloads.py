"""What is measured: published applications with their lock files, and the edits that are made to them."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dev import published

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


# A package that all of them have locked, and versions of it that each of them takes.
BUMPED = "itoa"
VERSIONS = ("1.0.14", "1.0.13", "1.0.12", "1.0.10", "1.0.9")


@dataclass(frozen=True)
class Workload:
    """An application: how it is laid out, what its binary is called, and where its edits are made.

    `program` and `library` are the files edited, relative to its root.
    """

    name: str
    tree: Callable[[], Path]
    binary: str
    program: str
    library: str

    def lay_out(self, place: Path) -> Path:
        """Copy the application to a place that no cache has seen, its packages being downloaded; return its root."""
        root = published.copy(self.tree(), place)
        subprocess.run(["cargo", "fetch", "--locked"], cwd=root, check=True, capture_output=True)
        return root

    def edit(self, root: Path, file: str, number: int) -> None:
        """Change one line at the end of a file."""
        path = root / file
        lines = [line for line in path.read_text().splitlines() if "const EDITED" not in line]
        path.write_text("\n".join([*lines, f"#[allow(dead_code)] const EDITED: usize = {number};", ""]))

    def bump(self, root: Path, number: int) -> None:
        """Move one dependency to another version, which moves no other package."""
        command = ["cargo", "update", "--quiet", BUMPED, "--precise", VERSIONS[number]]
        subprocess.run(command, cwd=root, check=True, capture_output=True)
        subprocess.run(["cargo", "fetch", "--locked"], cwd=root, check=True, capture_output=True)


RIPGREP = Workload("ripgrep", published.ripgrep, "rg", "crates/core/main.rs", "crates/matcher/src/lib.rs")
MDBOOK = Workload("mdbook", published.MDBOOK.tree, published.MDBOOK.binary, "src/main.rs", "src/lib.rs")
JJ = Workload("jj", published.JJ.tree, published.JJ.binary, "src/main.rs", "src/lib.rs")
ALL = {workload.name: workload for workload in (RIPGREP, MDBOOK, JJ)}


def clutter(root: Path) -> None:
    """Put 10,000 files beside the packages, and 2 GB into each of target/ and node_modules/."""
    for number in range(10_000):
        path = root / f"fixtures/{number // 100}/{number}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{{"number": {number}}}\n' * 20)
    for folder in ("target", "node_modules"):
        (root / folder).mkdir(exist_ok=True)
        with (root / folder / "large").open("wb") as file:
            file.truncate(2 << 30)
    (root / "target/CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")


def unclutter(root: Path) -> None:
    """Take it away again."""
    for folder in ("target", "node_modules", "fixtures"):
        shutil.rmtree(root / folder)
