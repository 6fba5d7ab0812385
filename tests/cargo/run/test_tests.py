"""Tests of the agent as it runs test binaries: side by side, each apart from the others."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.run import results
from pytest_dagger_rust.rust_tests import job_files
from pytest_dagger_rust.rust_tests.job_files import Call, Program
from pytest_dagger_rust.rust_tests.written_back import WrittenBack
from tests.cargo.run.test_run import DAEMON, processes

if TYPE_CHECKING:
    from pytest_dagger_rust.run.results import AgentReport
    from tests.cargo.run.compiled import AgentRun

SHELL = Program("/", {"PATH": "/usr/bin:/bin", "A": "one\ntwo"}, ("/bin/sh", "-c"))


def reports(run: AgentRun, *scripts: str, options: tuple[str, ...] = ()) -> dict[int, AgentReport]:
    """Run shell scripts as jobs."""
    return called(run, [SHELL], [Call(0, (script,)) for script in scripts], options)


def called(
    run: AgentRun,
    programs: list[Program],
    calls: list[Call],
    options: tuple[str, ...] = (),
    back: WrittenBack | None = None,
) -> dict[int, AgentReport]:
    """Make calls, and return what became of those that were made; `back` takes what they have written."""
    jobs = run.folder / "jobs"
    jobs.write_bytes(job_files.write(programs, calls))
    ended = run.call("tests", f"--jobs={jobs}", "--limit=65536", *options)
    assert ended.returncode == 0, ended.stderr
    with results.open_exported(run.result) as file:
        found = job_files.split(file, run.result.stat().st_size, len(calls), back)
    return {number: job_files.read(result) for number, result in found.items()}


def test_each_job_has_its_own_result(run: AgentRun) -> None:
    """Its output, its exit code or its signal, by its number."""
    found = reports(run, "echo one", "echo two >&2; exit 3", "kill -ABRT $$", "exit 134")
    assert sorted(found) == [0, 1, 2, 3]
    assert [found[number].status.exit_code for number in range(4)] == [0, 3, 134, 134]  # type: ignore[union-attr]
    assert [found[number].status.signal for number in range(4)] == [None, None, "SIGABRT", None]  # type: ignore[union-attr]
    assert (found[0].stdout.data, found[1].stderr.data) == (b"one\n", b"two\n")


def test_a_job_has_the_folder_the_variables_and_the_arguments_of_its_binary(run: AgentRun) -> None:
    """And no others; words of any kind arrive as they are."""
    binary = Program("/usr", {"X": "a 'b'\n\udcff"}, ("/usr/bin/env", "-0"))
    printer = Program("/usr/bin", {}, ("/usr/bin/printf", "%s|"))
    words = ("a b", "", "x\ny\tz", "\udcfe", "$HOME")
    where = Program("/usr", {}, ("/usr/bin/pwd",))
    found = called(run, [binary, printer, where], [Call(0), Call(1, words), Call(2)])
    assert found[0].stdout.data == b"X=a 'b'\n\xff\0"
    assert found[1].stdout.data == b"a b||x\ny\tz|\xfe|$HOME|"
    assert found[2].stdout.data == b"/usr\n"


def test_a_binary_that_is_not_there_is_said(run: AgentRun) -> None:
    """The other jobs run."""
    found = called(run, [Program("/", {}, ("/nowhere",)), SHELL], [Call(0), Call(1, ("exit 0",))])
    assert found[0].not_started == "No such file or directory (os error 2)"
    assert found[1].status is not None


def test_beginning_and_end_of_long_output_are_kept(run: AgentRun) -> None:
    """What is between them is counted."""
    report = reports(run, "head -c 1000000 /dev/zero | tr '\\0' x; echo end")[0]
    assert len(report.stdout.data) == 2 * 65536
    assert report.stdout.data.endswith(b"xend\n")
    assert (report.stdout.cut, report.stdout.dropped) == (65536, 1_000_004 - 2 * 65536)


def test_a_job_that_goes_on_for_too_long_is_ended(run: AgentRun) -> None:
    """With all that it has started; the others are not held up."""
    mark = f"job-of-{os.getpid()}"
    began = time.monotonic()
    found = reports(run, f"echo x; sleep 60; : {mark}", "exit 0", options=("--timeout=0.5",))
    assert time.monotonic() - began < 10
    assert (found[0].timed_out, found[0].stdout.data) == (True, b"x\n")
    assert not found[1].timed_out
    assert processes(mark) == []


def test_a_daemon_ends_with_its_own_job(run: AgentRun) -> None:
    """Not with another one that ends earlier; the results do not wait for it."""
    mark = f"tests-daemon-of-{os.getpid()}"
    python = Program("/", {}, ("/usr/bin/python3", "-c"))
    lines = [line.removeprefix("    ") for line in DAEMON.splitlines()]
    look = f"sum({mark!r} in open(f).read() for f in glob.glob('/proc/[0-9]*/cmdline'))"
    # The daemon may need time to be there; then the other job has time to take it along.
    wait = (
        f"until = time.time() + 10\nwhile {look} < 2 and time.time() < until: time.sleep(0.05)\ntime.sleep(1)"
    )
    code = "\n".join(["import glob, os, sys, time", *lines, wait, f"print({look})"])
    began = time.monotonic()
    found = called(run, [python, SHELL], [Call(0, (code, mark)), Call(1, ("exit 0",))], ("--parallel=2",))
    assert time.monotonic() - began < 20
    # The program itself has the mark on its command line, and so has its daemon.
    assert found[0].stdout.data == b"parent\n2\n", found[0].stderr.data
    assert processes(mark) == []


def test_as_many_jobs_run_at_once_as_was_said(run: AgentRun) -> None:
    """Five of a fifth of a second each take as long as one."""
    began = time.monotonic()
    reports(run, *["sleep 0.5"] * 6, options=("--parallel=6",))
    assert time.monotonic() - began < 2.5


def test_after_the_last_failure_none_is_started(run: AgentRun) -> None:
    """What has been started is finished."""
    found = reports(
        run, "exit 0", "exit 1", "kill -9 $$", *["exit 0"] * 5, options=("--parallel=1", "--failures=2")
    )
    assert sorted(found) == [0, 1, 2]


def test_after_the_budget_none_is_started(run: AgentRun) -> None:
    """One that takes longer than that comes to its end."""
    found = reports(run, "sleep 0.6", "exit 0", options=("--parallel=1", "--budget=0.3"))
    assert sorted(found) == [0]


def test_slow_jobs_are_ended_where_their_results_must_not_be_waited_for(run: AgentRun) -> None:
    """Once there is another result; they have an empty one, and nothing of them is left."""
    mark = f"slow-of-{os.getpid()}"
    jobs = run.folder / "jobs"
    scripts = [f"sleep 60; : {mark}", "sleep 1; exit 0", "sleep 60", "exit 0"]
    jobs.write_bytes(job_files.write([SHELL], [Call(0, (script,)) for script in scripts]))
    began = time.monotonic()
    options = ("--budget=0.2", "--slow=end", "--parallel=3", "--limit=65536")
    assert run.call("tests", f"--jobs={jobs}", *options).returncode == 0
    assert 1 <= time.monotonic() - began < 10
    with results.open_exported(run.result) as file:
        found = job_files.split(file, run.result.stat().st_size, len(scripts))
    assert {number: bool(result) for number, result in found.items()} == {0: False, 1: True, 2: False}
    assert processes(mark) == []


def test_a_job_that_kills_what_watches_it_fails(run: AgentRun) -> None:
    """It alone; nothing that it writes is taken for its result, and it ends with the others."""
    mark = f"killer-of-{os.getpid()}"
    found = reports(run, f"echo x; kill -9 $PPID; sleep 60; : {mark}", "exit 0")
    assert processes(mark) == []
    assert found[0].is_lost
    assert found[0].status is not None
    assert found[0].status.signal == "SIGKILL"
    assert not found[1].is_lost


@pytest.mark.parametrize("attack", ["ln -s /etc/passwd {}", "mkfifo {}", "mkdir -p {}/x", "echo x >{}"])
def test_nothing_in_place_of_the_results_is_believed(run: AgentRun, attack: str) -> None:
    """Whatever a test puts there is set aside."""
    assert reports(run, attack.format(run.result), "exit 0")[1].status is not None
    assert not run.result.is_symlink()


def test_jobs_that_cannot_be_read_are_said(run: AgentRun) -> None:
    """With the file and what is wrong with it."""
    jobs = run.folder / "jobs"
    jobs.write_bytes(job_files.write([SHELL], [Call(0, ("exit 0",))])[:-3])
    ended = run.call("tests", f"--jobs={jobs}", "--limit=65536")
    assert ended.returncode != 0
    assert ended.stderr == f"pytest-dagger-rust: {jobs}: ends 3 bytes too early\n"


def test_what_tests_write_is_returned_where_a_pattern_matches(run: AgentRun) -> None:
    """Files that are new or have changed, whatever their times; no links, and nothing that was there."""
    root, back = run.folder / "root", run.folder / "back"
    (root / "snapshots").mkdir(parents=True)
    back.mkdir()
    for name in ("same.snap.new", "changed.snap.new", "snapshots/plain"):
        (root / name).write_text("old")
    # The agent runs as another user here.
    for path in (root, *root.rglob("*")):
        path.chmod(0o777)
    script = (
        f"cd {root}; cp -p same.snap.new aside; printf new >changed.snap.new;"
        "touch -r aside changed.snap.new; mkdir -p a/b .git; echo 1 >a/b/one.snap.new; echo 2 >.git/two.snap.new;"
        "ln -s one.snap.new a/b/link.snap.new; mkdir a/b/folder.snap.new; echo 3 >snapshots/plain; echo 4 >seeds"
    )
    written = WrittenBack(back, ("**/*.snap.new", "seeds/**", "s?eds"))
    options = (f"--root={root}", *(f"--output={pattern}" for pattern in written.patterns))
    found = called(run, [SHELL], [Call(0, (script,))], options, written)
    assert found[0].status == results.Status(0), found
    assert written.written == {"changed.snap.new", "a/b/one.snap.new", "seeds"}
    assert (written.failed, (back / "changed.snap.new").read_text()) == ({}, "new")
