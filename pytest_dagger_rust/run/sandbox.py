"""Runs many programs in one container that stays, so that a run costs little more than its process.

Each run has a working folder, a HOME and a TMPDIR of its own, and everything that it leaves running is ended. The rest
of the container belongs to all of them. `container/rust/sandbox.rs` is the other end.
"""

from __future__ import annotations

import asyncio
import io
import os
import shlex
import stat
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from pytest_dagger_rust.container import agent
from pytest_dagger_rust.container.frames import END, FrameError, frame
from pytest_dagger_rust.errors import ConfigurationError, DaggerRustError
from pytest_dagger_rust.run import keywords, results
from pytest_dagger_rust.run.fetching import ALLOWANCE
from pytest_dagger_rust.run.inputs import below, read_content, unreadable
from pytest_dagger_rust.run.running import OUTPUT_LIMIT, RunRequest, RunResult, check, finished
from pytest_dagger_rust.run.setup import check_setup
from pytest_dagger_rust.run.tunnel import Tunnel
from pytest_dagger_rust.run.unawaited import watched

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import dagger
    from typing_extensions import Unpack

    from pytest_dagger_rust.engine.engine import Engine
    from pytest_dagger_rust.run.inputs import FileContent
    from pytest_dagger_rust.run.results import AgentReport
    from pytest_dagger_rust.run.running import RunOptions
    from pytest_dagger_rust.run.setup import Runtime, Setup

MAGIC = b"pytest-dagger-rust request 1\n"

_GONE = "the connection to its container was lost"

# Seconds for the agent to come, once its container has started.
_START = 60.0


class Build(Protocol):
    """What a sandbox needs of a build: whether it has a binary."""

    def require(self, name: str) -> None:
        """Raise ConfigurationError if there is no such binary."""
        ...


class Sandbox:
    """A container that programs of one build run in, one after the other or several at once.

    Its methods are coroutines that any event loop can await; `blocking` has them as ordinary methods. The container is
    started by the first run, and anew by the first one after it was lost.
    """

    def __init__(self, build: Build, runner: SandboxRunner, engine: Engine | None) -> None:
        self._build = build
        self._runner = runner
        self._engine = engine

    @property
    def blocking(self) -> BlockingSandbox:
        """The same sandbox with ordinary methods, for plain functions.

        Raises ConfigurationError if the build was made without an Engine.
        """
        if self._engine is None:
            raise ConfigurationError("blocking: this build has no Engine to wait on; await its methods.")
        return BlockingSandbox(self, self._engine)

    @watched
    async def run(self, name: str, *args: str, **options: Unpack[RunOptions]) -> RunResult:
        """Run a binary in this container and return its result; the arguments are those of RustBuild.run.

        Paths of `files` and `outputs` may be relative here: they are below the run's own working folder.

        Raises what RustBuild.run does, and DaggerRustError if the container ends meanwhile.
        """
        self._build.require(name)
        return await self._run("run", (name, *args), options)

    @watched
    async def exec(self, command: Sequence[str], **options: Unpack[RunOptions]) -> RunResult:
        """Run any command as `run` does a binary: `await sandbox.exec(["ls", "-l", "/"])`."""
        if isinstance(command, (str, bytes)) or not command:
            raise ConfigurationError(f"exec takes a list, such as ['ls', '-l']: got {command!r}.")
        return await self._run("exec", tuple(command), options)

    async def _run(self, what: str, command: tuple[str, ...], options: Mapping[str, Any]) -> RunResult:
        request = keywords.request(RunRequest, what, command, options)
        run = partial(self._runner.run, request)
        return await (self._engine.acall(run) if self._engine is not None else run())

    async def close(self) -> None:
        """End the container; a later run would start another one."""
        await (self._engine.acall(self._runner.stop) if self._engine is not None else self._runner.stop())


@dataclass(frozen=True)
class BlockingSandbox:
    """A Sandbox whose methods wait for their results."""

    sandbox: Sandbox
    engine: Engine

    @property
    def blocking(self) -> BlockingSandbox:
        """This object."""
        return self

    def run(self, name: str, *args: str, **options: Unpack[RunOptions]) -> RunResult:
        """Run a binary as Sandbox.run does, and wait for its result."""
        return self.engine.call(partial(self.sandbox.run, name, *args, **options))

    def exec(self, command: Sequence[str], **options: Unpack[RunOptions]) -> RunResult:
        """Run any command as Sandbox.exec does, and wait for its result."""
        return self.engine.call(partial(self.sandbox.exec, command, **options))


class SandboxRunner:
    """Starts the container of one sandbox, runs programs in it, and ends it; all on the loop of Dagger's client."""

    def __init__(self, client: dagger.Client, runtime: Runtime, setup: Setup) -> None:
        self._client = client
        self._runtime = runtime
        self._setup = setup
        self._tunnel: Tunnel | None = None
        self._container: dagger.Service | None = None
        self._starting = asyncio.Lock()
        self._ready = asyncio.Event()
        self._lost = ""

    async def run(self, request: RunRequest) -> RunResult:
        """Run a program.

        Raises what `running.run` does, and DaggerRustError if the container ends meanwhile.
        """
        check(request)
        check_setup(request, relative=True)
        if request.services:
            msg = "run: services cannot be added to a container that runs already; pass them to sandbox(services=...)."
            raise ConfigurationError(msg)
        request = _limited(request, self._setup)
        data = _encoded(request)
        tunnel = await self._connected()
        return finished(request, await self._report(tunnel, request, data), in_sandbox=True)

    async def _report(self, tunnel: Tunnel, request: RunRequest, data: bytes) -> AgentReport:
        name = shlex.join(request.command)
        limit = None if request.timeout is None else request.timeout + ALLOWANCE
        try:
            with anyio.fail_after(limit):
                kind, answer = await tunnel.ask(data, results.SIZE_LIMIT)
            if kind == b"+":
                return results.read(io.BytesIO(answer), len(answer), len(request.outputs))
            reason = answer.decode("utf-8", "replace")
        except FrameError as error:
            reason = f"its result cannot be read: {error}"
        except TimeoutError:
            reason = f"there was no result within {limit:g} s"
        except (OSError, EOFError):
            if self._tunnel is tunnel:
                # The connection of a run may end before the one that says what became of the container.
                self._lost = self._lost or _GONE
            raise DaggerRustError(_ended(name, self._lost or _GONE)) from None
        hint = "Does it end processes that are not its own?"
        raise DaggerRustError(f"{name} failed in its sandbox: {reason}.\n  {hint}")

    async def _connected(self) -> Tunnel:
        async with self._starting:
            if self._tunnel is None or self._lost:
                await self.stop()
                await self._start()
            assert self._tunnel is not None  # noqa: S101 - it has just been made
            return self._tunnel

    async def _start(self) -> None:
        self._lost = ""
        self._ready = asyncio.Event()
        self._tunnel = tunnel = Tunnel(self._heard, self._note_loss)
        try:
            await tunnel.open({})
            await self._launch(tunnel)
            with anyio.move_on_after(_START):
                await self._ready.wait()
            self._require_ready()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.stop()
            raise

    def _require_ready(self) -> None:
        if self._lost or not self._ready.is_set():
            reason = self._lost or f"it did not answer within {_START:g} s"
            raise DaggerRustError(f"The sandbox's container could not be used: {reason}.")

    async def _launch(self, tunnel: Tunnel) -> None:
        place = agent.empty_directory(self._client, permissions=0o777)
        container = self._runtime.prepared(self._setup).with_mounted_directory(agent.SANDBOX, place)
        container = await agent.connected(self._client, container, tunnel.socket)
        command = agent.words("sandbox", socket=agent.SOCKET, folder=agent.SANDBOX)
        self._container = await container.as_service(args=command).start()

    def _heard(self, kind: bytes, payload: bytes) -> None:
        del payload
        if kind == b"r":
            self._ready.set()

    def _note_loss(self, reason: str) -> None:
        self._lost = reason
        self._ready.set()

    async def stop(self) -> None:
        """End the container and everything in it."""
        tunnel, self._tunnel = self._tunnel, None
        container, self._container = self._container, None
        with anyio.CancelScope(shield=True):
            if tunnel is not None:
                tunnel.ask_to_stop()
                await tunnel.close()
            await agent.kill(container)


def _limited(request: RunRequest, setup: Setup) -> RunRequest:
    """Return a request that may use no more than any run of its sandbox may."""

    def least(one: int | None, other: int | None) -> int | None:
        return min((number for number in (one, other) if number is not None), default=None)

    return replace(
        request,
        network=request.network and setup.network,
        memory=least(request.memory, setup.memory),
        processes=least(request.processes, setup.processes),
    )


def _ended(name: str, reason: str) -> str:
    return (
        f"{name}: its sandbox ended while it ran: {reason}.\n"
        "  Did it end processes that are not its own, or was there too little memory? The next run has a new container."
    )


def _encoded(request: RunRequest) -> bytes:
    """Return a request as the agent reads it.

    Raises ConfigurationError for files that cannot be read.
    """
    stdin = request.stdin.encode() if isinstance(request.stdin, str) else request.stdin
    parts = [MAGIC]
    for path, content in (request.files or {}).items():
        with unreadable(path):
            parts += _entries(path, content)
    if stdin:
        parts.append(frame(b"i", _sized(stdin)))
    parts += [frame(b"a", *(_sized(os.fsencode(word)) for word in _words(request))), frame(END)]
    return b"".join(parts)


def _entries(path: str, content: FileContent) -> Iterator[bytes]:
    if not (isinstance(content, Path) and content.is_dir()):
        data, mode = read_content(content)
        yield _entry(b"F", path, data, mode)
        return
    yield _entry(b"D", path)
    for found in below(content):
        inner, status = f"{path}/{found.relative_to(content).as_posix()}", found.lstat()
        if stat.S_ISLNK(status.st_mode):
            yield _entry(b"L", inner, os.fsencode(found.readlink()))
        elif stat.S_ISDIR(status.st_mode):
            yield _entry(b"D", inner)
        elif stat.S_ISREG(status.st_mode):
            yield _entry(b"F", inner, found.read_bytes(), status.st_mode & 0o777)
        else:
            raise ConfigurationError(f"files: a folder cannot be copied: {found} is not a regular file.")


def _entry(kind: bytes, path: str, content: bytes = b"", mode: int = 0) -> bytes:
    return frame(kind, mode.to_bytes(4, "big"), _sized(os.fsencode(path)), _sized(content))


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _words(request: RunRequest) -> list[str]:
    options = agent.words(
        "run",
        limit=OUTPUT_LIMIT,
        timeout=request.timeout and f"{request.timeout:g}",
        folder=request.cwd,
        output=list(request.outputs),
        **request.limits("refused"),
        env=[f"{name}={value}" for name, value in (request.env or {}).items()],
    )
    # The agent calls itself.
    return [*options[2:], "--", *request.command]
