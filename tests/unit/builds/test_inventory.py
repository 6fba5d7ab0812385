"""What is in a place can be listed, looked at and deleted, without an engine."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import os
import tarfile
import threading
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust import DaggerRustError
from pytest_dagger_rust.__main__ import main
from pytest_dagger_rust.builds.inventory import Item, outdated
from pytest_dagger_rust.builds.places import MANIFEST
from pytest_dagger_rust.builds.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAY = 86_400


def blobs(manifest: dict[str, str]) -> dict[str, bytes]:
    """Return an image's parts by digest, the manifest last."""
    config = json.dumps({"config": {"Labels": {MANIFEST: json.dumps(manifest)}}}).encode()
    digest = f"sha256:{hashlib.sha256(config).hexdigest()}"
    image = json.dumps({"config": {"digest": digest}, "layers": [{"size": 5_000_000}]}).encode()
    return {digest: config, f"sha256:{hashlib.sha256(image).hexdigest()}": image}


def export(path: Path, manifest: dict[str, str], days: float) -> None:
    """Write an image as the engine exports it, so many days ago."""
    parts = blobs(manifest)
    index = json.dumps({"manifests": [{"digest": list(parts)[-1]}]}).encode()
    files = {"index.json": index, **{f"blobs/{name.replace(':', '/')}": data for name, data in parts.items()}}
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    time = path.stat().st_mtime - days * DAY
    os.utime(path, (time, time))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with three things in it, one of them damaged, and one that is somebody else's."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "shared"
    folder.mkdir()
    export(folder / "binaries-1.tar", {"command": "build --profile dev", "tree": "0123"}, 0)
    export(folder / "binaries-2.tar", {"command": "build\n--profile dev"}, 20)
    (folder / "state-1.tar").write_bytes(b"garbage")
    (folder / "notes.tar").write_bytes(b"mine")
    return folder


def test_a_folder_is_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each thing that was published, whatever is in it."""
    assert main(["cache", "ls", "./shared"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["binaries-1", "binaries-2", "state-1"]
    assert lines[0].endswith("0.0 days  build --profile dev")
    assert lines[1].endswith("20.0 days  build\\n--profile dev")
    assert main(["cache", "inspect", "./shared", "binaries-1"]) == 0
    assert "  tree: 0123\n" in capsys.readouterr().out
    assert main(["cache", "inspect", "./shared", "binaries-9"]) == 1
    assert capsys.readouterr().err == "error: ./shared has nothing of the name binaries-9.\n"
    assert folder.is_dir()


def test_what_is_old_is_deleted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By age, and only when it is not a dry run; what is somebody else's stays."""
    words = ["cache", "prune", "./shared"]
    assert main(words) == 1
    assert "--keep N, --older-than DAYS" in capsys.readouterr().err
    assert main([*words, "--older-than", "7", "--dry-run"]) == 0
    assert capsys.readouterr().out == "would delete binaries-2\n"
    assert main([*words, "--older-than", "7"]) == 0
    assert capsys.readouterr().out == "deleted binaries-2\n"
    assert sorted(path.name for path in folder.iterdir()) == ["binaries-1.tar", "notes.tar", "state-1.tar"]
    assert main([*words, "--keep", "0"]) == 0
    assert [path.name for path in folder.iterdir()] == ["notes.tar"]
    assert main(["cache", "ls", "./nowhere"]) == 1
    assert main(["cache", "ls", "nowhere"]) == 1


def test_count_and_age_are_of_each_kind() -> None:
    """The newest are kept, whatever their order."""
    items = [Item(f"{kind}-{day}", 0, -day * DAY, {}) for kind in ("state", "binaries") for day in (3, 1, 2)]
    names = [item.name for item in outdated(items, keep=2, days=None, now=0)]
    assert names == ["binaries-3", "state-3"]
    names = [item.name for item in outdated(items, keep=2, days=1.5, now=0)]
    assert names == ["binaries-2", "binaries-3", "state-2", "state-3"]
    assert outdated(items, keep=None, days=None, now=0) == []


class _Server(http.server.ThreadingHTTPServer):
    """A registry that wants a token, and that deletes only where it is told to allow it."""

    def __init__(self, *, deletes: bool) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.parts = blobs({"branch": "main", "published": "5"})
        self.deletes = deletes
        self.deleted: list[str] = []
        self.elsewhere = ""
        self.seen: list[str | None] = []
        self.name = f"127.0.0.1:{self.server_port}"
        self.realm = f"http://{self.name}/token"
        self.tokens: list[str | None] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def _answer(self) -> None:  # noqa: PLR0911 - one for each kind of request
        path, _, query = self.path.partition("?")
        if path == "/token":
            self.server.tokens.append(self.headers.get("Authorization"))
            return self._send(200, json.dumps({"token": "let-me-in", "query": query}).encode())
        if path == "/seen":
            self.server.seen.append(self.headers.get("Authorization"))
            return self._send(200, b"{}")
        if self.headers.get("Authorization") != "Bearer let-me-in":
            challenge = f'Bearer realm="{self.server.realm}",service="x",scope="repository:cache:pull"'
            return self._send(401, b"{}", {"WWW-Authenticate": challenge})
        if self.command == "DELETE":
            self.server.deleted.append(path.rpartition("/")[2])
            return self._send(202 if self.server.deletes else 405, b"")
        digest, image = list(self.server.parts.items())[-1]
        if path == "/v2/cache/tags/list":
            return self._send(200, b'{"tags": ["state-1", "latest", 7]}')
        if path == "/v2/cache/manifests/state-1" and self.server.elsewhere:
            return self._send(307, b"", {"Location": f"http://{self.server.elsewhere}/seen"})
        if path == "/v2/cache/manifests/state-1":
            return self._send(200, image, {"Docker-Content-Digest": digest})
        return self._send(200, self.server.parts.get(path.rpartition("/")[2], b"?"))

    do_GET = do_HEAD = do_DELETE = _answer  # noqa: N815

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@pytest.fixture(params=[True, False])
def server(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[_Server]:
    """A registry, and the login that `docker login` has kept for it."""
    with _Server(deletes=request.param) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        (tmp_path / "config.json").write_text(json.dumps({"auths": {server.name: {"auth": "dXNlcjpw"}}}))
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        yield server
        server.shutdown()


def test_a_repository_is_listed_and_pruned(server: _Server, capsys: pytest.CaptureFixture[str]) -> None:
    """With a token that docker's login was exchanged for; where it may not delete, the message says so."""
    assert main(["cache", "ls", f"{server.name}/cache"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.split()[:3] == ["state-1", "5.0", "MB"]
    assert line.endswith("main")
    assert set(server.tokens) == {"Basic dXNlcjpw"}
    code = main(["cache", "prune", f"{server.name}/cache", "--older-than", "1"])
    assert server.deleted == [list(server.parts)[-1]]
    said = capsys.readouterr()
    assert code == (0 if server.deletes else 1)
    assert ("deleted state-1" in said.out) is server.deletes
    assert ("use its own retention" in said.err) is not server.deletes
    assert "dXNlcjpw" not in said.err


@pytest.mark.parametrize("realm", ["http://elsewhere.example/token", "ftp://127.0.0.1/token", ""])
def test_a_login_is_sent_to_no_other_place(server: _Server, realm: str) -> None:
    """Without encryption, that is."""
    server.realm = realm
    with pytest.raises(DaggerRustError, match="which is not https"):
        Registry(f"{server.name}/cache").tags()


def test_a_redirect_elsewhere_gets_no_login(server: _Server) -> None:
    """A registry's storage has signed addresses."""
    server.elsewhere = server.name.replace("127.0.0.1", "localhost")
    assert Registry(f"{server.name}/cache").manifest("state-1") == {}
    assert server.seen == [None]


def test_a_registry_that_is_gone_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """As is one that answers with something else."""
    assert main(["cache", "ls", "127.0.0.1:1/cache"]) == 1
    assert "127.0.0.1:1/cache could not be reached" in capsys.readouterr().err
