"""The agent's report of a run, read from the one file that leaves the container.

The file is written once every process of the program is dead. It is still read as if the program had written it.
"""

from __future__ import annotations

import os
import re
import signal
import stat
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from pytest_dagger_rust.container import frames
from pytest_dagger_rust.container.frames import FrameError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_dagger_rust.container.frames import Payload

MAGIC = b"pytest-dagger-rust result 1\n"

# More than any result can have: two streams, and the outputs with their names.
SIZE_LIMIT = 512 * 1024 * 1024

_STATUS = re.compile(r"(exited|signal) ([0-9]{1,3})")
_HIGHEST = {"exited": 255, "signal": 127}
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class Status:
    """How a program ended: with an exit code, or by the signal of a number."""

    number: int
    is_signal: bool = False

    @classmethod
    def of(cls, text: str) -> Status:
        """Read a status as "exited 3" or "signal 9".

        Raises FrameError for anything else.
        """
        found = _STATUS.fullmatch(text)
        if found is None or int(found[2]) > _HIGHEST[found[1]]:
            msg = f"{text[:40]!r} is not how a program ends"
            raise FrameError(msg)
        return cls(int(found[2]), found[1] == "signal")

    @property
    def exit_code(self) -> int:
        """The exit code as in a shell: after a signal, 128 plus the signal's number."""
        return self.number + (128 if self.is_signal else 0)

    @property
    def signal(self) -> str | None:
        """The name of the signal, as "SIGTERM"; None if the program exited."""
        if not self.is_signal:
            return None
        try:
            return signal.Signals(self.number).name
        except ValueError:
            return f"signal {self.number}"


@dataclass(frozen=True)
class Stream:
    """What is kept of an output stream; `dropped` bytes are lost after the first `cut` bytes of it."""

    data: bytes = b""
    dropped: int = 0
    cut: int = 0


@dataclass
class AgentReport:
    """What the agent says of a run.

    `not_started` is the reason why there was none; `is_lost` says that the process that watched it was ended;
    `had_too_many`, that it was ended because it had more processes than it may.
    `files` and `missing` have the content of each output, or the reason why there is none, by the output's number and
    the path below it, which is empty for the output itself.
    """

    status: Status | None = None
    not_started: str | None = None
    is_lost: bool = False
    seconds: float = 0.0
    timed_out: bool = False
    had_too_many: bool = False
    stdout: Stream = field(default_factory=Stream)
    stderr: Stream = field(default_factory=Stream)
    files: dict[tuple[int, str], bytes] = field(default_factory=dict[tuple[int, str], bytes])
    missing: dict[tuple[int, str], str] = field(default_factory=dict[tuple[int, str], str])


def read_file(path: Path, outputs: int) -> AgentReport:
    """Read the result in a file, of a run with so many outputs.

    Raises FrameError for content that the agent cannot have written, and for anything but a regular file.
    """
    with open_exported(path) as file:
        return read(file, os.fstat(file.fileno()).st_size, outputs)


def open_exported(path: Path) -> BinaryIO:
    """Open a file that came out of a container, for reading.

    Raises FrameError for a link, for anything but a regular file, and for more than SIZE_LIMIT bytes.
    """
    try:
        descriptor = os.open(path, _OPEN)
    except OSError as error:
        msg = f"it cannot be opened: {error.strerror}"
        raise FrameError(msg) from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > SIZE_LIMIT:
        os.close(descriptor)
        msg = f"it is not a regular file of at most {SIZE_LIMIT} bytes"
        raise FrameError(msg)
    return os.fdopen(descriptor, "rb")


def read(file: BinaryIO, size: int, outputs: int = 0) -> AgentReport:
    """Read a result of `size` bytes, of a run with so many outputs.

    Raises FrameError for what the agent cannot have written.
    """
    report, seen = AgentReport(), set[bytes]()
    for kind, payload in frames.read(file, size, MAGIC):
        reader = _READERS.get(kind)
        if reader is None or kind in seen:
            msg = f"it has a frame {kind!r}{' twice' if reader else ''}"
            raise FrameError(msg)
        if kind not in {b"F", b"M"}:
            seen.add(kind)
        reader(report, payload)
    _check(report, seen, outputs)
    return report


def _check(report: AgentReport, seen: set[bytes], outputs: int) -> None:
    whole = {b"s", b"t", b"o", b"e"}
    if seen - {b"k", b"p"} not in (whole, {b"f"}, {b"l"}):
        msg = f"it has the frames {sorted(seen)}"
        raise FrameError(msg)
    for number, path in (*report.files, *report.missing):
        if number >= outputs:
            msg = f"it has an output {number} of a run with {outputs} outputs"
            raise FrameError(msg)
        if path and not _is_below(path):
            msg = f"it has an output {path[:200]!r}"
            raise FrameError(msg)


def _is_below(path: str) -> bool:
    pure = PurePosixPath(path)
    return not pure.is_absolute() and ".." not in pure.parts and "\0" not in path and str(pure) == path != "."


def _read_status(report: AgentReport, payload: Payload) -> None:
    report.status = Status.of(payload.text())


def _read_lost(report: AgentReport, payload: Payload) -> None:
    report.status, report.is_lost = Status.of(payload.text()), True


def _read_not_started(report: AgentReport, payload: Payload) -> None:
    report.not_started = payload.text()


def _read_seconds(report: AgentReport, payload: Payload) -> None:
    report.seconds = payload.number(8) / 1e9


def _read_timeout(report: AgentReport, _: Payload) -> None:
    report.timed_out = True


def _read_too_many(report: AgentReport, _: Payload) -> None:
    report.had_too_many = True


def _read_stdout(report: AgentReport, payload: Payload) -> None:
    report.stdout = _read_stream(payload)


def _read_stderr(report: AgentReport, payload: Payload) -> None:
    report.stderr = _read_stream(payload)


def _read_stream(payload: Payload) -> Stream:
    dropped, cut = payload.number(8), payload.number(8)
    if cut > payload.left:
        msg = f"a stream of {payload.left} bytes is cut after {cut}"
        raise FrameError(msg)
    return Stream(payload.take(payload.left), dropped, cut)


def _read_output(report: AgentReport, payload: Payload) -> None:
    key = _output(report, payload)
    report.files[key] = payload.take(payload.left)


def _read_missing(report: AgentReport, payload: Payload) -> None:
    key = _output(report, payload)
    report.missing[key] = payload.text()


def _output(report: AgentReport, payload: Payload) -> tuple[int, str]:
    key = (payload.number(), frames.decoded(payload.take(payload.number())))
    if key in report.files or key in report.missing:
        msg = f"it has an output {key[1][:200]!r} twice"
        raise FrameError(msg)
    return key


_READERS: dict[bytes, Callable[[AgentReport, Payload], None]] = {
    b"s": _read_status,
    b"l": _read_lost,
    b"f": _read_not_started,
    b"t": _read_seconds,
    b"k": _read_timeout,
    b"p": _read_too_many,
    b"o": _read_stdout,
    b"e": _read_stderr,
    b"F": _read_output,
    b"M": _read_missing,
}
