"""The agent compiles with every toolchain that is here, as a builder compiles it, and its own tests pass."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cargo.container.workshop import SOURCES, compile_agent

if TYPE_CHECKING:
    from pathlib import Path


def toolchains() -> list[str]:
    """Return the names of rustup's toolchains, one of each version; none where there is no rustup."""
    if shutil.which("rustup") is None:
        return []
    names = [line.split()[0] for line in said("rustup", "toolchain", "list").splitlines() if "-" in line]
    return list({said("rustc", f"+{name}", "--version"): name for name in names}.values())


def said(*command: str) -> str:
    """Return what a program prints."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("toolchain", toolchains())
@pytest.mark.parametrize("half", ["builder", "runner"])
def test_both_halves_compile_with_each_toolchain(tmp_path: Path, toolchain: str, half: str) -> None:
    """Without crates, and without a feature that only the newest has: clippy compares it with Rust 1.70."""
    program = compile_agent(tmp_path, ("rustc", f"+{toolchain}"), half)
    done = subprocess.run([program, "nonsense"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        'pytest-dagger-rust: the agent has no subcommand "nonsense"\n',
    )


@pytest.mark.parametrize("half", ["builder", "runner"])
def test_its_own_tests_pass(tmp_path: Path, half: str) -> None:
    """Those beside the code, in each half."""
    program = tmp_path / "tests"
    library = ["--crate-type=rlib", "--crate-name=agent_core", f"--out-dir={tmp_path}"]
    subprocess.run(["rustc", "--edition=2021", *library, SOURCES / "core/lib.rs"], check=True)
    extern = f"--extern=agent_core={tmp_path}/libagent_core.rlib"
    main = SOURCES / f"{half}.rs"
    subprocess.run(["rustc", "--edition=2021", "--test", extern, "-o", program, main], check=True)
    subprocess.run([program, "--quiet"], check=True)


def test_the_tests_of_what_is_optimised_pass(tmp_path: Path) -> None:
    """Digests, the index, the search."""
    program = tmp_path / "tests"
    subprocess.run(["rustc", "--edition=2021", "--test", "-o", program, SOURCES / "core/lib.rs"], check=True)
    subprocess.run([program, "--quiet"], check=True)
