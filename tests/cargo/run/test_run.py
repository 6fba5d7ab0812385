"""Tests of the agent's runs: what a program can do to its result, and what leaves the container of it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.run import results
from tests.cargo.run.compiled import AgentRun, as_another, enterable

if TYPE_CHECKING:
    from collections.abc import Iterator


def processes(mark: str) -> list[int]:
    """Find the processes that have a text on their command line."""
    return [
        int(process.name)
        for process in Path("/proc").iterdir()
        if process.name.isdigit() and mark in command_of(process) and int(process.name) != os.getpid()
    ]


def command_of(process: Path) -> str:
    """Read a command line, empty for a process that is gone."""
    try:
        return (process / "cmdline").read_text(errors="replace")
    except OSError:
        return ""


def test_output_status_and_time_are_kept(run: AgentRun) -> None:
    """Both streams apart, the exit code, and a plausible time."""
    report = run.report("print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (report.stdout.data, report.stderr.data) == (b"out\n", b"err\n")
    assert report.status is not None
    assert (report.status.exit_code, report.status.signal) == (3, None)
    assert 0 < report.seconds < 20
    assert not report.timed_out


def test_a_death_by_signal_is_one(run: AgentRun) -> None:
    """And an exit code above 128 is none."""
    report = run.report("os.kill(os.getpid(), 11)")
    assert report.status is not None
    assert (report.status.exit_code, report.status.signal) == (139, "SIGSEGV")
    report = run.report("sys.exit(139)")
    assert report.status is not None
    assert (report.status.exit_code, report.status.signal) == (139, None)


def test_what_is_beyond_the_limit_is_counted(run: AgentRun) -> None:
    """The first bytes stay."""
    report = run.report("sys.stdout.write('x' * 3_000_000)")
    assert report.stdout.data == b"x" * (1 << 20)
    assert report.stdout.dropped == 3_000_000 - (1 << 20)


def test_a_program_that_is_not_there_is_said(run: AgentRun) -> None:
    """In the kernel's words, and not as an exit code."""
    ended = run.start_program(["/nowhere"])
    assert ended.returncode == 0
    report = results.read_file(run.result, 0)
    assert (report.status, report.not_started) == (None, "No such file or directory (os error 2)")


@pytest.mark.parametrize(
    "attack",
    [
        "os.symlink('/etc/passwd', RESULT)",
        "os.symlink('/proc/self/environ', RESULT)",
        "os.mkfifo(RESULT)",
        "os.makedirs(RESULT + '/full/of/folders')",
        "open(RESULT, 'wb').write(b'pytest-dagger-rust result 1\\ns\\0\\0\\0\\x08exited 0.\\0\\0\\0\\0')",
        "open(RESULT, 'w').close(); os.chmod(RESULT, 0)",
        "open(FOLDER + '/other', 'w').close(); os.link(FOLDER + '/other', RESULT)",
    ],
    ids=["link", "link to environ", "fifo", "folder", "forged", "unreadable", "hard link"],
)
def test_nothing_in_place_of_the_result_is_believed(run: AgentRun, attack: str) -> None:
    """Whatever the program puts there is set aside; the result is a file of the agent's own."""
    report = run.report(f"{attack}; print('said'); sys.exit(7)")
    assert report.status is not None
    assert (report.status.exit_code, report.stdout.data) == (7, b"said\n")
    found = run.result.lstat()
    assert run.result.is_file()
    assert not run.result.is_symlink()
    assert (found.st_mode & 0o777, found.st_nlink) == (0o644, 1)


def test_a_device_in_place_of_the_result_is_set_aside(run: AgentRun) -> None:
    """Which root can make."""
    if os.geteuid() != 0:
        pytest.skip("device nodes need root")
    run.result.parent.mkdir()
    os.mknod(run.result, 0o20666, os.makedev(1, 3))
    assert run.report("print('said')").stdout.data == b"said\n"
    assert run.result.is_file()


def test_nothing_else_is_part_of_the_result(run: AgentRun) -> None:
    """Two hundred megabytes beside the result stay where they are."""
    code = """
    with open(os.path.dirname(RESULT) + "/extra", "wb") as file:
        file.truncate(200_000_000)
    """
    run.report(code)
    assert run.result.stat().st_size < 1000


def test_the_folder_of_results_cannot_be_swapped(run: AgentRun) -> None:
    """The agent holds it from before the program starts."""
    code = """
    os.rename(os.path.dirname(RESULT), FOLDER + "/mine")
    os.symlink("/etc", os.path.dirname(RESULT))
    print("said")
    """
    ended = run.start(code)
    assert ended.returncode == 0, ended.stderr
    assert b"said\n" in (run.folder / "mine/result").read_bytes()
    assert not Path("/etc/result").exists()


@pytest.mark.parametrize("name", ["environ", "fd", "mem", "maps"])
def test_the_agent_is_closed_to_the_program(run: AgentRun, name: str) -> None:
    """Its descriptors lead to what the program has said so far, its memory has it."""
    code = f"""
    path = f"/proc/{{os.getppid()}}/{name}"
    try:
        os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1)
        print("read")
    except OSError as error:
        print(type(error).__name__)
    """
    assert run.report(code).stdout.data == b"PermissionError\n"


def test_the_agent_cannot_be_traced(run: AgentRun) -> None:
    """By a program of the same user."""
    code = """
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    print(libc.ptrace(16, os.getppid(), 0, 0), os.strerror(ctypes.get_errno()))
    """
    assert run.report(code).stdout.data == b"-1 Operation not permitted\n"


def test_a_killed_agent_leaves_no_result(run: AgentRun) -> None:
    """Also where the program writes one itself, the agent's end says that it is not its own."""
    ended = run.start("open(RESULT, 'wb').write(b'forged'); os.kill(os.getppid(), 9)")
    assert ended.returncode == -signal.SIGKILL


DAEMON = """
    mark = sys.argv[1]
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(60)", mark])
        os._exit(0)
    print("parent", flush=True)
"""


@pytest.mark.parametrize("timeout", [None, 30])
def test_a_daemon_that_holds_the_output_open_ends_with_the_run(run: AgentRun, timeout: float | None) -> None:
    """In a session of its own, and with another parent than the program; the run is as long as the program."""
    mark = f"daemon-of-{os.getpid()}-{timeout}"
    began = time.monotonic()
    report = run.report(DAEMON, mark, timeout=timeout)
    assert time.monotonic() - began < 10
    assert report.stdout.data == b"parent\n"
    assert processes(mark) == []


def test_a_timeout_ends_everything(run: AgentRun) -> None:
    """The program, which does not want to, and its daemon; what they wrote until then is kept."""
    mark = f"timeout-of-{os.getpid()}"
    code = f"{DAEMON}\n    import signal\n    signal.signal(15, signal.SIG_IGN)\n    time.sleep(60)"
    report = run.report(code, mark, timeout=0.5)
    assert report.timed_out
    assert report.status is not None
    assert (report.status.signal, report.stdout.data) == ("SIGKILL", b"parent\n")
    assert processes(mark) == []


def test_processes_that_make_more_of_them_end(run: AgentRun) -> None:
    """They are stopped before they are killed."""
    mark = f"more-of-{os.getpid()}"
    code = """
    if os.fork() == 0:
        os.setsid()
        while True:
            if os.fork() == 0:
                os.setsid()
                time.sleep(0.002)
            else:
                os._exit(0)
    time.sleep(0.3)
    """
    report = run.report(code, mark)
    assert report.status is not None
    assert report.status.exit_code == 0
    assert processes(mark) == []


def test_outputs_are_read(run: AgentRun) -> None:
    """A file by its number, a folder's files by their paths below it."""
    code = """
    os.makedirs(FOLDER + "/out/deep")
    open(FOLDER + "/one", "w").write("one")
    open(FOLDER + "/out/deep/two", "w").write("two")
    open(FOLDER + "/out/a\\udcffb\\n", "w").write("three")
    """
    report = run.report(code, outputs=[run.folder / "one", run.folder / "out"])
    assert report.files == {(0, ""): b"one", (1, "deep/two"): b"two", (1, "a\udcffb\n"): b"three"}
    assert report.missing == {}


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        ("pass", "was not written"),
        ("os.mkfifo(FOLDER + '/out')", "is not a regular file"),
        ("os.symlink('/etc/passwd', FOLDER + '/out')", "is a symbolic link"),
        ("os.symlink(FOLDER, FOLDER + '/out')", "is a symbolic link"),
        ("import socket; socket.socket(1).bind('out')", "is not a regular file"),
        ("open(FOLDER + '/out', 'w').truncate(20 << 30)", "is too large: "),
        ("open(FOLDER + '/out', 'w').close(); os.chmod(FOLDER + '/out', 0)", "cannot be read: "),
    ],
    ids=["nothing", "fifo", "link", "link to a folder", "socket", "20 GiB", "unreadable"],
)
def test_what_is_no_output_is_said(run: AgentRun, attack: str, reason: str) -> None:
    """Nothing is followed, waited for, or read without end."""
    report = run.report(attack, outputs=[run.folder / "out"])
    assert report.files == {}
    assert report.missing[0, ""].startswith(reason)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/dev/zero", "is not a regular file"),
        ("/proc/self/fd/0", "is a symbolic link"),
    ],
)
def test_devices_are_no_outputs(run: AgentRun, path: str, reason: str) -> None:
    """Nor what goes on without end."""
    assert run.report("", outputs=[path]).missing == {(0, ""): reason}


def test_links_in_a_folder_of_outputs_are_said(run: AgentRun) -> None:
    """The files beside them are read."""
    code = """
    os.mkdir(FOLDER + "/out")
    os.symlink("/etc", FOLDER + "/out/etc")
    os.symlink("/etc/passwd", FOLDER + "/out/passwd")
    os.mkfifo(FOLDER + "/out/pipe")
    open(FOLDER + "/out/file", "w").write("file")
    """
    report = run.report(code, outputs=[run.folder / "out"])
    assert report.files == {(0, "file"): b"file"}
    assert report.missing == {
        (0, "etc"): "is a symbolic link",
        (0, "passwd"): "is a symbolic link",
        (0, "pipe"): "is not a regular file",
    }


def test_the_agents_own_folders_are_no_outputs(run: AgentRun) -> None:
    """By whichever path."""
    folders: list[str | Path] = [
        run.result.parent,
        f"{run.folder}/../{run.folder.name}/result-folder",
        run.program.parent,
    ]
    report = run.report("", outputs=folders)
    assert report.missing == {(number, ""): "is a folder of pytest-dagger-rust" for number in range(3)}


def test_outputs_have_room_together(run: AgentRun) -> None:
    """What does not fit any more is left out whole; what does, is read."""
    code = """
    for name, size in ("1", 200 << 20), ("2", 100 << 20), ("3", 10):
        with open(f"{FOLDER}/{name}", "w") as file:
            file.truncate(size)
    """
    report = run.report(code, outputs=[run.folder / name for name in "123"])
    assert {key: len(data) for key, data in report.files.items()} == {(0, ""): 200 << 20, (2, ""): 10}
    assert report.missing[1, ""].startswith("is too large: the outputs of a run may have 256 MiB together")


def test_folders_without_end_are_not_followed(run: AgentRun) -> None:
    """Folders in folders, as deep as their maker pleased."""
    code = """
    os.mkdir("out")
    for _ in range(200):
        os.chdir("out") if os.path.isdir("out") else None
        os.mkdir("out")
    """
    report = run.report(code, outputs=[run.folder / "out"])
    assert list(report.missing.values()) == ["is in more than 64 folders"]


def test_the_engines_variables_are_not_the_programs(compiled_agent: Path, tmp_path: Path) -> None:
    """Where traces are sent to is nothing that a program under test has to know, unless its test says so."""
    env = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1",
        "OTEL_TRACES_EXPORTER": "otlp",
        "TRACEPARENT": "00-0-0-00",
        "TRACESTATE": "x=y",
        "BAGGAGE": "x=y",
        "BAGGAGE_CLAIM": "mine",
        "PYTEST_DAGGER_RUST_RUN": "x",
        "OTEL_SERVICE_NAME": "mine",
    }
    run = AgentRun(compiled_agent, enterable(tmp_path), env)
    code = f"print(*sorted(set(os.environ) & {set(env)!r}))"
    assert run.report(code).stdout.data == b"BAGGAGE_CLAIM OTEL_SERVICE_NAME\n"


def test_a_descriptor_that_was_sent_away_does_not_hold_the_run(run: AgentRun) -> None:
    """A process that is none of the program's may hold its output open: it is waited for, but not for ever."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        path = run.folder / "socket"
        listener.bind(str(path))
        path.chmod(0o777)
        listener.listen()
        code = """
        import socket
        sender = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sender.connect(FOLDER + "/socket")
        print("said", flush=True)
        socket.send_fds(sender, [b"x"], [1])
        """
        began = time.monotonic()
        assert run.report(code).stdout.data == b"said\n"
        assert time.monotonic() - began < 20


SOCKETS = """
import errno, socket
def attempt(what, function):
    try:
        function()
        print(what, "works")
    except OSError as error:
        print(what, errno.errorcode.get(error.errno, error))
for name in ("INET", "INET6", "NETLINK", "PACKET", "VSOCK"):
    attempt(name, lambda: socket.socket(getattr(socket, "AF_" + name), socket.SOCK_DGRAM))
attempt("TCP", lambda: socket.create_server(("127.0.0.1", 0)))
attempt("UNIX", lambda: socket.socketpair(socket.AF_UNIX))
if os.fork() == 0:
    os.execv(sys.executable, [sys.executable, "-c", "import socket; socket.socket()"])
os.wait()
attempt("other", lambda: open(f"/proc/{sys.argv[1]}/mem", "r+b"))
os.makedirs(FOLDER + "/a/b"); os.makedirs(FOLDER + "/c")
attempt("move", lambda: os.rename(FOLDER + "/a/b", FOLDER + "/c/b"))
"""


@pytest.fixture
def other() -> Iterator[str]:
    """The number of a process of the same user, which is nobody's child."""
    process = subprocess.Popen(["sleep", "60"], **as_another())
    yield str(process.pid)
    process.kill()
    process.wait()


def test_without_a_network_only_sockets_within_the_machine_are_left(run: AgentRun, other: str) -> None:
    """Of every other family none is opened, by no process that it starts; files can still be moved."""
    whole = run.report(SOCKETS.replace("os.makedirs", "print"), other).stdout.data.decode()
    assert "ENETUNREACH" not in whole
    assert "other works" in whole
    report = run.report(SOCKETS, other, options=["--network=refused"])
    lines = report.stdout.data.decode().splitlines()
    assert lines[:5] == [f"{name} ENETUNREACH" for name in ("INET", "INET6", "NETLINK", "PACKET", "VSOCK")]
    assert lines[5:] == ["TCP ENETUNREACH", "UNIX works", "other EACCES", "move works"]
    assert b"[Errno 101] Network is unreachable" in report.stderr.data


def test_what_only_listens_connects_to_nothing(run: AgentRun, other: str) -> None:
    """As a service without a network: it may open a port, but neither connect nor send."""
    code = (
        SOCKETS
        + """
server = socket.create_server(("127.0.0.1", 0))
client = socket.socket()
attempt("connect", lambda: client.connect(server.getsockname()))
attempt("fast open", lambda: socket.socket().sendto(b"x", socket.MSG_FASTOPEN, server.getsockname()))
"""
    )
    report = run.report(code, other, options=["--network=listening"])
    lines = report.stdout.data.decode().splitlines()
    assert lines[:5] == [f"{name} ENETUNREACH" for name in ("INET", "INET6", "NETLINK", "PACKET", "VSOCK")]
    assert lines[5:] == [
        "TCP works",
        "UNIX works",
        "other EACCES",
        "move works",
        "connect EACCES",
        "fast open ENETUNREACH",
    ]


def test_no_process_has_more_memory_than_it_may(run: AgentRun) -> None:
    """Its own error, as where a machine has no more; below the limit there is none."""
    code = "data = bytearray(200_000_000); print(len(data))"
    assert b"MemoryError" in run.report(code, options=["--memory=100000000"]).stderr.data
    assert run.report(code, options=["--memory=400000000"]).stdout.data == b"200000000\n"


def test_what_makes_too_many_processes_is_ended(run: AgentRun) -> None:
    """All of them, and the result says why; a few are no reason to."""
    code = "for _ in range({}):\n    if os.fork() == 0:\n        time.sleep(60)\n        os._exit(0)\ntime.sleep({})"
    began = time.monotonic()
    report = run.report(code.format(40, 60), options=["--processes=20"])
    assert report.had_too_many
    assert report.status is not None
    assert report.status.signal == "SIGKILL"
    assert time.monotonic() - began < 40
    assert not run.report(code.format(5, 1), options=["--processes=20"]).had_too_many
