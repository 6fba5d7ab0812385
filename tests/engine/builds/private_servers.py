"""Servers on loopback that ask for a login: git over HTTPS and over SSH, an SSH agent, a proxy, images."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import shlex
import socket
import socketserver
import ssl
import struct
import subprocess
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import asyncssh
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.engine.builds.faulty_registry import FaultyRegistry, RegistryHandler

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from typing_extensions import Self

_YEAR = dt.timedelta(days=365)


@dataclass(frozen=True)
class Authority:
    """A company's own certificate authority: its certificate as PEM, and servers' side of TLS."""

    certificate: bytes
    context: ssl.SSLContext


def authority(folder: Path, *hosts: str) -> Authority:
    """Return an authority that nobody trusts yet, with a certificate for these hosts."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer = _name("Test company")
    limits = x509.BasicConstraints(ca=True, path_length=0)
    root = _certificate(issuer, issuer, root_key, limits).sign(root_key, hashes.SHA256())
    names = x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts])
    leaf = _certificate(_name(hosts[0]), issuer, key, names).sign(root_key, hashes.SHA256())
    (folder / "server.pem").write_bytes(_pem(leaf) + _private(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return Authority(_pem(root), context)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, extension: x509.ExtensionType
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - _YEAR).not_valid_after(now + _YEAR)
    return builder.public_key(key.public_key()).add_extension(extension, critical=False)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def repository(folder: Path, files: Mapping[str, str]) -> Path:
    """Return a new git repository with one commit of these files, to be served."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "--quiet", "--initial-branch=main"], ["add", "."]):
        subprocess.run(["git", "-C", folder, *arguments], check=True)
    subprocess.run(["git", "-C", folder, *who, "commit", "--quiet", "--message=one"], check=True)
    return folder


class Serving(ThreadingHTTPServer):
    """Serves on loopback in a thread; refused and granted requests are counted."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.granted = 0
        self.refused = 0

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of connections that were closed."""


@contextlib.contextmanager
def served(server: Serving | FaultyRegistry) -> Generator[None]:
    """Serve while the context lasts."""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


def basic(user: str, password: str) -> str:
    """Return a header's value for a login."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


class GitServer(Serving):
    """Git over HTTPS, by git's own program."""

    def __init__(self, folder: Path, login: str, context: ssl.SSLContext) -> None:
        super().__init__(_Git)
        self.folder = folder
        self.login = login
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
        pass


class _Git(_Handler):
    server: GitServer  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != self.server.login:
            self.server.refused += 1
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.server.granted += 1
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        done = subprocess.run(
            ["git", "http-backend"], input=body, env=self._cgi(), stdout=subprocess.PIPE, check=True
        )
        self._send(done.stdout)

    do_POST = do_GET  # noqa: N815

    def _cgi(self) -> dict[str, str]:
        path, _, query = self.path.partition("?")
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "GIT_PROJECT_ROOT": str(self.server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }

    def _send(self, answer: bytes) -> None:
        head, _, body = answer.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(headers.pop("Status", "200 OK").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        # The end of a connection does not reach a client behind the engine.
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Proxy(Serving):
    """A proxy that connects to one server, whatever its name; the name is known to the proxy alone."""

    def __init__(self, login: str, port: int) -> None:
        super().__init__(_Proxy)
        self.login = login
        self.port = port
        self.asked: list[str] = []


class _Proxy(_Handler):
    server: Proxy  # pyright: ignore[reportIncompatibleVariableOverride]
    # The connection stays for the question that has the answer to a refusal.
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        if self.headers.get("Proxy-Authorization") != self.server.login:
            self.server.refused += 1
            self.send_response(407)
            # curl, in git, does not say who it is before it is asked.
            self.send_header("Proxy-Authenticate", 'Basic realm="company"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.server.granted += 1
        self.server.asked.append(self.path)
        with socket.create_connection(("127.0.0.1", self.server.port)) as upstream:
            self.send_response(200)
            self.end_headers()
            back = threading.Thread(target=_copy, args=(upstream, self.connection), daemon=True)
            back.start()
            _copy(self.connection, upstream)
            back.join()
        self.close_connection = True


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


class PrivateImages(FaultyRegistry):
    """The images of another registry, for those who log in."""

    def __init__(self, upstream: str, login: str) -> None:
        super().__init__(upstream, _Images)
        self.login = login
        self.granted = 0
        self.refused = 0


class _Images(RegistryHandler):
    server: PrivateImages  # pyright: ignore[reportIncompatibleVariableOverride]

    def answer(self) -> None:
        if self.headers.get("Authorization") == self.server.login:
            self.server.granted += 1
            return self.send(self.upstream(self.path, b""))
        self.server.refused += 1
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="images"')
        self.send_header("Content-Length", "0")
        return self.end_headers()

    do_GET = do_HEAD = answer  # noqa: N815


def _new_key() -> asyncssh.SSHKey:
    return asyncssh.generate_private_key("ssh-ed25519")  # pyright: ignore[reportUnknownMemberType]


class SshServer:
    """Git over SSH on loopback while the context lasts, with a key that only the agent has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key, self.host_key = _new_key(), _new_key()
        self.port = 0
        self.commands: list[str] = []
        self._is_up, self._is_over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)

    @property
    def known_host(self) -> str:
        """The server's own key, as a line of known hosts has it."""
        return " ".join(self.host_key.export_public_key().decode().split()[:2])

    async def serve(self) -> None:
        """Listen until it is told to end."""
        acceptor = await asyncssh.listen(
            "127.0.0.1",
            0,
            server_host_keys=[self.host_key],
            authorized_client_keys=asyncssh.import_authorized_keys(self.key.export_public_key().decode()),
            process_factory=self._run,
            encoding=None,
        )
        self.port = acceptor.get_port()
        self._is_up.set()
        async with acceptor:
            await asyncio.to_thread(self._is_over.wait)

    async def _run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        self.commands.append(process.command or "")
        program, path = shlex.split(process.command or "")
        assert program == "git-upload-pack"
        command = ["git", "upload-pack", str(self.folder / path.lstrip("/"))]
        git = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert git.stdin is not None
        assert git.stdout is not None
        feeding = asyncio.create_task(_fed(process, git.stdin))
        while data := await git.stdout.read(1 << 16):
            process.stdout.write(data)
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        process.exit(await git.wait())

    def __enter__(self) -> Self:
        """Begin to listen."""
        self._thread.start()
        assert self._is_up.wait(60)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._is_over.set()
        self._thread.join(60)


async def _fed(process: asyncssh.SSHServerProcess[bytes], stdin: asyncio.StreamWriter) -> None:
    while data := await process.stdin.read(1 << 16):
        stdin.write(data)
    stdin.close()


@contextlib.contextmanager
def ssh_agent(path: Path, key: asyncssh.SSHKey) -> Generator[list[int]]:
    """Serve one key at a socket, and return the kinds of requests that came."""
    asked: list[int] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while head := self.rfile.read(4):
                (size,) = struct.unpack(">I", head)
                request = self.rfile.read(size)
                asked.append(request[0])
                answer = _agents_answer(key, request)
                self.wfile.write(struct.pack(">I", len(answer)) + answer)

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield asked
        server.shutdown()


# Numbers of the agent's protocol.
LIST, SIGN = 11, 13


def _agents_answer(key: Any, request: bytes) -> bytes:
    if request[0] == LIST:
        return b"\x0c" + struct.pack(">I", 1) + _text(key.public_data) + _text(b"test")
    if request[0] == SIGN:
        (length,) = struct.unpack(">I", request[1:5])
        rest = request[5 + length :]
        (size,) = struct.unpack(">I", rest[:4])
        return b"\x0e" + _text(key.sign(rest[4 : 4 + size], key.sig_algorithms[0]))
    return b"\x05"


def _text(value: bytes) -> bytes:
    return struct.pack(">I", len(value)) + value
