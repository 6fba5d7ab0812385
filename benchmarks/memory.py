"""Reads how much memory this process has used at most."""

from __future__ import annotations

from pathlib import Path


def peak() -> int:
    """Return the most KB of memory that this program has had at once.

    `ru_maxrss` would be at least that of the process that started it, which may be larger.
    """
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmHWM"].split()[0])
