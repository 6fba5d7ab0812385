"""The errors that this package raises."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pytest_dagger_rust.diagnostics import Diagnostic


# Half a surrogate is a byte of a file's name that is not UTF-8.
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def one_line(text: str) -> str:
    """Return a text that comes from files as one line without control characters: they are written as Python does."""
    return _UNSHOWN.sub(lambda found: ascii(found[0])[1:-1], text)


def nearest(name: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: the one that was probably meant, or all there are."""
    import difflib  # noqa: PLC0415 - for mistakes only

    known = sorted(known)
    # What all of them begin with would make any two of them look alike.
    common = len(os.path.commonprefix([name, *known]))  # noqa: RUF071 - these are no paths
    rests = {other[common:]: other for other in known}
    begun = [rest for rest in rests if rest.startswith(name[common:])] if len(name) > common else []
    close = begun or difflib.get_close_matches(name[common:], rests, 1)
    return f"Did you mean {rests[close[0]]}?" if close else f"There are: {', '.join(known)}."


class DaggerRustError(Exception):
    """Base class of every error that this package raises deliberately."""


class ConfigurationError(DaggerRustError):
    """A setting, an option or an override of a fixture has an invalid value."""


class DeprecatedNameWarning(DeprecationWarning):
    """A name is used that another one replaces; the message has both."""


class WorkspaceError(DaggerRustError):
    """A Cargo workspace cannot be read the way cargo reads it.

    `file` and `line` are the place, from line 1, or None if unknown; `hint` says what to do.
    """

    def __init__(
        self, message: str, *, file: Path | None = None, line: int | None = None, hint: str | None = None
    ) -> None:
        self.message = message
        self.file = file
        self.line = line
        self.hint = hint
        super().__init__(str(self))

    def __str__(self) -> str:
        text = one_line(self.message)
        if self.file is not None:
            file = one_line(str(self.file))
            text = f"{file}: {text}" if self.line is None else f"{file}:{self.line}: {text}"
        return text if self.hint is None else f"{text}\n  {self.hint}"


class EngineUnavailable(DaggerRustError):  # noqa: N818 - the name is part of the public contract
    """No Dagger engine could be reached or started, or the connection to it was lost."""


class RustBuildError(DaggerRustError):
    """cargo failed; `diagnostics` holds rustc's messages.

    `root` is the workspace's folder, which the files of the diagnostics are relative to, or None if unknown.
    """

    def __init__(
        self, message: str, *, diagnostics: Sequence[Diagnostic] = (), root: Path | None = None
    ) -> None:
        self.diagnostics = tuple(diagnostics)
        self.root = root
        super().__init__(message)


class StaleBinaryError(DaggerRustError):
    """A binary could not be proved to come from the sources on disk, so no test gets it."""
