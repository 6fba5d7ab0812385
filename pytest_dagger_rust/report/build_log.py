"""What one pytest process has waited for and built: shown while it happens, kept for the end."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pytest_dagger_rust.builds.options import CargoOptions
    from pytest_dagger_rust.rust_build import RustBuild
    from pytest_dagger_rust.rust_tests.build import RustTestBuild


class Waits(Protocol):
    """Where waits are shown."""

    def waiting(self, what: str) -> AbstractContextManager[None]:
        """Show that the caller waits, as long as the context lasts."""
        ...

    def follow(self, log: Callable[[], Path | None]) -> None:
        """Take more words from the file this gives, the log of the CLI that serves the session."""
        ...


@dataclass
class BuildRecord:
    """One build, of programs or of tests: its options, the seconds it was waited for, and what came of it."""

    options: CargoOptions
    root: Path
    started: float
    tests: bool = False
    seconds: float = 0.0
    made: RustBuild | RustTestBuild | None = None
    error: BaseException | None = None


@dataclass
class BuildLog:
    """The builds of one process, in the order they began, its finished waits, and where waits are shown."""

    progress: Waits
    builds: list[BuildRecord] = field(default_factory=list[BuildRecord])
    waits: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])

    @property
    def waited(self) -> float:
        """Seconds of all waits that are over."""
        return sum(seconds for _, seconds in self.waits)

    @contextlib.contextmanager
    def waiting(self, what: str) -> Generator[None]:
        """Show that the caller waits as long as the context lasts, and keep how long that was."""
        started = time.monotonic()
        try:
            with self.progress.waiting(what):
                yield
        finally:
            self.waits.append((what, time.monotonic() - started))

    @contextlib.contextmanager
    def observe(
        self, options: CargoOptions, root: Path, *, tests: bool = False
    ) -> Generator[Callable[[RustBuild | RustTestBuild], None]]:
        """Enclose a build of the workspace at `root`; what it gives is called with the build when there is one."""
        build = BuildRecord(options, root, time.time(), tests)
        self.builds.append(build)

        def done(made: RustBuild | RustTestBuild) -> None:
            build.made = made

        try:
            with self.waiting("building the Rust tests" if tests else "building"):
                yield done
        except BaseException as error:
            build.error = error
            raise
        finally:
            build.seconds = time.time() - build.started
