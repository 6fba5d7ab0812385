"""The Dagger engine: built from its Go modules, run in namespaces of its own, reached by a unix socket."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dev.stack import network, packages, process
from dev.stack.settings import DEV, StackError, content_key
from dev.stack.shell import run, say, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dev.stack.settings import Settings

VERSION = "v0.19.10"
SOURCES = DEV / "engine"
GO_FLAGS = (
    "-mod=readonly",
    "-modcacherw",
    "-trimpath",
    "-buildvcs=false",
    "-tags=dfexcludepatterns,dfparents",
    "-ldflags=-s -w "
    + " ".join(f"-X github.com/dagger/dagger/engine.{name}={VERSION}" for name in ("Version", "Tag")),
)

# The engine's own defaults drop every cache after each session while a fifth of the disk is not free. When there is too
# much, half of it goes at once: otherwise each session from then on ends with a search for a little.
GARBAGE_COLLECTION = {
    "policies": [
        {
            "all": True,
            "reservedSpace": "5GB",
            "minFreeSpace": "2GB",
            "maxUsedSpace": "30GB",
            "sweepSize": "15GB",
        }
    ]
}

UNSHARE = ("unshare", "--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--mount-proc")
PASSED_ON = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "HOME", "LANG")
LONGEST_SOCKET_PATH = 107
OLDEST_GO = (1, 21)


@dataclass(frozen=True)
class Engine:
    """The engine of one stack."""

    settings: Settings

    @property
    def folder(self) -> Path:
        """Everything of the engine's: its builds, its socket, its state."""
        return self.settings.cache / "engine"

    @property
    def socket(self) -> Path:
        """Where the engine listens."""
        return self.folder / "engine.sock"

    @property
    def client(self) -> Path:
        """The `dagger` program of the same build."""
        return self.folder / "bin" / "dagger"

    @property
    def log(self) -> Path:
        """What the engine says of itself."""
        return self.settings.logs / "engine.log"

    @property
    def state(self) -> Path:
        """The engine's layers and cache volumes."""
        return self.folder / "state"

    @property
    def pid_file(self) -> process.PidFile:
        """The file that remembers the engine's process."""
        return process.PidFile(self.settings.run / "engine.pid")

    def up(self) -> None:
        """Build the engine if need be, and start it unless the right one already answers."""
        if len(os.fsencode(self.socket)) > LONGEST_SOCKET_PATH:
            raise StackError(
                f"{self.socket} is too long a path for a socket: choose a shorter XDG_CACHE_HOME."
            )
        build = self.build()
        key = content_key(build.name, self._configuration(), (SOURCES / "start-engine.sh").read_bytes())
        running = self.pid_file.read()
        if running and running.key == key and answers(self.socket) and self.client.exists():
            return
        self.down()
        self._start(build, key)

    def down(self) -> None:
        """End the engine and all it started, and take its network away."""
        if running := self.pid_file.read():
            inner = running.children()
            process.stop(running, main=inner[0] if inner else None)
        self.pid_file.clear()
        self.socket.unlink(missing_ok=True)
        network.remove(self.settings.network, self.settings.subnet)

    def build(self) -> Path:
        """Return the folder of the programs, built from the present sources; a half-built one is swept."""
        key = content_key(platform.machine(), *GO_FLAGS, *(file.read_bytes() for file in _sources()))
        target = self.folder / f"build-{key}"
        if not target.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            for leftover in self.folder.glob("partial-*"):
                shutil.rmtree(leftover)
            partial = Path(tempfile.mkdtemp(prefix="partial-", dir=self.folder))
            partial.chmod(0o755)
            with step(f"building the engine {VERSION} from its Go modules (some minutes, once)"):
                compile_into(partial, self.settings.cache / "go")
            partial.rename(target)
        return target

    def _start(self, build: Path, key: str) -> None:
        packages.ensure(packages.ENGINE)
        (self.folder / "engine.json").write_text(self._configuration())
        link = self.folder / "bin.partial"
        link.unlink(missing_ok=True)
        link.symlink_to(build.name)
        link.replace(self.folder / "bin")
        # A machine that stops while the engine writes can leave a state that no engine opens; it is only a cache.
        kept = self.state.exists()
        running = self._runs(key)
        if kept and not running:
            self.down()
            say("stack: the engine does not start with the caches it kept: starting it without them")
            shutil.rmtree(self.state)
            running = self._runs(key)
        if not running:
            self.down()
            raise StackError(f"The engine did not start; {self.log} ends with:\n{process.tail(self.log)}")

    def _runs(self, key: str) -> bool:
        """Start the engine's process, and return whether it answers before a minute is over."""
        names = ["--network-name", self.settings.network, "--network-cidr", self.settings.subnet]
        daemon = process.start(
            [*UNSHARE, "sh", str(SOURCES / "start-engine.sh"), *names],
            log=self.log,
            environment=_environment(os.environ),
            key=key,
            cwd=self.folder,
        )
        self.pid_file.write(daemon)
        process.wait_until(lambda: answers(self.socket) or not daemon.alive, 60)
        return daemon.alive and answers(self.socket)

    def _configuration(self) -> str:
        registries = {self.settings.registry: {"http": True}}
        return json.dumps({"logLevel": "info", "gc": GARBAGE_COLLECTION, "registries": registries}, indent=2)


def compile_into(folder: Path, modules: Path) -> None:
    """Build the engine's programs into a folder, keeping the modules they are made of in another."""
    environment = {
        "CGO_ENABLED": "0",
        "GOFLAGS": "",
        "GOWORK": "off",
        "GOTOOLCHAIN": "auto",
        "GOMODCACHE": str(modules),
    }
    run([_go(), "build", *GO_FLAGS, "-o", f"{folder}/", "tool"], cwd=SOURCES, environment=environment)
    shutil.copy(SOURCES / "dnsmasq.sh", folder / "dnsmasq")


def answers(path: Path) -> bool:
    """Whether somebody listens on a unix socket (a stale one is only a file)."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the engine needs to know of the user's environment, and no more."""
    passed = {name: value for name, value in environment.items() if name.upper() in PASSED_ON}
    return {**passed, "PATH": f"/run/dagger/bin:{packages.SYSTEM_PATH}", "TMPDIR": "/run/dagger/tmp"}


def _sources() -> list[Path]:
    return sorted(file for file in SOURCES.rglob("*") if file.is_file() and file.name != "start-engine.sh")


def _go() -> str:
    found = packages.find("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    if not found:
        packages.ensure({"go": "golang-go"})
        found = str(packages.find("go"))
    require_go(run([found, "env", "GOVERSION"]))
    return found


def require_go(version: str) -> None:
    """Refuse a Go too old to fetch the toolchain that the engine's modules ask for."""
    numbers = re.match(r"go(\d+)\.(\d+)", version)
    if numbers and tuple(map(int, numbers.groups())) < OLDEST_GO:
        raise StackError(
            f"Building the engine needs Go {'.'.join(map(str, OLDEST_GO))} or newer, and this machine's is "
            f"{version.strip()}: install a newer one and put it first on PATH."
        )
