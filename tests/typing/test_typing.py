"""Type checkers accept the public uses, and refuse the wrong ones among them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USES = Path(__file__).with_name("uses.py")

CHECKERS = {"mypy": (), "pyright": ("--pythonpath", sys.executable)}
_SILENCED = re.compile(r"  # type: ignore.*")


def check(checker: str, file: Path) -> tuple[int, str]:
    """Run a type checker on a file; return its exit code and what it said."""
    program = shutil.which(checker, path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip(f"{checker} is not installed")
    command = [program, *CHECKERS[checker], str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("checker", CHECKERS)
def test_public_uses_pass(checker: str) -> None:
    """The right uses have no error, and each comment on a wrong one silences an error."""
    code, said = check(checker, USES)
    assert code == 0, said


@pytest.mark.parametrize("checker", CHECKERS)
def test_wrong_uses_are_refused(checker: str) -> None:
    """Without the comments that silence them, exactly the wrong uses are reported."""
    lines = USES.read_text("utf-8").splitlines()
    wrong = {number for number, line in enumerate(lines, 1) if _SILENCED.search(line)}
    # In the project, where the checkers find its settings.
    file = USES.with_name("_uses_without_comments.py")
    file.write_text("\n".join(_SILENCED.sub("", line) for line in lines) + "\n", "utf-8")
    try:
        code, said = check(checker, file)
    finally:
        file.unlink()
    reported = {int(found) for found in re.findall(r"\.py:(\d+):(?:\d+ -)? error", said)}
    assert (code, reported) == (1, wrong), said
