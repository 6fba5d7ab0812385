"""Which engine to use, in order: the one the environment names, Docker's, one built here."""

from __future__ import annotations

import enum
import shutil
import subprocess
from typing import TYPE_CHECKING

from dev.stack.settings import StackError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

RUNNER_HOST = "_EXPERIMENTAL_DAGGER_RUNNER_HOST"
CLIENT = "_EXPERIMENTAL_DAGGER_CLI_BIN"
SESSION_PORT = "DAGGER_SESSION_PORT"

NO_ENGINE = (
    f"No Dagger engine can be had here: name a running one in {RUNNER_HOST}, "
    "or start a Docker daemon that this user may use, or run this as root on Linux, "
    "where one is built from its Go modules."
)


class Source(enum.Enum):
    """Where the engine comes from, as a line tells the user."""

    NAMED = "the one the environment names"
    DOCKER = "provisioned by the Dagger SDK in the Docker daemon"
    BUILT = "built here from its Go modules"


def choose(
    environment: Mapping[str, str], *, own_host: str, docker: Callable[[], bool], root_on_linux: bool
) -> Source:
    """Pick the first source that is there; an environment that names our own engine names none."""
    if environment.get(SESSION_PORT) or environment.get(RUNNER_HOST, own_host) not in {"", own_host}:
        return Source.NAMED
    if not environment.get(RUNNER_HOST) and docker():
        return Source.DOCKER
    if root_on_linux:
        return Source.BUILT
    raise StackError(NO_ENGINE)


def docker_works() -> bool:
    """Whether a Docker daemon answers this user."""
    docker = shutil.which("docker")
    if not docker:
        return False
    try:
        asked = [docker, "version", "--format", "{{.Server.Version}}"]
        done = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and bool(done.stdout.strip())
