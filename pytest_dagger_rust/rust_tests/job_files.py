"""The files that send calls of test binaries to the agent and return their results."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pytest_dagger_rust.container import frames
from pytest_dagger_rust.container.frames import FrameError
from pytest_dagger_rust.run import results

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import BinaryIO

    from pytest_dagger_rust.container.frames import Payload
    from pytest_dagger_rust.run.results import AgentReport
    from pytest_dagger_rust.rust_tests.written_back import WrittenBack

JOBS = b"pytest-dagger-rust jobs 1\n"
RESULTS = b"pytest-dagger-rust results 1\n"


@dataclass(frozen=True)
class Program:
    """A test binary as it is called: where, with which variables, and its path and arguments."""

    folder: str
    env: Mapping[str, str] = field(repr=False)
    command: tuple[str, ...]


class Call(NamedTuple):
    """One call of a program, by its number, with further arguments."""

    program: int
    arguments: tuple[str, ...] = ()


def write(programs: Sequence[Program], calls: Sequence[Call]) -> bytes:
    """Return the file of calls."""
    parts = [JOBS]
    for program in programs:
        parts.append(frames.frame(b"b", frames.strings([program.folder, *program.command])))
        variables = (f"{name}={value}" for name, value in sorted(program.env.items()))
        parts.append(frames.frame(b"e", frames.strings(variables)))
    for call in calls:
        number = call.program.to_bytes(4, "big")
        parts.append(frames.frame(b"j", number, frames.strings(call.arguments)))
    return b"".join([*parts, frames.frame(frames.END)])


def split(file: BinaryIO, size: int, calls: int, back: WrittenBack | None = None) -> dict[int, bytes]:
    """Return the results of the calls that were made, by their numbers; `back` takes the files that they have written.

    Raises FrameError for what the agent cannot have written.
    """
    found: dict[int, bytes] = {}
    for kind, payload in frames.read(file, size, RESULTS):
        if back is not None and kind in {b"F", b"M"}:
            _bring(back, kind, payload)
            continue
        number = payload.number()
        if kind != b"j" or number >= calls or number in found:
            msg = f"it has a frame {kind!r} for the call {number} of {calls}"
            raise FrameError(msg)
        found[number] = payload.take(payload.left)
    return found


def _bring(back: WrittenBack, kind: bytes, payload: Payload) -> None:
    path = frames.decoded(payload.take(payload.number()))
    if kind == b"F":
        back.take(path, payload.take(payload.left))
    else:
        back.miss(path, payload.text())


def read(result: bytes) -> AgentReport:
    """Return the result of one call.

    Raises FrameError for what the agent cannot have written.
    """
    return results.read(io.BytesIO(result), len(result))
