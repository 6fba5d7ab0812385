"""The agent, compiled for this machine, and its runs in a folder of their own."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust.run import results

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_dagger_rust.run.results import AgentReport

_NOBODY = 65534


@functools.cache
def as_another() -> dict[str, Any]:
    """Return what has a process run as another user than root."""
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": ()} if os.geteuid() == 0 else {}


@functools.cache
def _python() -> str:
    """Return an interpreter that this user may run."""
    for path in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            subprocess.run([path, "-I", "-c", ""], check=True, cwd="/", **as_another())
            return path
    pytest.skip("no Python that another user than root may run")


def enterable(folder: Path) -> Path:
    """Return a temporary folder that users other than its owner may enter, too."""
    for parent in (folder, *folder.parents[:3]):
        parent.chmod(parent.stat().st_mode | 0o711)
    return folder


@dataclass(frozen=True)
class AgentRun:
    """Runs programs in Python by the agent; as another user than root, for whom no process is private."""

    program: Path
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    limit: int = 1 << 20

    @property
    def result(self) -> Path:
        """The file that leaves the container."""
        return self.folder / "result-folder" / "result"

    def start(
        self,
        code: str,
        *arguments: str,
        outputs: Sequence[str | Path] = (),
        timeout: float | None = None,
        options: Sequence[str] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run Python code; `RESULT` and `FOLDER` are paths in it, the agent is its parent process."""
        head = f"import os, sys, time\nRESULT = {str(self.result)!r}\nFOLDER = {str(self.folder)!r}\n"
        program = [_python(), "-I", "-c", head + textwrap.dedent(code), *arguments]
        return self.start_program(program, outputs=outputs, timeout=timeout, options=options)

    def start_program(
        self,
        program: Sequence[str],
        *,
        outputs: Sequence[str | Path] = (),
        timeout: float | None = None,
        options: Sequence[str] = (),
    ) -> subprocess.CompletedProcess[str]:
        """Run any program."""
        words = [f"--limit={self.limit}", f"--timeout={timeout or 0}", *options]
        words += [f"--output={path}" for path in outputs]
        return self.call("run", *words, "--", *program)

    def call(self, subcommand: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Call the agent, whose results go into a folder that everybody may write to."""
        self.result.parent.mkdir(exist_ok=True)
        for folder in (self.folder, self.result.parent):
            folder.chmod(0o777)
        return subprocess.run(
            [self.program, subcommand, f"--result={self.result.parent}", *words],
            env={**os.environ, **self.env},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **as_another(),
        )

    def report(
        self,
        code: str,
        *arguments: str,
        outputs: Sequence[str | Path] = (),
        timeout: float | None = None,
        options: Sequence[str] = (),
    ) -> AgentReport:
        """Run Python code, and read what the agent says of it."""
        ended = self.start(code, *arguments, outputs=outputs, timeout=timeout, options=options)
        assert ended.returncode == 0, ended.stderr
        return results.read_file(self.result, len(outputs))
