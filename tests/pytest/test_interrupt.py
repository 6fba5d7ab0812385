"""Tests of Ctrl-C: it ends a build at once, leaves nothing behind, and the next run is right."""

from __future__ import annotations

import contextlib
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.stack.process import wait_until
from tests.engine.accidents import compilers_of
from tests.pytest.terminal import run_pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.pytest.conftest import Project

MANIFEST = """\
[workspace]
members = ["pause"]

[package]
name = "interrupted"
version = "1.0.0"
edition = "2021"

[dependencies]
pause = {{ path = "pause" }}

[[bin]]
name = "interrupted"
path = "main.rs"

# {mark}
"""
PAUSE = """\
[package]
name = "pause"
version = "1.0.0"
edition = "2021"

[lib]
path = "pause.rs"
proc-macro = true
"""
# A macro that keeps the compiler busy for as long as it is asked to.
MACRO = """\
#[proc_macro]
pub fn pause(seconds: proc_macro::TokenStream) -> proc_macro::TokenStream {
    std::thread::sleep(std::time::Duration::from_secs(seconds.to_string().parse().unwrap()));
    "".parse().unwrap()
}
"""
MAIN = 'pause::pause!({seconds});\n\nfn main() {{\n    println!("{word}");\n}}\n'

TESTS = """
def test_one(cached_rust_build):
    assert cached_rust_build.blocking.run("interrupted").stdout == "after\\n"

def test_two(cached_rust_build):
    pass
"""


@pytest.fixture
def slow_project(bare_project: Project) -> Callable[[str, int], None]:
    """Return a function that writes a program which says a word, and takes some seconds to compile."""
    mark = uuid.uuid4().hex

    def write(word: str, seconds: int) -> None:
        files = {"Cargo.toml": MANIFEST.format(mark=mark), "main.rs": MAIN.format(word=word, seconds=seconds)}
        bare_project.write(
            {**files, "pause/Cargo.toml": PAUSE, "pause/pause.rs": MACRO, "test_any.py": TESTS}
        )

    return write


def sessions_of(folder: Path) -> list[Path]:
    """Return the processes of the dagger CLI that pytest has started in a folder."""
    found: list[Path] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (
                b"dagger\0--silent\0session" in (entry / "cmdline").read_bytes()
                and (entry / "cwd").readlink() == folder
            ):
                found.append(entry)
    return found


@pytest.mark.parametrize("arguments", [[], ["-n2"]], ids=["alone", "workers"])
def test_one_interrupt_ends_the_build(
    bare_project: Project, slow_project: Callable[[str, int], None], arguments: list[str]
) -> None:
    """Within five seconds pytest, the compiler and the session are gone; the next run builds what is there then."""
    slow_project("before", 60)

    def is_compiling(_: object) -> bool:
        return any(True for _ in compilers_of("interrupted"))

    terminal = run_pytest(bare_project.folder, *arguments, interrupt_when=is_compiling)
    assert terminal.interrupted_at is not None, terminal.text
    assert terminal.ended_at - terminal.interrupted_at < 5
    assert terminal.exit_code == pytest.ExitCode.INTERRUPTED
    assert wait_until(lambda: not is_compiling(None), 5 - (terminal.ended_at - terminal.interrupted_at))
    assert sessions_of(bare_project.folder) == []
    assert "Traceback" not in terminal.text
    slow_project("after", 0)
    bare_project.pytest().assert_outcomes(passed=2)
