"""Tests of the fixtures, as users' test files use them."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.engine.accidents import MARK
from tests.pytest import program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pytest.conftest import Project

BOTH_KINDS = """
import asyncio
import pytest

from tests.pytest import program

async def test_coroutine(cached_rust_build):
    result = await cached_rust_build.run("app")
    assert (result.exit_code, result.stdout) == (0, "hello 1.2.3\\n")

def test_function(cached_rust_build):
    assert cached_rust_build.blocking.run("other").stdout == "other\\n"

class TestMethods:
    async def test_coroutine(self, cached_rust_build):
        results = await asyncio.gather(*(cached_rust_build.run("app", "exit", str(n)) for n in range(3)))
        assert [result.exit_code for result in results] == [0, 1, 2]

    def test_function(self, cached_rust_build):
        assert sorted(cached_rust_build.binaries) == ["app", "other"]

@pytest.mark.parametrize("number", [3, 4])
async def test_parametrized(cached_rust_build, number):
    assert (await cached_rust_build.run("app", "exit", str(number))).exit_code == number

@pytest.fixture
def greeting(cached_rust_build):
    return cached_rust_build.blocking.run("app").stdout

async def test_through_a_fixture_of_the_users(greeting):
    assert greeting == "hello 1.2.3\\n"
"""


@pytest.mark.parametrize(
    "arguments", [[], ["--asyncio-mode=auto"], ["-n2"], ["-n2", "--asyncio-mode=auto"]], ids=" ".join
)
def test_coroutines_and_functions_are_equals(project: Project, arguments: list[str]) -> None:
    """Tests of both kinds pass without a marker, in strict and auto mode, with and without xdist."""
    project.pytest(*arguments, both=BOTH_KINDS).assert_outcomes(passed=7)


SEVERAL_LOOPS = """
import asyncio
import pytest

from tests.pytest import program

LOOPS = set()

async def version(dagger_client):
    LOOPS.add(id(asyncio.get_running_loop()))
    return await dagger_client.version()

async def test_one(dagger_client):
    assert await version(dagger_client)

async def test_two(dagger_client, cached_rust_build):
    text = await cached_rust_build.container.with_exec(["app", "args", "x"]).stdout()
    assert text == '["x"]\\n'

@pytest.mark.asyncio(loop_scope="module")
async def test_three(dagger_client):
    assert await version(dagger_client)

def test_four(dagger_client):
    assert asyncio.run(version(dagger_client))

def test_five(cached_rust_build):
    blocking = cached_rust_build.blocking
    assert blocking.wait(blocking.container.with_exec(["app", "pwd"]).stdout) == "/\\n"

async def test_six(dagger_client):
    assert await version(dagger_client)
"""


def test_the_client_works_from_every_loop(project: Project) -> None:
    """A function's, a module's, and asyncio.run's own event loop use one client in turn, without waiting."""
    result = project.pytest(loops=SEVERAL_LOOPS)
    result.assert_outcomes(passed=6)
    assert result.duration < 60


OVERRIDES = """
import pytest

from tests.pytest import program
from pytest_dagger_rust import CargoOptions, RustWorkspace

@pytest.fixture(scope="session")
def rust_cargo_options():
    return CargoOptions(bins=["other"], env={"SOME": "thing"})

@pytest.fixture(scope="session")
def rust_runtime_container(dagger_client, rust_runtime_image):
    return dagger_client.container().from_(rust_runtime_image).with_new_file("/etc/extra", "extra")

@pytest.fixture(scope="session")
def release_build(cached_rust_build_factory):
    return cached_rust_build_factory.blocking(CargoOptions(), profile="release", bins=["app"])
"""

OVERRIDDEN = """
async def test_options(cached_rust_build, rust_cargo_options):
    assert list(cached_rust_build.binaries) == ["other"]

async def test_container(cached_rust_build):
    assert await cached_rust_build.container.file("/etc/extra").contents() == "extra"

async def test_factory(release_build, cached_rust_build, cached_rust_build_factory):
    assert list(release_build.binaries) == ["app"]
    assert (await release_build.run("app")).stdout == "hello 1.2.3\\n"
    assert await cached_rust_build_factory() is cached_rust_build

async def test_workspace(rust_workspace):
    assert [package.name for package in rust_workspace.packages] == ["app"]
"""


def test_each_decision_can_be_overridden_in_a_conftest(project: Project) -> None:
    """Options, runtime container and whole builds come from the user's conftest where it says so."""
    project.write({"conftest.py": OVERRIDES})
    project.pytest(overridden=OVERRIDDEN).assert_outcomes(passed=4)


def test_no_loop_configuration_is_asked_for(project: Project) -> None:
    """Without any setting of pytest-asyncio's there is no warning of it either."""
    ini = project.folder / "pytest.ini"
    ini.write_text(ini.read_text().replace("asyncio_default_fixture_loop_scope = function\n", ""))
    project.pytest(overridden="async def test_any(rust_workspace):\n    pass\n").assert_outcomes(passed=1)


def test_other_coroutine_tests_are_left_alone(bare_project: Project) -> None:
    """A coroutine test that uses none of the fixtures is pytest-asyncio's business, as without this plugin."""
    result = bare_project.pytest("-W", "ignore", other="async def test_other():\n    pass\n")
    assert result.parseoutcomes().get("passed") is None


def test_loading_the_plugin_imports_no_dagger() -> None:
    """The plugin is loaded in every pytest run, so it leaves the SDK and anyio for the tests that need them."""
    code = "import sys, pytest_dagger_rust.plugin as p; print([m for m in ('dagger', 'anyio', 'tarfile') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.timing
def test_loading_the_plugin_is_cheap_beside_pytest(tmp_path: Path) -> None:
    """The best of five loads takes less than a fifth of what pytest itself takes to load in the same process.

    Python keeps bytecode in a folder of the test's, as it does where packages are installed: without, what is
    measured is the compiler.
    """
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    code = (
        "import time; started = time.process_time(); import pytest, _pytest.config, pytest_asyncio.plugin\n"
        "own = time.process_time(); import pytest_dagger_rust.plugin; ended = time.process_time()\n"
        "print((ended - own) / (own - started))"
    )
    runs = (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
        )
        for _ in range(6)
    )
    assert min(float(run.stdout) for run in runs) < 0.2


def test_fixtures_are_told_by_pytest(bare_project: Project) -> None:
    """`pytest --fixtures` shows each fixture with a first line that says what it is for."""
    result = bare_project.pytest("--fixtures")
    for name in (
        "dagger_client",
        "rust_workspace",
        "cached_rust_build",
        "cached_rust_build_factory",
        "rust_builder_image",
    ):
        result.stdout.fnmatch_lines([f"{name} ?session scope?*", "    [A-Z]*"])


def test_the_plugin_can_be_left_out(bare_project: Project) -> None:
    """`-p no:dagger_rust` works, and with it the fixtures are gone."""
    result = bare_project.pytest("-p", "no:dagger_rust", any="def test_any(cached_rust_build):\n    pass\n")
    result.stdout.fnmatch_lines(["*fixture 'cached_rust_build' not found*"])


WORKERS = """
import os
import pytest

from tests.pytest import program

@pytest.mark.parametrize("number", range(8))
async def test_any(_dagger_engine, cached_rust_build, number):
    assert (await cached_rust_build.run("app", "exit", str(number))).exit_code == number
    report = cached_rust_build.report
    line = f"{os.environ['PYTEST_XDIST_WORKER']} {_dagger_engine.port} {report.steps.get('cargo')}"
    with open(os.environ["WORKERS_LOG"], "a") as file:
        print(line, file=file)
"""


def test_workers_share_one_session_and_one_build(
    bare_project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Under `-n 4` all workers use the controller's session; it ends with the run, and so does its socket."""
    log = tmp_path / "workers.log"
    monkeypatch.setenv("WORKERS_LOG", str(log))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # In a folder of its own: beside it, what pytest prints is written to a file, and one more file is another tree.
    bare_project.write({f"rust/{name}": text for name, text in program.FILES.items()})
    result = bare_project.pytest("-n4", "--dagger-rust-workspace=rust", workers=WORKERS)
    result.assert_outcomes(passed=8)
    lines = [line.split(maxsplit=2) for line in log.read_text().splitlines()]
    assert len({worker for worker, _, _ in lines}) > 1
    assert len({port for _, port, _ in lines}) == 1
    # Seconds that cargo took, alike to the hundredth: it was one and the same build.
    assert len({seconds for _, _, seconds in lines} - {"None"}) == 1
    assert list(tmp_path.glob("pytest-dagger-rust-*")) == []


# The worker whose turn it is to build dies as soon as the compiler runs, once.
DYING = """
import os
import threading

from pytest_dagger_rust.builds import pipeline
from tests.engine.accidents import MARK, wait_for_rustc

def die():
    wait_for_rustc("app", os.environ[MARK])
    os._exit(1)

real = pipeline._run

async def run(plan):
    try:
        os.close(os.open("died", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        pass
    else:
        threading.Thread(target=die, daemon=True).start()
    return await real(plan)

pipeline._run = run
"""


def test_a_worker_dies_while_it_builds(
    bare_project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The next one takes over: only the test that the dead worker was at is lost."""
    monkeypatch.setenv("WORKERS_LOG", str(tmp_path / "workers.log"))
    bare_project.write({f"rust/{name}": text for name, text in program.FILES.items()})
    bare_project.write({"conftest.py": DYING})
    mark = uuid.uuid4().hex
    monkeypatch.setenv(MARK, mark)
    options = ("--dagger-rust-workspace=rust", f"--dagger-rust-build-env={MARK}={mark}")
    result = bare_project.pytest("-n2", *options, workers=WORKERS)
    result.assert_outcomes(passed=7, failed=1)
    result.stdout.fnmatch_lines(["*worker 'gw*' crashed while running*"])
    assert (bare_project.folder / "died").exists()


AT_THE_END = """
import atexit, gc

# What is registered first is called last.
atexit.register(lambda: print(f"frozen: {gc.get_freeze_count() > 50_000}"))

def test_client(dagger_client):
    pass
"""


def test_the_end_is_not_spent_on_looking_for_garbage(project: Project) -> None:
    """The interpreter ends without a look at all the objects that the SDK has made."""
    project.pytest("-s", end=AT_THE_END).stdout.fnmatch_lines(["frozen: True"])
