"""Checks the agent's Rust with rustfmt and clippy, where these are installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from dev.stack.shell import say

ROOT = Path(__file__).parents[1]
CRATE = ROOT / "pytest_dagger_rust/container/rust"
TARGET = ROOT / ".venv/agent-target"


def main() -> int:
    """Run both, and return 1 where one complains."""
    commands = {
        "cargo-fmt": ["cargo", "fmt", "--check"],
        "cargo-clippy": [
            "cargo",
            "clippy",
            "--quiet",
            "--offline",
            "--all-targets",
            f"--target-dir={TARGET}",
        ],
    }
    codes = [_run(program, command) for program, command in commands.items()]
    return int(any(codes))


def _run(program: str, command: list[str]) -> int:
    if shutil.which(program) is None:
        say(f"there is no {program} here: the agent is not checked with it")
        return 0
    more = ["--", "-D", "warnings"] if "clippy" in command else []
    return subprocess.run([*command, *more], cwd=CRATE, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
