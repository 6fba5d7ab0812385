"""Tests of starting the dagger CLI and of ending it, against programs in its place."""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from base64 import b64encode
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import Engine
from pytest_dagger_rust.engine.cli import CLI_BIN, RUNNER_HOST, SESSION_PORT, CliSession
from pytest_dagger_rust.errors import EngineUnavailable
from tests.unit.recordings import recorded, span, traces

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_dagger_rust.engine.otlp import Batch

# What every program in place of the CLI can do; its process is noted, so that a test sees whether it is gone.
HEAD = """\
import base64, json, os, signal, sys, time, urllib.request
open(os.environ["PIDS"], "a").write(f"{os.getpid()}\\n")
assert sys.argv[1:3] == ["--silent", "session"]

def send(signal, body):
    url = os.environ[f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"]
    urllib.request.urlopen(urllib.request.Request(url, base64.b64decode(body), method="POST")).close()

def open_session():
    print(json.dumps({"port": 4, "session_token": "token"}), flush=True)
    sys.stdin.read()
"""

# Seconds that a step may take here; a program in place of the CLI takes a tenth of one to start.
TIMEOUT = 2.0


class Cli:
    """A program in place of the CLI."""

    def __init__(self, folder: Path, source: str, batches: list[Batch]) -> None:
        self.program = folder / "dagger"
        self.pids = folder / "pids"
        sent = [(batch.signal, b64encode(batch.body).decode()) for batch in batches]
        code = f"{HEAD}\nBATCHES = json.loads('''{json.dumps(sent)}''')\n{source}\n"
        (folder / "cli.py").write_text(code)
        self.program.write_text(f'#!/bin/sh\nexec {sys.executable} {folder / "cli.py"} "$@"\n')
        self.program.chmod(0o755)

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which this program is found."""
        found = {**os.environ, CLI_BIN: str(self.program), "PIDS": str(self.pids), RUNNER_HOST: ""}
        return {name: value for name, value in found.items() if name != SESSION_PORT}

    def session(self, timeout: float = TIMEOUT, hear: Callable[[Batch], object] | None = None) -> CliSession:
        """Return a session that this program serves."""
        return CliSession(self.environ, timeout, hear)

    @property
    def processes(self) -> list[str]:
        """The processes that were started and have not ended."""
        started = self.pids.read_text().split() if self.pids.exists() else []
        return [pid for pid in started if Path("/proc", pid).exists()]


@pytest.fixture
def make_cli(tmp_path: Path) -> Callable[..., Cli]:
    """Return a function that writes a program in place of the CLI."""

    def make(source: str, *batches: Batch) -> Cli:
        return Cli(tmp_path, source, list(batches))

    return make


def failure_of(session: CliSession) -> str:
    """Start a session that does not open, and return why."""
    session.start()
    with pytest.raises(EngineUnavailable) as error:
        session.params()
    return str(error.value)


def test_a_session_that_opens(
    make_cli: Callable[..., Cli], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the CLI sends is heard, and in the end neither its process nor its log is left."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    heard: list[Batch] = []
    cli = make_cli("for batch in BATCHES: send(*batch)\nopen_session()", traces(span("1", "connect")))
    session = cli.session(hear=heard.append)
    session.start()
    assert session.params().port == 4
    assert list(tmp_path.rglob("dagger.log"))
    session.close()
    assert [found.name for batch in heard for found in batch.spans()] == ["connect"]
    assert cli.processes == []
    assert not list(tmp_path.rglob("dagger.log"))


def test_sessions_leave_no_file_open(make_cli: Callable[..., Cli]) -> None:
    """Neither the log's descriptor nor the ends of pipes; the first session may open what stays for good."""
    cli, opened = make_cli("open_session()"), list[int]()
    for _ in range(4):
        session = cli.session()
        session.start()
        assert session.params().port == 4
        session.close()
        opened.append(open_files())
    # The thread of the last connection may still be about to close it.
    deadline = time.monotonic() + 10
    while open_files() > opened[0] and time.monotonic() < deadline:
        time.sleep(0.05)
    assert open_files() <= opened[0]


def open_files() -> int:
    """Count the open files that somebody still knows."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_cli_that_ends(make_cli: Callable[..., Cli]) -> None:
    """Its own reason is shown, without the ids that only Dagger's tools can use."""
    cli = make_cli("sys.exit('Error: no such engine [traceparent:5a4e0df6ed10490c-63393cefb244c604]')")
    told = failure_of(cli.session())
    assert told.startswith("The dagger CLI stopped before it opened a session.\n")
    assert "\n  dagger: Error: no such engine\n" in told
    assert "traceparent" not in told


STUBBORN = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def test_a_cli_that_tries_for_ever(make_cli: Callable[..., Cli]) -> None:
    """The step it is at is named with the last error, from its spans; it ends, though it ignores SIGTERM."""
    source = STUBBORN + "for batch in BATCHES: send(*batch)\nwhile True: time.sleep(0.2); send(*BATCHES[-1])"
    cli = make_cli(source, *recorded("no-engine"))
    begun = time.monotonic()
    told = failure_of(cli.session())
    assert time.monotonic() - begun < TIMEOUT * 3
    assert "it was at 'creating client' for more than 2 s, last error: connection refused." in told
    assert cli.processes == []


def test_a_cli_that_says_nothing(make_cli: Callable[..., Cli]) -> None:
    """Without spans, the time alone is told."""
    told = failure_of(make_cli(STUBBORN + "time.sleep(60)").session(timeout=0.5))
    assert told.startswith("The dagger CLI did not open a session within 0.5 s.\n")


def test_progress_gives_more_time(make_cli: Callable[..., Cli]) -> None:
    """The limit counts from the last step that is new: a pull of the engine may take longer than one step."""
    steps = [traces(span(str(number), f"step {number}")) for number in range(5)]
    cli = make_cli("for batch in BATCHES: send(*batch); time.sleep(0.8)\nopen_session()", *steps)
    session = cli.session()
    begun = time.monotonic()
    session.start()
    assert session.params().session_token
    assert time.monotonic() - begun > TIMEOUT
    session.close()


def test_a_session_that_was_closed_starts_nothing(make_cli: Callable[..., Cli]) -> None:
    """A process started after `close` would be left behind."""
    cli = make_cli("open_session()")
    session = cli.session()
    session.close()
    with pytest.raises(EngineUnavailable, match="closed"):
        session.start()
    assert cli.processes == []


@pytest.mark.parametrize("delay", [0.0, 0.001, 0.01, 0.05, 0.1, 0.2])
def test_closed_from_two_threads_while_it_opens(make_cli: Callable[..., Cli], delay: float) -> None:
    """Whoever is first, everybody comes back, and nothing is left."""
    cli = make_cli("time.sleep(0.05)\nopen_session()")
    for _ in range(5):
        session = cli.session()
        errors: list[Exception] = []

        def use(session: CliSession = session, errors: list[Exception] = errors) -> None:
            try:
                session.start()
                session.params()
            except EngineUnavailable:
                pass
            except Exception as error:  # noqa: BLE001 - whatever it is
                errors.append(error)

        threads = [threading.Thread(target=use)]
        threads += [threading.Thread(target=session.close, args=(0.5,)) for _ in range(2)]
        for thread in threads:
            thread.start()
            time.sleep(delay)
        for thread in threads:
            thread.join(10)
        assert not any(thread.is_alive() for thread in threads)
        assert errors == []
        assert cli.processes == []


# Answers as the CLI does when the engine has died.
NO_ENGINE = """
import http.server, threading

class NoEngine(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_error(502)

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), NoEngine)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(json.dumps({"port": server.server_port, "session_token": "token"}), flush=True)
sys.stdin.read()
"""


def test_an_engine_that_dies_while_a_session_opens(make_cli: Callable[..., Cli]) -> None:
    """It is lost, as later; there was one, so nobody has to start Docker, and no page of the web is needed."""
    with pytest.raises(EngineUnavailable) as caught:
        Engine(make_cli(NO_ENGINE).environ).open()
    first, second = str(caught.value).splitlines()
    assert first.startswith(
        "The connection to the Dagger engine was lost: Server error '502 Bad Gateway' for url "
    )
    assert second.startswith("  Run the tests again once it is back")
