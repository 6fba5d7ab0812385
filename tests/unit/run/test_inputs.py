"""Tests of what is put into containers: what cannot be read is an error that names it."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_dagger_rust import ConfigurationError
from pytest_dagger_rust.run.inputs import HostInputs

if TYPE_CHECKING:
    from collections.abc import Callable


class Anything:
    """Stands for a client and a container: takes every call."""

    def __getattr__(self, _: str) -> Callable[..., Anything]:
        return lambda *_: self


def put(content: Any) -> None:
    """Put something into a container that takes anything."""
    client = cast("Any", Anything())
    HostInputs(client).put(client, "/data", content)


@pytest.fixture
def special(tmp_path: Path) -> Path:
    """A folder with a named pipe in it, and one with a socket."""
    (tmp_path / "pipes").mkdir()
    os.mkfifo(tmp_path / "pipes/fifo")
    (tmp_path / "sockets").mkdir()
    with socket.socket(socket.AF_UNIX) as unix, pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path / "sockets")
        unix.bind("socket")
    return tmp_path


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("gone", "there is no file or folder "),
        ("pipes/fifo", "pipes/fifo is neither a file nor a folder"),
        ("pipes", "a folder cannot be copied: .*pipes/fifo"),
        ("sockets", "a folder cannot be copied: .*sockets/socket"),
    ],
)
def test_what_cannot_be_put(special: Path, path: str, words: str) -> None:
    """Named pipes and sockets are told, alone and in a folder, and never opened."""
    with pytest.raises(ConfigurationError, match=f"^files: {'.*' if path == 'pipes/fifo' else ''}{words}"):
        put(special / path)


def test_text_that_is_none() -> None:
    """A lone surrogate has no UTF-8."""
    words = "files: the text for /data cannot be encoded as UTF-8: surrogates not allowed at position 1; pass bytes."
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        put("a\udc80")


def test_a_file_that_goes_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its path and the reason are in the message."""
    (tmp_path / "file").touch()

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ConfigurationError, match="file cannot be read: Permission denied"):
        put(tmp_path / "file")
