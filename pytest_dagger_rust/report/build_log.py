"""What one pytest process waits for and builds: shown while it happens, kept for the summary."""

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
    from pytest_dagger_rust.engine.otlp import Batch
    from pytest_dagger_rust.rust_build import RustBuild
    from pytest_dagger_rust.rust_tests.build import RustTestBuild
    from pytest_dagger_rust.wheels.wheel import Wheel


class Waits(Protocol):
    """Where waits are shown."""

    def waiting(self, what: str) -> AbstractContextManager[None]:
        """Show that the caller waits, as long as the context lasts."""
        ...

    def hear(self, batch: Batch) -> None:
        """Take details from what the CLI sends of the session's work."""
        ...


@dataclass
class BuildRecord:
    """One build, of programs, of tests or of a wheel: its options, how long it took, and its result.

    `wheel` is the package of the wheel and the Python it is for, empty for other builds.
    """

    options: CargoOptions
    root: Path
    started: float
    tests: bool = False
    manifest_path: str = ""
    wheel: str = ""
    seconds: float = 0.0
    made: RustBuild | RustTestBuild | Wheel | None = None
    error: BaseException | None = None


@dataclass
class BuildLog:
    """The builds of one process in the order they started, its finished waits, and where waits are shown.

    `notes` are lines for the summary that belong to no build.
    """

    progress: Waits
    builds: list[BuildRecord] = field(default_factory=list[BuildRecord])
    waits: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    notes: list[str] = field(default_factory=list[str])

    @property
    def waited(self) -> float:
        """Total seconds of finished waits."""
        return sum(seconds for _, seconds in self.waits)

    @contextlib.contextmanager
    def waiting(self, what: str) -> Generator[None]:
        """Show that the caller waits while the context lasts, and record how long."""
        started = time.monotonic()
        try:
            with self.progress.waiting(what):
                yield
        finally:
            self.waits.append((what, time.monotonic() - started))

    @contextlib.contextmanager
    def observe(
        self,
        options: CargoOptions,
        root: Path,
        *,
        tests: bool = False,
        manifest_path: str = "",
        wheel: str = "",
    ) -> Generator[Callable[[RustBuild | RustTestBuild | Wheel], None]]:
        """Record a build of the workspace at `root`; call the yielded function with what was made.

        `manifest_path` is the path to show of a workspace that is not the configured one, `wheel` says which wheel is
        made.
        """
        build = BuildRecord(options, root, time.time(), tests, manifest_path, wheel)
        self.builds.append(build)

        def done(made: RustBuild | RustTestBuild | Wheel) -> None:
            build.made = made

        try:
            with self.waiting(_what(tests=tests, wheel=wheel)):
                yield done
        except BaseException as error:
            build.error = error
            raise
        finally:
            build.seconds = time.time() - build.started


def _what(*, tests: bool, wheel: str) -> str:
    if wheel:
        return f"building the wheel of {wheel}"
    return "building the Rust tests" if tests else "building"
