"""Tests of what is kept of a service's log."""

from __future__ import annotations

import pytest

from pytest_dagger_rust.run import transcript
from pytest_dagger_rust.run.transcript import Log


@pytest.mark.parametrize("dropped", [0, 1, 5, 10_000])
def test_bytes_that_never_arrive_do_not_move_the_mark(dropped: int) -> None:
    """A test sees what was written while it ran, not what was written before."""
    log = Log()
    log.append(b"of an earlier test\n")
    log.mark()
    log.append(b"first\n")
    log.skip(dropped)
    log.append(b"last\n")
    missing = f"... {dropped} bytes are not shown\n" if dropped else ""
    assert log.since_mark() == f"{missing}first\nlast\n"
    assert log.lost == dropped


def test_bytes_lost_before_the_mark_are_not_missed_after_it() -> None:
    """They belong to an earlier test."""
    log = Log()
    log.append(b"earlier")
    log.skip(7)
    log.mark()
    log.append(b"now")
    assert log.since_mark() == "now"


def test_a_log_beyond_the_limit_says_how_much_of_a_test_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what goes, the part before the mark does not count."""
    monkeypatch.setattr(transcript, "_LOG_LIMIT", 10)
    log = Log()
    log.append(b"12345")
    log.mark()
    log.append(b"abcdefgh")
    assert log.since_mark() == "abcdefgh"
    log.append(b"ijklmn")
    assert log.since_mark() == "... 4 bytes are not shown\nefghijklmn"
    assert (log.text, log.lost) == ("efghijklmn", 9)
