"""The agent on this machine: compiled by its rustc, and run on a workspace with a volume in a temporary folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_dagger_rust.builds import archive
from pytest_dagger_rust.container import agent
from pytest_dagger_rust.skeleton.stubs import STUB_MARKER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SOURCES = Path(agent.__file__).parent / "rust"
FLAGS = ("--edition=2021", "-Cpanic=abort", "-Cstrip=symbols")


def compile_agent(folder: Path, rustc: Sequence[str] = ("rustc",), half: str = "builder") -> Path:
    """Compile a half of the agent into a folder, as a builder does, and return its path."""
    core = [*rustc, *FLAGS, "--crate-type=rlib", "--crate-name=agent_core", "-Copt-level=3"]
    subprocess.run([*core, f"--out-dir={folder}", str(SOURCES / "core/lib.rs")], check=True)
    program = folder / "agent"
    extern = f"--extern=agent_core={folder / 'libagent_core.rlib'}"
    main = str(SOURCES / f"{half}.rs")
    subprocess.run([*rustc, *FLAGS, "--crate-name=agent", extern, "-o", str(program), main], check=True)
    return program


class AgentError(Exception):
    """The agent ended with another exit code than 0."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        super().__init__(f"exit code {done.returncode}: {done.stderr[-4000:]}")
        self.code = done.returncode
        self.said = [
            line.removeprefix("pytest-dagger-rust: ")
            for line in done.stderr.splitlines()
            if line.startswith("pytest-dagger-rust: ")
        ]


@dataclass
class Workshop:
    """A workspace on disk, and the volume that it is built on; `base` is where the workspace is packed from."""

    agent: Path
    folder: Path
    options: tuple[str, ...] = ("build",)
    env: dict[str, str] = field(default_factory=dict[str, str])
    variables: str = "none"

    @property
    def root(self) -> Path:
        """The workspace's root."""
        return self.folder / "workspace"

    @property
    def volume(self) -> Path:
        """The cache volume."""
        return self.folder / "volume"

    @property
    def out(self) -> Path:
        """What left the last build."""
        return self.folder / "out"

    def write(self, files: Mapping[str, str]) -> None:
        """Write files of the workspace, given by path and text."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def replace(self, name: str, old: str, new: str) -> None:
        """Change a text within a file."""
        text = (self.root / name).read_text()
        assert old in text
        (self.root / name).write_text(text.replace(old, new))

    def pack(self) -> archive.Archive:
        """Pack the workspace as the host does."""
        sent = self.folder / "sent"
        sent.mkdir(exist_ok=True)
        return archive.pack(archive.disk_entries(self.root, self.root), sent)

    def command(self, packed: archive.Archive, *more: str, subcommand: str = "build") -> list[str]:
        """Return the agent's command line for a build of what was packed."""
        run_id = self.folder / "run-id"
        run_id.write_text(uuid.uuid4().hex)
        options = {
            "volume": self.volume,
            "packages": self.folder / "packages",
            "out": self.out,
            "archive": packed.path,
            "digest": packed.digest,
            "base": packed.base or "",
            "root": ".",
            "build-id": packed.digest,
            "run-id": run_id,
            "variables": self.variables,
            "marker": STUB_MARKER,
        }
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return [str(self.agent), subcommand, *words, *more, "--", *self.options]

    def environment(self) -> dict[str, str]:
        """Return the variables the agent is started with: cargo's home is a folder of its own."""
        home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
        keep = {
            name: os.environ[name]
            for name in ("PATH", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN")
            if name in os.environ
        }
        rustup = {"RUSTUP_HOME": str(Path.home() / ".rustup")} if (Path.home() / ".rustup").is_dir() else {}
        path = f"{home / 'bin'}:{keep['PATH']}"
        own = {"HOME": str(self.folder), "CARGO_HOME": str(self.folder / "home"), "CARGO_NET_OFFLINE": "true"}
        return {**rustup, **keep, "PATH": path, **own, **self.env}

    def build(self, *more: str, subcommand: str = "build") -> dict[str, Any]:
        """Build the workspace, and return the report.

        Raises AgentError where the agent fails.
        """
        self.folder.joinpath("home").mkdir(exist_ok=True)
        command = self.command(self.pack(), *more, subcommand=subcommand)
        done = subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AgentError(done)
        report: dict[str, Any] = json.loads((self.out / "report.json").read_text())
        return report

    def failure(self, build_id: str) -> subprocess.CompletedProcess[str]:
        """Have the agent write what it has kept of a failed build into failure.json."""
        out = self.folder / "failure.json"
        options = [f"--volume={self.volume}", f"--out={out}", f"--build-id={build_id}"]
        return subprocess.run([self.agent, "failure", *options], capture_output=True, text=True, check=False)

    def output(self, name: str = "app", *more: str) -> str:
        """Build, run a program, and return what it printed."""
        self.build(*more)
        return self.run(name)

    def run(self, name: str = "app") -> str:
        """Run a program that the last build has handed out."""
        program = [str(self.out / "bin" / name)]
        return subprocess.run(program, capture_output=True, text=True, check=True).stdout

    def compiled(self, report: Mapping[str, Any]) -> set[str]:
        """Return the names of the targets that a build has compiled."""
        return {
            message["target"]["name"]
            for message in report["messages"]
            if message["reason"] == "compiler-artifact" and not message["fresh"]
        }

    def forget_volume(self) -> None:
        """Delete the volume."""
        shutil.rmtree(self.volume, ignore_errors=True)
