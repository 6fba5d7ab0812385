"""Tests of what is read from the file that leaves a container: all of what the agent writes, and nothing else."""

from __future__ import annotations

import contextlib
import io
import os
import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dagger_rust.container import frames
from pytest_dagger_rust.container.frames import END, FrameError, frame
from pytest_dagger_rust.run import results

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_dagger_rust.run.results import AgentReport

NUMBERS = st.integers(0, 2**64 - 1)
NAMES = st.lists(st.text("ab \n\udcff.", min_size=1).filter(lambda name: name not in {".", ".."}), max_size=3)


def read(data: bytes, outputs: int = 0) -> AgentReport:
    """Read a result that is in memory."""
    return results.read(io.BytesIO(data), len(data), outputs)


def stream(kind: bytes, data: bytes, dropped: int = 0, cut: int | None = None) -> bytes:
    """Return the frame of an output stream."""
    position = len(data) if cut is None else cut
    return frame(kind, dropped.to_bytes(8, "big"), position.to_bytes(8, "big"), data)


def output(kind: bytes, number: int, path: str, data: bytes = b"") -> bytes:
    """Return the frame of an output."""
    return frame(kind, number.to_bytes(4, "big"), frames.strings([path]), data)


def written(*more: bytes, status: str = "exited 0") -> bytes:
    """Return a result as the agent writes it."""
    head = [frame(b"s", status.encode()), frame(b"t", (1_500_000_000).to_bytes(8, "big"))]
    parts = [*head, stream(b"o", b"out"), stream(b"e", b"err"), *more, frame(END)]
    return results.MAGIC + b"".join(parts)


def test_all_that_the_agent_says_is_read() -> None:
    """Status, seconds, streams, outputs."""
    more = [frame(b"k"), output(b"F", 0, "", b"one"), output(b"M", 1, "a/b", b"is a symbolic link")]
    report = read(written(*more, status="signal 9"), outputs=2)
    assert report.status == results.Status(9, is_signal=True)
    assert report.status is not None
    assert (report.status.exit_code, report.status.signal) == (137, "SIGKILL")
    assert (report.seconds, report.timed_out) == (1.5, True)
    assert (report.stdout.data, report.stderr.data) == (b"out", b"err")
    assert report.files == {(0, ""): b"one"}
    assert report.missing == {(1, "a/b"): "is a symbolic link"}


@given(
    st.binary(max_size=100), NUMBERS, st.dictionaries(NAMES.map("/".join), st.binary(max_size=50), max_size=5)
)
def test_bytes_of_any_kind_arrive(data: bytes, dropped: int, files: dict[str, bytes]) -> None:
    """Whatever a program prints, and however it names its files."""
    parts = [frame(b"s", b"exited 1"), frame(b"t", b"\0" * 8), stream(b"o", data, dropped), stream(b"e", b"")]
    parts += [output(b"F", 0, path, content) for path, content in files.items()]
    report = read(results.MAGIC + b"".join([*parts, frame(END)]), outputs=1)
    assert (report.stdout.data, report.stdout.dropped) == (data, dropped)
    assert report.files == {(0, path): content for path, content in files.items()}


def test_what_is_cut_off_is_refused() -> None:
    """At whichever byte; and so is what goes on."""
    data = written(output(b"F", 0, "a", b"one"))
    for length in range(len(data)):
        with pytest.raises(FrameError):
            read(data[:length], outputs=1)
    with pytest.raises(FrameError, match=r"^it goes on for 1 bytes after its end$"):
        read(data + b"x", outputs=1)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_garbage_is_refused_or_read(garbage: bytes, position: int) -> None:
    """With one kind of error only, whatever is in the file and wherever."""
    data = written(output(b"F", 0, "a", b"one"))
    for text in (garbage, results.MAGIC + garbage, data[:position] + garbage + data[position:]):
        with contextlib.suppress(FrameError):
            read(text, outputs=1)


@given(st.integers(0, 2**32 - 1), st.sampled_from(b"steokfFMl?."))
def test_no_length_is_believed(length: int, kind: int) -> None:
    """Nothing is read, nor room made, for more than there is."""
    with pytest.raises(FrameError):
        read(results.MAGIC + bytes([kind]) + length.to_bytes(4, "big") + b"x")


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "it does not begin with 'pytest-dagger-rust result 1'"),
        (b"pytest-dagger-rust result 2\n", "it does not begin with"),
        (written(frame(b"?")), "it has a frame b'?'"),
        (written(frame(b"s", b"exited 0")), "it has a frame b's' twice"),
        (written(frame(b"f", b"no")), "it has the frames"),
        (results.MAGIC + frame(END), "it has the frames []"),
        (written(status="exited 256"), "'exited 256' is not how a program ends"),
        (written(status="exited -1"), "'exited -1' is not how a program ends"),
        (written(status="exited \u0663"), "is not how a program ends"),
        (written(status="exited 0\n"), "'exited 0\\n' is not how a program ends"),
        (written(stream(b"o", b"x", cut=2)), "it has a frame b'o' twice"),
        (written(output(b"F", 1, "")), "it has an output 1 of a run with 1 outputs"),
        (written(output(b"F", 0, "a"), output(b"M", 0, "a")), "it has an output 'a' twice"),
        (written(output(b"F", 0, "../a")), "it has an output '../a'"),
        (written(output(b"F", 0, "/etc/passwd")), "it has an output '/etc/passwd'"),
        (written(output(b"F", 0, "a/../../b")), "it has an output 'a/../../b'"),
        (written(output(b"F", 0, "a\0b")), "it has an output 'a\\x00b'"),
        (written(output(b"F", 0, "a//b")), "it has an output 'a//b'"),
        (written(output(b"F", 0, ".")), "it has an output '.'"),
        (written(frame(b"k", b"xx")), "the frame b'k' has 2 bytes too many"),
        (written(frame(b"F", b"\0\0\0\0\0\0\0\x09a")), "a part of 9 bytes is in a frame with 1 bytes left"),
    ],
)
def test_what_the_agent_cannot_have_written_is_refused(data: bytes, complaint: str) -> None:
    """In one sentence that says what is wrong."""
    with pytest.raises(FrameError, match=re.escape(complaint)):
        read(data, outputs=1)


def test_a_stream_is_not_cut_after_its_end() -> None:
    """The position is one in the stream."""
    data = results.MAGIC + stream(b"o", b"x", dropped=1, cut=2) + frame(END)
    with pytest.raises(FrameError, match=r"^a stream of 1 bytes is cut after 2$"):
        read(data)


def test_only_a_regular_file_is_opened(tmp_path: Path) -> None:
    """No link is followed, and no pipe waited for."""
    (tmp_path / "file").write_bytes(written())
    assert results.read_file(tmp_path / "file", 0).seconds == 1.5
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    with (tmp_path / "large").open("wb") as file:
        file.truncate(results.SIZE_LIMIT + 1)
    for name in ("link", "fifo", "folder", "large", "nothing"):
        with pytest.raises(FrameError, match=r"^it (cannot be opened|is not a regular file)"):
            results.read_file(tmp_path / name, 0)
