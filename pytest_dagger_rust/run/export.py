"""Exports a file from the engine, whole or not at all."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dagger_rust.engine.plain import without_trace
from pytest_dagger_rust.errors import ConfigurationError

if TYPE_CHECKING:
    from os import PathLike

    import dagger


async def export(file: dagger.File, name: str, destination: str | PathLike[str]) -> Path:
    """Write the file, executable, to `destination`, or into it if it is a folder, and return the file's path.

    Raises ConfigurationError if the file cannot be written.
    """
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    path = _place(name, destination)
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".pytest-dagger-rust-") as folder:
            unfinished = Path(folder) / name
            await file.export(str(unfinished))
            unfinished.chmod(0o755)
            unfinished.replace(path)
    except OSError as error:
        raise _unwritable(path, str(error.strerror)) from None
    except dagger.QueryError as error:
        # The engine's client writes the file; its error for a full disk is long.
        reason = without_trace(str(error)).rpartition(": ")[2]
        raise _unwritable(path, reason) from None
    return path


def _place(name: str, destination: str | PathLike[str]) -> Path:
    path = Path(destination).absolute()
    path = path / name if path.is_dir() else path
    if path.is_dir():
        raise _unwritable(path, "a folder has that name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise _unwritable(path, f"{error.filename} is not a folder") from None
    except OSError as error:
        raise _unwritable(path, str(error.strerror)) from None
    return path


def _unwritable(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError(f"export: {path} cannot be written: {reason}.")
