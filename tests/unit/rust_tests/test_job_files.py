"""Tests of the files in which test jobs go to the agent and come back."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dagger_rust.container.frames import END, FrameError, frame
from pytest_dagger_rust.rust_tests import job_files
from tests.unit.run.test_results import written


def split(data: bytes, calls: int) -> dict[int, bytes]:
    """Take a file of results apart that is in memory."""
    return job_files.split(io.BytesIO(data), len(data), calls)


@given(st.dictionaries(st.integers(0, 9), st.binary(max_size=50)))
def test_each_call_has_its_result(found: dict[int, bytes]) -> None:
    """By its number, in any order; calls that were not made have none."""
    parts = [frame(b"j", number.to_bytes(4, "big"), data) for number, data in found.items()]
    assert split(b"".join([job_files.RESULTS, *parts, frame(END)]), 10) == found


@pytest.mark.parametrize(
    "frames",
    [
        [frame(b"j", b"\0\0\0\x02")],
        [frame(b"j", b"\0\0\0\0"), frame(b"j", b"\0\0\0\0")],
        [frame(b"x", b"\0\0\0\0")],
        [frame(b"j", b"\0")],
        [frame(END)],
    ],
    ids=["another number", "twice", "another kind", "cut off", "two ends"],
)
def test_other_results_are_refused(frames: list[bytes]) -> None:
    """Nothing of such a file is believed."""
    with pytest.raises(FrameError):
        split(b"".join([job_files.RESULTS, *frames, frame(END)]), 2)


def test_a_result_is_read_as_that_of_a_run() -> None:
    """And one that is none is refused."""
    report = job_files.read(written(status="exited 101"))
    assert report.status is not None
    assert report.status.exit_code == 101
    with pytest.raises(FrameError):
        job_files.read(b"")
