"""Tests of the path by which an SSH agent's socket is reached."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.builds.access import _LONGEST_SOCKET, _socket
from pytest_dagger_rust.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path


def test_sessions_have_one_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each agent has a socket of its own, and what was fetched is not fetched anew because of it."""
    paths: list[str] = []
    for name in ("first", "second"):
        socket = tmp_path / name
        socket.touch()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        paths.append(_socket("env://SSH_AUTH_SOCK", tmp_path / "kept"))
        assert socket.samefile(paths[-1])
    assert paths[0] == paths[1]


@pytest.mark.parametrize("beyond", [0, 1])
def test_a_path_that_is_too_long_for_a_socket(tmp_path: Path, beyond: int) -> None:
    """The agent's own path is taken in place of one that nothing can connect to."""
    socket = tmp_path / "socket"
    socket.touch()
    rest = _LONGEST_SOCKET - len(os.fsencode(tmp_path / "x" / "ssh-agent")) + 1 + beyond
    folder = tmp_path / ("x" * rest)
    taken = _socket(str(socket), folder)
    assert taken == str(socket if beyond else folder / "ssh-agent")
    assert len(taken) <= _LONGEST_SOCKET


def test_an_agent_that_is_not_there(tmp_path: Path) -> None:
    """The setting is named."""
    with pytest.raises(ConfigurationError, match="ssh_agent: there is no socket of an SSH agent at"):
        _socket(str(tmp_path / "nowhere"), tmp_path)
