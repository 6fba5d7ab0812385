"""The stack as a whole: up, down, and what a shell must know of it."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dev.stack import images
from dev.stack.engine import VERSION, Engine
from dev.stack.registry import Registry
from dev.stack.settings import CHECKOUT, Settings
from dev.stack.shell import say
from dev.stack.source import CLIENT, RUNNER_HOST, Source, choose, docker_works

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

BUILDER_IMAGE = "PYTEST_DAGGER_RUST_BUILDER_IMAGE"
RUNTIME_IMAGE = "PYTEST_DAGGER_RUST_RUNTIME_IMAGE"
DATABASE_IMAGE = "POSTGRES_IMAGE"


@dataclass(frozen=True)
class Stack:
    """The engine, the registry and the images of one cache folder."""

    settings: Settings

    @property
    def engine(self) -> Engine:
        """The stack's engine."""
        return Engine(self.settings)

    @property
    def registry(self) -> Registry:
        """The stack's registry."""
        return Registry(self.settings)

    @property
    def host(self) -> str:
        """The engine's address, as Dagger's clients spell it."""
        return f"unix://{self.engine.socket}"

    def source(self) -> Source:
        """Choose where the engine comes from on this machine."""
        root_on_linux = sys.platform == "linux" and os.geteuid() == 0
        return choose(os.environ, own_host=self.host, docker=docker_works, root_on_linux=root_on_linux)

    def up(self) -> Source:
        """Bring everything up that is not, and say in one line where the engine is."""
        source = self.source()
        if source is Source.BUILT:
            with locked(self.settings.cache):
                self.registry.up()
                self.engine.up()
                for image in images.DEFAULT:
                    images.ensure(image, self.registry)
        say(f"stack: engine: {source.value}{self._where(source)}")
        return source

    def down(self) -> None:
        """End everything this stack started."""
        with locked(self.settings.cache):
            self.engine.down()
            self.registry.down()
        say("stack: down")

    def clean(self) -> None:
        """End everything, and delete every cache."""
        self.down()
        shutil.rmtree(self.settings.cache)
        say(f"stack: deleted {self.settings.cache}")

    def status(self) -> str:
        """Return one line for each daemon that runs."""
        files = (self.registry.pid_file, self.engine.pid_file)
        running = [(file.path.stem, process) for file in files if (process := file.read())]
        return "\n".join(f"{name}: process {process.pid}" for name, process in running)

    def image(self, reference: str) -> str:
        """Make one image, up to date, and return its full name."""
        wanted = images.find(reference)
        with locked(self.settings.cache):
            self.registry.up()
            return images.ensure(wanted, self.registry)

    def exports(self, source: Source) -> str:
        """Return the lines that a shell evaluates."""
        return export_lines(self.variables(source), CHECKOUT / ".venv" / "bin")

    def variables(self, source: Source) -> dict[str, str]:
        """Return what the environment must say for Dagger's clients and the plugin to use this stack."""
        if source is not Source.BUILT:
            return {}
        return {
            CLIENT: str(self.engine.client),
            RUNNER_HOST: self.host,
            BUILDER_IMAGE: f"{self.settings.registry}/{images.BUILDER.reference}",
            RUNTIME_IMAGE: f"{self.settings.registry}/{images.RUNTIME.reference}",
            DATABASE_IMAGE: f"{self.settings.registry}/{images.DATABASE.reference}",
        }

    def _where(self, source: Source) -> str:
        return f" ({VERSION}, {self.host})" if source is Source.BUILT else ""


def export_lines(variables: Mapping[str, str], programs: Path) -> str:
    """Spell variables and a folder of programs for a POSIX shell."""
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    return "\n".join([*lines, f'export PATH={shlex.quote(str(programs))}:"$PATH"'])


@contextmanager
def locked(folder: Path) -> Generator[None]:
    """Let one process at a time change a stack; the lock ends with the process that holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("stack: another process is at work on this stack; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
