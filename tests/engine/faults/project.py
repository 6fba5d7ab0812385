"""A workspace of two packages whose program says what it was built from, and runs of pytest in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tests.engine.faults import processes

if TYPE_CHECKING:
    from collections.abc import Mapping

MANIFEST = """\
[package]
name = "{name}"
version = "1.0.0"
edition = "2021"
"""
ROOT_MANIFEST = f"""\
[workspace]
members = ["part"]

{MANIFEST.format(name="faulty")}
[dependencies]
part = {{ path = "part" }}
"""
MAIN = """\
fn main() {{
    println!("{tag} {{}}", part::TAG);
}}
"""
PART = 'pub const TAG: &str = "{tag}";\n'

# A clock that is wrong by some seconds; the builder's image by the user's own fixture.
CONFTEST = """\
import os
import time

import pytest

shift, now, now_ns = int(os.environ.get("CLOCK_SHIFT", "0")), time.time, time.time_ns
if shift:
    time.time, time.time_ns = lambda: now() + shift, lambda: now_ns() + shift * 10**9

@pytest.fixture(scope="session")
def rust_builder_image():
    return os.environ["PYTEST_DAGGER_RUST_BUILDER_IMAGE"]
"""
TESTS = """\
import pathlib

def test_program(cached_rust_build):
    told = cached_rust_build.blocking.run("faulty", check=True).stdout.strip()
    pathlib.Path("told").write_text(told)
    assert told == pathlib.Path("expected").read_text()
"""
INI = """\
[pytest]
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""

PLUGINS = ("-p", "no:pytest-shard", "-p", "no:hypothesispytest", "-p", "no:xdist", "-p", "no:cov")

# Of pytest-xdist's workers, and of the session that they share; a run of its own has none of it.
_NOT_INHERITED = (
    "PYTEST_XDIST",
    "PYTEST_ADDOPTS",
    "PYTEST_CURRENT_TEST",
    "DAGGER_SESSION",
    "COLUMNS",
    "LINES",
)


@dataclass
class Run:
    """A run of pytest that has been started; its output goes to a file, which nobody can hold up."""

    process: subprocess.Popen[bytes]
    mark: str
    output: Path
    began: float = field(default_factory=time.monotonic)

    def ended(self, seconds: float) -> bool:
        """Wait for its end; a run that does not come to it is killed, and the answer is False."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            return False
        return True

    @property
    def text(self) -> str:
        """What it has written."""
        return self.output.read_text("utf-8", "replace")


@dataclass
class Project:
    """The workspace, with a home and a folder for temporary files of its own beside it."""

    folder: Path
    address: str
    tags: dict[str, str] = field(default_factory=dict[str, str])
    shift: int = 0

    @property
    def root(self) -> Path:
        """The workspace, which is pytest's rootdir."""
        return self.folder / "workspace"

    @property
    def temporary(self) -> Path:
        """The folder that the system has for temporary files."""
        return self.folder / "tmp"

    def lay_out(self) -> None:
        """Write everything for the first time."""
        for name in ("home", "tmp", "workspace/part"):
            (self.folder / name).mkdir(parents=True)
        files = {"Cargo.toml": ROOT_MANIFEST, "part/Cargo.toml": MANIFEST.format(name="part")}
        self._write({**files, "conftest.py": CONFTEST, "test_program.py": TESTS, "pytest.ini": INI})
        self._write({"src/main.rs": "", "part/src/lib.rs": ""})
        self.edit(tag("main"), tag("part"))

    def edit(self, main: str, part: str) -> None:
        """Write the sources with these tags; a file keeps its size, and its time where nothing says otherwise."""
        self.tags = {"main": main, "part": part}
        self._write({"src/main.rs": MAIN.format(tag=main), "part/src/lib.rs": PART.format(tag=part)})
        self._write({"expected": self.expected})
        (self.root / "told").unlink(missing_ok=True)

    @property
    def expected(self) -> str:
        """What a program of the present sources prints."""
        return f"{self.tags['main']} {self.tags['part']}"

    @property
    def told(self) -> str | None:
        """What the program has printed, None if it has not run since the last edit."""
        file = self.root / "told"
        return file.read_text() if file.exists() else None

    def start(self) -> Run:
        """Start pytest as a user does, with nothing that would help after a fault."""
        mark = uuid.uuid4().hex
        output = self.folder / f"output-{mark[:8]}"
        with output.open("wb") as file:
            started = subprocess.Popen(
                [sys.executable, "-m", "pytest", *PLUGINS, "-o", "faulthandler_timeout=60"],
                cwd=self.root,
                env=self._environment(mark),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Run(started, mark, output)

    def leftovers(self) -> list[str]:
        """Return what lies in the folder for temporary files, and in the home but for what programs keep there."""
        home = self.folder / "home"
        known = (".cache", ".local", ".config")
        others = [path for path in home.rglob("*") if path.relative_to(home).parts[0] not in known]
        return [str(path) for path in (*self.temporary.rglob("*"), *others)]

    def _environment(self, mark: str) -> dict[str, str]:
        ours = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_INHERITED)}
        own = {"HOME": str(self.folder / "home"), "TMPDIR": str(self.temporary), processes.RUN: mark}
        search = os.pathsep.join(filter(None, [str(Path(__file__).parents[3]), ours.get("PYTHONPATH")]))
        engine = {"_EXPERIMENTAL_DAGGER_RUNNER_HOST": self.address, "CLOCK_SHIFT": str(self.shift)}
        return {**ours, **own, **engine, "PYTHONPATH": search}

    def _write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def tag(name: str) -> str:
    """Return a tag that no source had before, always of the same length."""
    return f"{name}-{uuid.uuid4().hex[:8]}"
