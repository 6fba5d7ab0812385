"""A registry that has a fault, in front of one that has none; the first part of a repository's name is the fault."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import json
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from typing_extensions import Self

SECRET = "hush-hush"  # noqa: S105 - no message may have it
SLOW = 20.0

STATUS = {"forbidden": 403, "busy": 429, "broken": 500, "full": 507, "gone": 404, "unauthorized": 401}


class Answer(NamedTuple):
    """What is sent to the engine."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def push(registry: str, repository: str, files: Mapping[str, str]) -> None:
    """Push an image that no engine has seen, under the name `tag`."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    digest = f"sha256:{hashlib.sha256(layer.getvalue()).hexdigest()}"
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest]},
    }
    with contextlib.closing(http.client.HTTPConnection(registry)) as connection:
        layers = [_pushed(connection, repository, layer.getvalue(), f"{_OCI}.image.layer.v1.tar")]
        described = _pushed(
            connection, repository, json.dumps(config).encode(), f"{_OCI}.image.config.v1+json"
        )
        kind = f"{_OCI}.image.manifest.v1+json"
        manifest = {"schemaVersion": 2, "mediaType": kind, "config": described, "layers": layers}
        body, headers = json.dumps(manifest), {"Content-Type": kind}
        _request(connection, "PUT", f"/v2/{repository}/manifests/tag", body.encode(), headers)


_OCI = "application/vnd.oci"


def _pushed(
    connection: http.client.HTTPConnection, repository: str, data: bytes, kind: str
) -> dict[str, object]:
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    where = _request(connection, "POST", f"/v2/{repository}/blobs/uploads/")
    path = where.partition("://")[2].partition("/")[2] if "://" in where else where[1:]
    headers = {"Content-Type": "application/octet-stream"}
    _request(connection, "PUT", f"/{path}&digest={digest}", data, headers)
    return {"mediaType": kind, "digest": digest, "size": len(data)}


def _request(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> str:
    connection.request(method, path, body, dict(headers or {}))
    answer = connection.getresponse()
    answer.read()
    assert answer.status < 300, (path, answer.status)
    return answer.headers.get("Location") or ""


class FaultyRegistry(ThreadingHTTPServer):
    """Listens on loopback while the context lasts."""

    daemon_threads = True

    def __init__(self, upstream: str, handler: type[BaseHTTPRequestHandler] | None = None) -> None:
        super().__init__(("127.0.0.1", 0), handler or RegistryHandler)
        self.upstream = upstream
        self.name = f"127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        """Begin to serve."""
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, whoever still waits for an answer."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that the engine has closed."""


class RegistryHandler(BaseHTTPRequestHandler):
    """Answers with the fault that is asked for."""

    server: FaultyRegistry  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = self.path.split("/")
        fault = parts[2] if len(parts) > 3 else ""
        if not fault:
            return self.send(Answer(200, {}, b"{}"))
        path = "/".join(["", "v2", *parts[3:]])
        is_reading = self.command in {"GET", "HEAD"}
        is_blob = "/blobs/" in path
        if fault in STATUS:
            headers = {"WWW-Authenticate": f'Basic realm="{SECRET}"'} if fault == "unauthorized" else {}
            return self.send(Answer(STATUS[fault], headers, b'{"errors":[{"code":"X","message":"no"}]}'))
        if fault == "redirects":
            return self.send(Answer(307, {"Location": self.path}, b""))
        if fault == "signed" and is_blob:
            where = f"http://user:{SECRET}@{self.server.name}/v2/forbidden/x/blobs/y?X-Signature={SECRET}"
            return self.send(Answer(307, {"Location": where}, b""))
        if fault == "readonly" and not is_reading:
            return self.send(Answer(405, {}, b'{"errors":[{"code":"UNSUPPORTED","message":"read-only"}]}'))
        if fault == "slow":
            time.sleep(SLOW)
        answer = self.upstream(path, body)
        if fault == "garbage" and not is_blob:
            answer = answer._replace(body=b"garbage" * 9)
        if fault == "replaced" and is_blob:
            answer = answer._replace(body=b"x" * len(answer.body))
        return self.send(answer, is_cut_off=fault == "truncated" and is_blob)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = _answer  # noqa: N815

    def upstream(self, path: str, body: bytes) -> Answer:
        """Return what the registry behind this one answers."""
        headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
        headers["Connection"] = "close"
        with contextlib.closing(http.client.HTTPConnection(self.server.upstream)) as connection:
            connection.request(self.command, path, body, headers)
            found = connection.getresponse()
            kept = ("Content-Type", "Docker-Content-Digest", "Content-Length")
            answered = {name: value for name in kept if (value := found.headers.get(name))}
            return Answer(found.status, answered, found.read())

    def send(self, answer: Answer, *, is_cut_off: bool = False) -> None:
        """Send an answer, or half of one."""
        self.send_response(answer.status)
        length = answer.headers.get("Content-Length") if self.command == "HEAD" else None
        for name, value in {**answer.headers, "Content-Length": length or str(len(answer.body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body[: len(answer.body) // 2] if is_cut_off else answer.body)
        if is_cut_off:
            self.close_connection = True
