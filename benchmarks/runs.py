"""What a run costs above one exec of the engine, and a hundred runs at once above a hundred execs."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.timing import table
from pytest_dagger_rust import Engine, RustWorkspace, build

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import dagger

    from pytest_dagger_rust import RustBuild

REPEAT = int(os.environ.get("BENCH_REPEAT", "5"))
AT_ONCE = 100
IN_A_SANDBOX = 1000

MANIFEST = '[package]\nname = "nap"\nversion = "1.0.0"\nedition = "2021"\n'
PROGRAM = "fn main() {\n    std::thread::sleep(std::time::Duration::from_millis(20));\n}\n"
SERVER = """\
use std::io::{Read, Write};

fn main() {
    for stream in std::net::TcpListener::bind("0.0.0.0:8080").unwrap().incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\\r\\nContent-Length: 0\\r\\nConnection: close\\r\\n\\r\\n");
    }
}
"""


async def build_programs(client: dagger.Client, folder: Path) -> RustBuild:
    """Build a program that sleeps for 20 ms, and a server."""
    (folder / "src/bin").mkdir(parents=True)
    (folder / "Cargo.toml").write_text(MANIFEST)
    (folder / "src/bin/nap.rs").write_text(PROGRAM)
    (folder / "src/bin/server.rs").write_text(SERVER)
    builder = os.environ.get("PYTEST_DAGGER_RUST_BUILDER_IMAGE", "rust:1-trixie")
    runtime = os.environ.get("PYTEST_DAGGER_RUST_RUNTIME_IMAGE", "debian:trixie-slim")
    return await build(
        client,
        RustWorkspace.load(folder),
        builder=client.container().from_(builder),
        runtime=client.container().from_(runtime),
    )


async def run(programs: RustBuild) -> None:
    """Run the program as a test does."""
    await programs.run("nap", check=True)


async def execute(programs: RustBuild) -> None:
    """Run the program by an exec of the engine alone."""
    await programs.container.with_env_variable("NONCE", uuid.uuid4().hex).with_exec(["nap"]).sync()


async def seconds_of(
    function: Callable[[RustBuild], Awaitable[None]], programs: RustBuild, times: int
) -> float:
    """Call a function so many times at once, and give the seconds until all are done."""
    started = time.perf_counter()
    await asyncio.gather(*(function(programs) for _ in range(times)))
    return time.perf_counter() - started


async def in_a_sandbox(programs: RustBuild) -> list[float]:
    """Return the seconds of each of a thousand runs, one after the other in one container."""
    taken: list[float] = []
    async with programs.sandbox() as sandbox:
        await sandbox.run("nap", check=True)
        for _ in range(IN_A_SANDBOX):
            started = time.perf_counter()
            await sandbox.run("nap", check=True)
            taken.append(time.perf_counter() - started)
    return taken


async def first_answer(programs: RustBuild) -> float:
    """Return the seconds from asking for a service to its first answer; stopping it is not measured."""
    started = time.perf_counter()
    async with programs.service("server", ports=[8080]) as service:
        reader, writer = await asyncio.open_connection(service.host, service.port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        answer = await reader.readline()
        seconds = time.perf_counter() - started
        writer.close()
    if not answer.startswith(b"HTTP/1.1 200"):
        msg = f"the server answered {answer!r}"
        raise RuntimeError(msg)
    return seconds


def row(name: str, ours: list[float], engine: list[float]) -> list[str]:
    """Return a row of medians, with their difference and ratio."""
    run_, exec_ = sorted(ours)[len(ours) // 2], sorted(engine)[len(engine) // 2]
    return [name, f"{run_:.3f} s", f"{exec_:.3f} s", f"{run_ - exec_:+.3f} s", f"{run_ / exec_:.2f}"]


async def measure(programs: RustBuild) -> list[list[str]]:
    """Measure runs and execs in turn, so that both meet the same machine."""
    await run(programs)
    rows: list[list[str]] = []
    for times in (1, AT_ONCE):
        ours: list[float] = []
        engine: list[float] = []
        for _ in range(REPEAT):
            ours.append(await seconds_of(run, programs, times))
            engine.append(await seconds_of(execute, programs, times))
        rows.append(row("one run" if times == 1 else f"{times} runs at once", ours, engine))
    many = await in_a_sandbox(programs)
    rows.append(
        [f"{IN_A_SANDBOX} runs in a sandbox, all", f"{sum(many):.1f} s", "", "", ""],
    )
    rows.append(row("one of them", many, [0.02]))
    answers = sorted([await first_answer(programs) for _ in range(REPEAT)])
    rows.append(["first answer of a service", f"{answers[len(answers) // 2]:.3f} s", "", "", ""])
    return rows


def results() -> str:
    """Measure, and give the table."""
    with tempfile.TemporaryDirectory() as folder, Engine() as client:

        async def measured() -> list[list[str]]:
            return await measure(await build_programs(client, Path(folder) / "nap"))

        rows = asyncio.run(measured())
    return table(["a program of 20 ms", "run", "the engine's exec", "difference", "ratio"], rows)


if __name__ == "__main__":
    print(results())
