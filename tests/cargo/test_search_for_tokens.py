"""A control of the search for tokens: a build script that finds nothing may be one that cannot find anything."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from tests.engine.builds.intruder import forms, script

# The build script looks there, whatever this machine uses for temporary files.
_FOLDER = "/tmp"  # noqa: S108
_WAITING = [sys.executable, "-c", "import time; time.sleep(600)"]


def test_the_build_script_finds_a_token_wherever_it_is(tmp_path: Path) -> None:
    """In files, as it is, backwards and in base64; in a variable; in the arguments of a process."""
    token = f"token{uuid.uuid4().hex}"
    (tmp_path / "build.rs").write_text(script(token, "127.0.0.1:9"))
    subprocess.run(["rustc", "--edition=2021", "-O", "build.rs"], cwd=tmp_path, check=True)
    with tempfile.TemporaryDirectory(dir=_FOLDER) as folder:
        files = planted(folder, token)
        for path, form in files.items():
            Path(path).write_text(f"before{form}after")
        process = subprocess.Popen([*_WAITING, token[::-1]])
        found = found_by(tmp_path / "build", PLANTED=token)
        process.kill()
        process.wait()
    assert found >= {*files, "PLANTED", f"/proc/{process.pid}/cmdline"}


def planted(folder: str, token: str) -> dict[str, str]:
    """Return paths of files, each with a form of the token."""
    return {f"{folder}/{number}": form for number, form in enumerate(forms(token))}


def found_by(program: Path, **variables: str) -> set[str]:
    """Return where the build script has found the token."""
    done = subprocess.run(
        [program], env=os.environ | variables, stdout=subprocess.PIPE, text=True, check=True
    )
    match = re.search(r"found (\[.*\]), network", done.stdout)
    assert match is not None, done.stdout
    return set(json.loads(match[1]))
