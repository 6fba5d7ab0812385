"""Frames, as they travel to and from the agent: a kind of one byte, a length of four, and as many bytes.

A file of frames begins with a line that says what it is, in which version, and ends with the frame END. The agent's
end is `rust/frames.rs`. Nothing is believed of a length before as many bytes are there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

END = b"."
_HEAD = 5


class FrameError(Exception):
    """What was read is not made of frames, or of other ones than were expected."""


def frame(kind: bytes, *parts: bytes) -> bytes:
    """Return a frame."""
    return b"".join([kind, sum(map(len, parts)).to_bytes(4, "big"), *parts])


def strings(texts: Iterable[str]) -> bytes:
    """Return texts for a payload, each after its length."""
    encoded = (text.encode("utf-8", "surrogateescape") for text in texts)
    return b"".join(len(data).to_bytes(4, "big") + data for data in encoded)


class Payload:
    """The bytes of one frame, of which nothing is read before it is asked for."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file = file
        self.left = length

    def take(self, count: int) -> bytes:
        """Read as many bytes.

        Raises FrameError where there are fewer.
        """
        if count > self.left:
            msg = f"a part of {count} bytes is in a frame with {self.left} bytes left"
            raise FrameError(msg)
        self.left -= count
        data = self._file.read(count)
        if len(data) < count:
            msg = f"it ends {count - len(data)} bytes too early"
            raise FrameError(msg)
        return data

    def number(self, width: int = 4) -> int:
        """Read a number of as many bytes."""
        return int.from_bytes(self.take(width), "big")

    def text(self) -> str:
        """Read all that is left, as text."""
        return decoded(self.take(self.left))


def decoded(data: bytes) -> str:
    """Return bytes as text, from which they can be had back."""
    return data.decode("utf-8", "surrogateescape")


def read(file: BinaryIO, size: int, magic: bytes) -> Iterator[tuple[bytes, Payload]]:
    """Read the frames of a file of `size` bytes; each payload has to be read to its end before the next frame.

    Raises FrameError for whatever is not one whole file of frames that begins with `magic`.
    """
    if file.read(len(magic)) != magic:
        msg = f"it does not begin with {magic.decode().strip()!r}"
        raise FrameError(msg)
    left = size - len(magic)
    while True:
        kind, length, left = _read_head(file, left)
        if kind == END:
            break
        payload = Payload(file, length)
        yield kind, payload
        if payload.left:
            msg = f"the frame {kind!r} has {payload.left} bytes too many"
            raise FrameError(msg)
    if left or length:
        msg = f"it goes on for {left + length} bytes after its end"
        raise FrameError(msg)


def _read_head(file: BinaryIO, left: int) -> tuple[bytes, int, int]:
    """Read a frame's kind and length; return what is left of the file after the whole frame, too."""
    head = file.read(_HEAD)
    length = int.from_bytes(head[1:], "big")
    missing = _HEAD + length - left if len(head) == _HEAD else _HEAD - len(head)
    if missing > 0:
        msg = f"it ends {missing} bytes too early"
        raise FrameError(msg)
    return head[:1], length, left - _HEAD - length
