"""A small registry for cargo on this machine's loopback interface: sparse, with or without a token to ask for."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import io
import json
import tarfile
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator, Mapping


@dataclass
class Registry:
    """What it serves by path, the token it asks for, and what was asked."""

    token: str | None = None
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    requests: list[str] = field(default_factory=list[str])
    refused: int = 0
    port: int = 0
    host: str = "127.0.0.1"
    scheme: str = "http"

    @property
    def address(self) -> str:
        """The address of its index, as cargo's configuration has it."""
        return f"sparse+{self.scheme}://{self.host}:{self.port}/"

    def add(self, name: str, version: str, sources: Mapping[str, str]) -> str:
        """Publish a package with a manifest that has nothing else, and return its checksum."""
        manifest = f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "2021"\n'
        archive = packed(f"{name}-{version}", {"Cargo.toml": manifest, **sources})
        checksum = hashlib.sha256(archive).hexdigest()
        line: dict[str, Any] = {
            "name": name,
            "vers": version,
            "deps": [],
            "cksum": checksum,
            "features": {},
            "yanked": False,
        }
        place = f"/{name[:2]}/{name[2:4]}/{name}"
        self.files[place] = self.files.get(place, b"") + json.dumps(line).encode() + b"\n"
        self.files[f"/{name}-{version}.crate"] = archive
        return checksum

    def downloads(self) -> list[str]:
        """Return the archives that were asked for since this was called last."""
        taken = [path.removeprefix("/") for path in self.requests if path.endswith(".crate")]
        self.requests.clear()
        return taken

    def config(self) -> bytes:
        """Return the first file that cargo asks for."""
        place = f"{self.scheme}://{self.host}:{self.port}/{{crate}}-{{version}}.crate"
        return json.dumps({"dl": place, "auth-required": self.token is not None}).encode()


def packed(folder: str, files: Mapping[str, str]) -> bytes:
    """Return a package's archive."""
    room = io.BytesIO()
    with tarfile.open(fileobj=room, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return room.getvalue()


@contextlib.contextmanager
def serving(
    token: str | None = None, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> Generator[Registry]:
    """Serve an empty registry while the context lasts; `host` is what it is called where it is asked."""
    registry = Registry(token, host=host, scheme="https" if tls else "http")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.requests.append(self.path)
            if registry.token is not None and self.headers.get("Authorization") != registry.token:
                registry.refused += 1
                self._answer(401, b"")
                return
            content = registry.config() if self.path == "/config.json" else registry.files.get(self.path)
            self._answer(404 if content is None else 200, content or b"")

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    registry.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
