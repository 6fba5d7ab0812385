"""Files and folders of the host, sent to the engine under names that change with their content."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pytest_dagger_rust import scratch
from pytest_dagger_rust.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    import dagger

FileContent: TypeAlias = "str | bytes | Path"


class HostInputs:
    """Copies of what was put into containers; deleted with this object.

    The engine's host sync can miss a file rewritten with the same size and time. So it only reads copies,
    each named by the digest of its content.
    """

    def __init__(self, client: dagger.Client) -> None:
        self._client = client
        self._folder = scratch.new_folder()
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def put(self, container: dagger.Container, path: str, content: FileContent) -> dagger.Container:
        """Return the container with the content at an absolute path.

        Raises ConfigurationError if it cannot be read.
        """
        with unreadable(path):
            if isinstance(content, Path) and content.is_dir():
                return container.with_directory(path, self._directory(content))
            return container.with_file(path, self.file(content))

    def file(self, content: FileContent) -> dagger.File:
        """Return one file; a path's file keeps its permissions.

        Raises ConfigurationError if the path is not a file.
        """
        data, mode = read_content(content)
        copy = Path(self._folder, f"{hashlib.sha256(data).hexdigest()}-{mode:o}")
        if not copy.exists():
            unfinished = Path(tempfile.mkdtemp(dir=self._folder), "file")
            unfinished.write_bytes(data)
            unfinished.chmod(mode)
            unfinished.replace(copy)
        return self._client.host().file(str(copy))

    def _directory(self, source: Path) -> dagger.Directory:
        unfinished = Path(tempfile.mkdtemp(dir=self._folder))
        shutil.copytree(source, unfinished, symlinks=True, dirs_exist_ok=True, copy_function=_copy)
        copy = self._folder / tree_digest(unfinished)
        if copy.exists():
            shutil.rmtree(unfinished)
        else:
            unfinished.rename(copy)
        return self._client.host().directory(str(copy))


def read_content(content: FileContent) -> tuple[bytes, int]:
    """Return what a file is to hold, and its permissions.

    Raises ConfigurationError if a path is not a file.
    """
    if isinstance(content, Path) and not content.is_file():
        if content.exists():
            raise ConfigurationError(f"files: {content} is neither a file nor a folder.")
        raise ConfigurationError(f"files: there is no file or folder {content}.")
    data = content.read_bytes() if isinstance(content, Path) else content
    mode = content.stat().st_mode & 0o777 if isinstance(content, Path) else 0o644
    return (data.encode() if isinstance(data, str) else data), mode


@contextlib.contextmanager
def unreadable(path: str) -> Generator[None]:
    """Raise ConfigurationError for what cannot be read to be put at `path`."""
    try:
        yield
    except (OSError, UnicodeEncodeError) as error:
        raise ConfigurationError(f"files: {_why_not(error, path)}.") from None


def _copy(source: str, copy: str) -> str:
    """Copy a regular file; a device might never end."""
    if not stat.S_ISREG(os.stat(source, follow_symlinks=False).st_mode):  # noqa: PTH116 - may be an os.DirEntry
        raise shutil.SpecialFileError(f"{os.fspath(source)} is not a regular file")
    return shutil.copy2(source, copy)


def _why_not(error: OSError | UnicodeEncodeError, path: str) -> str:
    """Return what cannot be put at `path`, and why."""
    if isinstance(error, UnicodeEncodeError):
        return f"the text for {path} cannot be encoded as UTF-8: {error.reason} at position {error.start}; pass bytes"
    if isinstance(error, shutil.Error):
        # Copying a folder goes on after an error, and gathers all of them.
        _, _, reason = error.args[0][0]
        return f"a folder cannot be copied: {reason}"
    return f"{error.filename or path} cannot be read: {error.strerror or error}"


def tree_digest(folder: Path) -> str:
    """Return the SHA-256 of a folder's names, permissions and content."""
    digest = hashlib.sha256()
    for path in below(folder):
        data = b""
        if path.is_symlink():
            data = os.fsencode(path.readlink())
        elif path.is_file():
            data = path.read_bytes()
        head = [os.fsencode(path.relative_to(folder)), f"{path.lstat().st_mode:o} {len(data)}".encode()]
        digest.update(b"\0".join([*head, data]))
    return digest.hexdigest()


def below(folder: Path) -> Iterator[Path]:
    """Return all that is below a folder, in a fixed order; links are not followed."""
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from below(path)
