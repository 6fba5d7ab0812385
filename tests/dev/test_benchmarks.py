"""The benchmarks: what they measure is their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from benchmarks import memory, peers
from dev.stack.settings import CHECKOUT, StackError
from dev.stack.shell import main

MEGABYTE = 1 << 20


def test_the_memory_of_a_program_is_not_that_of_its_parent() -> None:
    """The system's own figure begins with the memory of the process that started it."""
    held = bytearray(200 * MEGABYTE)
    held[::4096] = b"1" * len(held[::4096])
    program = (
        f"{peers.PEAK}\nprint(peak()); held = bytearray(b'1') * {100 * MEGABYTE}; del held; print(peak())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=CHECKOUT
    )
    before, after = map(int, done.stdout.split())
    assert before < 100 * 1024 < after < 200 * 1024 < memory.peak()
    assert len(held) == 200 * MEGABYTE


def test_an_error_ends_a_program_of_dev_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """With exit code 1, and no traceback."""

    def fail() -> None:
        raise StackError("it does not work")

    main("some program", list)
    with pytest.raises(SystemExit, match="1"):
        main("some program", fail)
    assert capsys.readouterr().err == "some program: error: it does not work\n"
