"""The errors a user can meet, each written for the person who reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pytest_dagger_rust.diagnostics import Diagnostic


class DaggerRustError(Exception):
    """Base class of every error this package raises on purpose."""


class ConfigurationError(DaggerRustError):
    """A setting, option or fixture override has a value that cannot work."""


class WorkspaceError(DaggerRustError):
    """A Cargo workspace cannot be read as cargo would read it.

    `file` is the offending file and `line` its 1-based line, each None where it is not known; `hint` says what
    to do next.
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
        text = self.message
        if self.file is not None:
            text = f"{self.file}: {text}" if self.line is None else f"{self.file}:{self.line}: {text}"
        return text if self.hint is None else f"{text}\n  {self.hint}"


class EngineUnavailable(DaggerRustError):  # noqa: N818 - the name is part of the public contract
    """No Dagger engine could be reached, started or kept."""


class RustBuildError(DaggerRustError):
    """cargo reported that the build failed; `diagnostics` holds what rustc said."""

    def __init__(self, message: str, *, diagnostics: Sequence[Diagnostic] = ()) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(message)


class StaleBinaryError(DaggerRustError):
    """A binary could not be proved to come from the current sources, so it is not handed out."""
