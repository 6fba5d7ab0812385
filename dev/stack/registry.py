"""The image registry on the loopback interface: docker-registry, plain HTTP, files in the cache folder."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from dev.stack import packages, process
from dev.stack.settings import REGISTRY_PORT_VARIABLE, StackError, content_key

if TYPE_CHECKING:
    from dev.stack.settings import Settings

CONFIGURATION = """\
version: 0.1
log:
  level: warn
storage:
  filesystem:
    rootdirectory: {root}
http:
  addr: {address}
"""

MANIFESTS = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Registry:
    """The registry of one stack."""

    settings: Settings

    @property
    def pid_file(self) -> process.PidFile:
        """The file that remembers the registry's process."""
        return process.PidFile(self.settings.run / "registry.pid")

    def up(self) -> None:
        """Start the registry, unless the one we started answers."""
        configuration = CONFIGURATION.format(
            root=self.settings.cache / "registry", address=self.settings.registry
        )
        key = content_key(configuration)
        running = self.pid_file.read()
        if running and running.key == key and self.answers():
            return
        if running:
            process.stop(running)
        self._start(configuration, key)

    def down(self) -> None:
        """End the registry, if it runs."""
        if running := self.pid_file.read():
            process.stop(running)
        self.pid_file.clear()

    def answers(self) -> bool:
        """Whether a registry speaks on our port."""
        return _status(f"http://{self.settings.registry}/v2/") == HTTPStatus.OK

    def digest(self, name: str, tag: str) -> str | None:
        """Return the digest of an image's manifest if the registry serves it, blobs or not."""
        request = urllib.request.Request(
            f"http://{self.settings.registry}/v2/{name}/manifests/{tag}",
            method="HEAD",
            headers={"Accept": MANIFESTS},
        )
        try:
            with _opener.open(request, timeout=5) as answer:
                return str(answer.headers["Docker-Content-Digest"])
        except (OSError, ValueError):
            return None

    def _start(self, configuration: str, key: str) -> None:
        packages.ensure({"docker-registry": packages.IMAGES["docker-registry"]})
        require_free_port(self.settings.registry_port)
        file = self.settings.cache / "registry.yml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(configuration)
        log = self.settings.logs / "registry.log"
        program = str(packages.find("docker-registry"))
        daemon = process.start([program, "serve", str(file)], log=log, environment=os.environ, key=key)
        self.pid_file.write(daemon)
        process.wait_until(lambda: self.answers() or not daemon.alive, 15)
        if not (daemon.alive and self.answers()):
            process.stop(daemon)
            raise StackError(f"The image registry did not start; {log} ends with:\n{process.tail(log)}")


def require_free_port(port: int) -> None:
    """Refuse a port that another program listens on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise StackError(
                f"Port {port} of 127.0.0.1, where the image registry should listen, is taken by another "
                f"program: end that program, or choose another port with {REGISTRY_PORT_VARIABLE}={port + 1}."
            ) from None


def _status(url: str) -> int:
    try:
        with _opener.open(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0
