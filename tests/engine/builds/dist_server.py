"""A server of toolchains for rustup, whose programs call those of the builder image, and that notes what is asked for."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import tarfile
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# As rustup finds it in manifests; it puts the address of RUSTUP_DIST_SERVER in its place.
OFFICIAL = "https://static.rust-lang.org"
HOST = "x86_64-unknown-linux-gnu"
OTHER = "wasm32-unknown-unknown"

# The variable is in the environment of every rustc, so a program can say which toolchain it was compiled with.
SCRIPT = '#!/bin/sh\nTOOLCHAIN={name}\nexport TOOLCHAIN\nexec /usr/bin/{program} "$@"\n'

COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "rustc": ("bin/rustc", "bin/rustdoc"),
    "cargo": ("bin/cargo",),
    "rust-std": ("lib/rustlib/README",),
    "rust-src": ("lib/rustlib/src/README",),
}


class DistServer:
    """Serves any toolchain that rustup asks for, but those of the channel `beta`."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self._files: dict[str, bytes] = {}
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                content = server.content(self.path)
                self.send_response(404 if content is None else 200)
                self.send_header("Content-Length", str(len(content or b"")))
                self.end_headers()
                self.wfile.write(content or b"")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End the server."""
        self._server.shutdown()
        self._server.server_close()

    def taken(self) -> list[str]:
        """Return the manifests and archives that were asked for since this was called last."""
        taken = [path.rpartition("/")[2] for path in self.requests if path.endswith((".toml", ".gz"))]
        self.requests.clear()
        return taken

    def content(self, path: str) -> bytes | None:
        """Return the file of a path, None where there is none."""
        path = path.removeprefix("/")
        folder, _, name = path.rpartition("/")
        if path.endswith(".sha256"):
            content = self.content(path.removesuffix(".sha256"))
            return content and hashlib.sha256(content).hexdigest().encode()
        if not name.startswith("channel-rust-") or "beta" in name:
            return self._files.get(path)
        date = folder.removeprefix("dist").strip("/")
        channel = name.removeprefix("channel-rust-").removesuffix(".toml")
        return self._manifest("-".join(filter(None, [channel, date])), date or "2026-01-01").encode()

    def _manifest(self, name: str, date: str) -> str:
        lines = ['manifest-version = "2"', f'date = "{date}"', "[pkg.rust]", f'version = "{name}"']
        lines += [f"[pkg.rust.target.{HOST}]", "available = true", 'url = ""', 'hash = ""']
        lines += self._members("components", ("rustc", "cargo", "rust-std"), HOST)
        lines += self._members("extensions", ("rust-src",), "*")
        lines += self._members("extensions", ("rust-std",), OTHER)
        for component in COMPONENTS:
            lines += [f"[pkg.{component}]", f'version = "{name}"']
            for target in self._targets(component):
                path = f"dist/{name}/{component}-{target}.tar.gz"
                self._files[path] = self._files.get(path) or archive(component, name, target)
                digest = hashlib.sha256(self._files[path]).hexdigest()
                lines += [f'[pkg.{component}.target."{target}"]', "available = true"]
                lines += [f'url = "{OFFICIAL}/{path}"', f'hash = "{digest}"']
        minimal = '["rustc", "cargo", "rust-std"]'
        return "\n".join([*lines, "[profiles]", f"minimal = {minimal}", f"default = {minimal}", ""])

    @staticmethod
    def _members(kind: str, components: tuple[str, ...], target: str) -> Iterator[str]:
        for component in components:
            yield from (f"[[pkg.rust.target.{HOST}.{kind}]]", f'pkg = "{component}"', f'target = "{target}"')

    @staticmethod
    def _targets(component: str) -> tuple[str, ...]:
        return {"rust-src": ("*",), "rust-std": (HOST, OTHER)}.get(component, (HOST,))


def archive(component: str, name: str, target: str) -> bytes:
    """Return the archive of a component, as rustup unpacks it."""
    whole = component if target == "*" else f"{component}-{target}"
    files = {path.replace("README", f"README-{target}"): path for path in COMPONENTS[component]}
    members = {"rust-installer-version": "3\n", "components": f"{whole}\n"}
    members[f"{whole}/manifest.in"] = "".join(f"file:{path}\n" for path in files)
    for place, path in files.items():
        members[f"{whole}/{place}"] = SCRIPT.format(name=name, program=path.rpartition("/")[2])
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, text in members.items():
            info = tarfile.TarInfo(f"{whole}-{name}/{path}")
            info.size, info.mode = len(text.encode()), 0o755
            tar.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(packed.getvalue(), mtime=0)
