"""The development stack: what it starts it can find again, heal and end, and nothing else."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dev.stack import engine, images, network, packages, process
from dev.stack.engine import Engine
from dev.stack.process import PidFile, Process
from dev.stack.registry import Registry
from dev.stack.settings import CHECKOUT, Settings, StackError, content_key
from dev.stack.source import CLIENT, RUNNER_HOST, SESSION_PORT, Source, choose
from dev.stack.stack import Stack, export_lines, locked

if TYPE_CHECKING:
    from collections.abc import Generator

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the stack's daemons run on Linux")


@pytest.fixture
def sleeper() -> Generator[subprocess.Popen[bytes]]:
    """Run a process that does nothing."""
    with subprocess.Popen(["sleep", "300"]) as child:
        yield child
        child.kill()


def identified(pid: int, key: str = "") -> Process:
    """Return the identity of a process that surely runs."""
    found = Process.of(pid, key)
    assert found is not None
    return found


def ended(*family: Process) -> bool:
    """Whether processes end, given a little time."""
    return process.wait_until(lambda: not any(member.alive for member in family), 10)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@linux_only
class TestProcesses:
    def test_a_pid_file_remembers_a_process_until_it_ends(
        self, tmp_path: Path, sleeper: subprocess.Popen[bytes]
    ) -> None:
        """What was written is read back, with its key, and nothing once the process is gone."""
        file = PidFile(tmp_path / "run" / "daemon.pid")
        file.write(identified(sleeper.pid, "recipe"))
        remembered = file.read()
        assert remembered is not None
        assert (remembered.pid, remembered.key) == (sleeper.pid, "recipe")
        sleeper.kill()
        sleeper.wait()
        assert file.read() is None

    def test_a_recycled_pid_is_not_ours(self, tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
        """A process of the remembered id that started at another time is neither reported nor ended."""
        real = identified(sleeper.pid)
        recycled = Process(real.pid, real.started - 1, real.boot)
        file = PidFile(tmp_path / "daemon.pid")
        file.write(recycled)
        assert file.read() is None
        process.stop(recycled, grace=0.1)
        assert sleeper.poll() is None

    def test_a_pid_of_an_earlier_boot_is_not_ours(self, sleeper: subprocess.Popen[bytes]) -> None:
        """The same id and start time after a restart of the machine mean another process."""
        real = identified(sleeper.pid)
        assert real.alive
        assert not Process(real.pid, real.started, "another boot").alive

    @pytest.mark.parametrize(
        "text", ["", "4711", "[]", '{"pid": 1}', '{"pid": "x", "started": 1, "boot": ""}']
    )
    def test_a_broken_pid_file_counts_as_none(self, tmp_path: Path, text: str) -> None:
        """Half a file, or somebody else's, stops nobody."""
        file = PidFile(tmp_path / "daemon.pid")
        file.path.write_text(text)
        assert file.read() is None

    def test_a_process_that_only_waits_for_its_parent_is_not_alive(self) -> None:
        """A zombie holds its id, but nothing runs there."""
        with subprocess.Popen(["sleep", "300"]) as child:
            known = identified(child.pid)
            child.kill()
            assert ended(known)

    def test_stopping_ends_the_whole_family(self, tmp_path: Path) -> None:
        """A daemon deaf to SIGTERM and its children are killed after the grace time."""
        script = "trap '' TERM; sleep 300 & sleep 300 & echo ready; wait"
        log = tmp_path / "log"
        daemon = process.start(["sh", "-c", script], log=log, environment=os.environ, key="")
        assert process.wait_until(lambda: len(daemon.children()) == 2 and "ready" in log.read_text(), 5)
        family = [daemon, *daemon.children()]
        process.stop(daemon, grace=0.3)
        assert [member.alive for member in family] == [False, False, False]

    def test_a_new_start_keeps_the_last_log(self, tmp_path: Path) -> None:
        """The log of the run before is there to be read after a restart."""
        log = tmp_path / "log" / "daemon.log"
        for word in ("first", "second"):
            daemon = process.start(["echo", word], log=log, environment=os.environ, key="")
            assert ended(daemon)
        assert log.with_suffix(".previous.log").read_text() == "first\n"


class TestSettings:
    @pytest.mark.parametrize(
        ("environment", "cache"),
        [
            ({"HOME": "/home/u"}, "/home/u/.cache/pytest-dagger-rust"),
            ({"HOME": "/home/u", "XDG_CACHE_HOME": ""}, "/home/u/.cache/pytest-dagger-rust"),
            ({"HOME": "/home/u", "XDG_CACHE_HOME": "relative"}, "/home/u/.cache/pytest-dagger-rust"),
            ({"HOME": "/home/u", "XDG_CACHE_HOME": "/caches"}, "/caches/pytest-dagger-rust"),
        ],
    )
    def test_the_cache_folder_follows_the_xdg_rules(self, environment: dict[str, str], cache: str) -> None:
        """A relative or empty XDG_CACHE_HOME counts as not set."""
        assert Settings.from_environment(environment).cache == Path(cache)

    @pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "50 00"])
    def test_a_port_that_is_none_is_refused_by_name(self, text: str) -> None:
        """The message says which variable is wrong."""
        with pytest.raises(StackError, match="STACK_REGISTRY_PORT must be a port number"):
            Settings.from_environment({"HOME": "/", "STACK_REGISTRY_PORT": text})

    def test_two_stacks_get_two_networks(self) -> None:
        """Names and addresses come from the cache folder, and fit what an interface may be called."""
        one, other = Settings(Path("/one")), Settings(Path("/other"))
        assert one.network != other.network
        assert one.subnet != other.subnet
        assert len(network.bridge(one.network)) <= 15

    def test_a_key_tells_parts_from_their_concatenation(self) -> None:
        """Text that moves from one part into the next changes the key."""
        assert content_key("ab", "c") != content_key("a", "bc")
        assert content_key("ab", "c") == content_key(b"ab", "c")


class TestSource:
    OWN = "unix:///cache/engine.sock"

    @pytest.mark.parametrize(
        ("environment", "docker", "root", "expected"),
        [
            ({SESSION_PORT: "4711"}, True, True, Source.NAMED),
            ({RUNNER_HOST: "tcp://10.0.0.1:1234"}, True, True, Source.NAMED),
            ({}, True, True, Source.DOCKER),
            ({}, True, False, Source.DOCKER),
            ({}, False, True, Source.BUILT),
            ({RUNNER_HOST: OWN}, True, True, Source.BUILT),
            ({RUNNER_HOST: ""}, False, True, Source.BUILT),
        ],
    )
    def test_the_first_engine_there_is_taken(
        self, environment: dict[str, str], docker: bool, root: bool, expected: Source
    ) -> None:
        """The environment's comes first, then Docker's, then our own, also where the environment names it."""
        chosen = choose(environment, own_host=self.OWN, docker=lambda: docker, root_on_linux=root)
        assert chosen is expected

    def test_docker_is_not_asked_when_the_environment_names_an_engine(self) -> None:
        """A Docker daemon that hangs costs nothing where it is not wanted."""

        def ask() -> bool:
            pytest.fail("Docker was asked")

        choose({SESSION_PORT: "4711"}, own_host=self.OWN, docker=ask, root_on_linux=True)

    def test_without_any_engine_the_message_names_all_three_ways(self) -> None:
        """One sentence says what would help."""
        with pytest.raises(StackError) as caught:
            choose({}, own_host=self.OWN, docker=lambda: False, root_on_linux=False)
        message = str(caught.value)
        assert all(word in message for word in (RUNNER_HOST, "Docker daemon", "root on Linux"))
        assert message.count(". ") == 0


class TestExports:
    def test_a_shell_reads_back_what_was_exported(self, tmp_path: Path) -> None:
        """Blanks, quotes and dollars survive, and the programs' folder comes first on the path."""
        values = {"ONE": "plain", "TWO": 'it\'s a $HOME "value" with \\ and `ls`'}
        programs = tmp_path / "it's $mine"
        script = export_lines(values, programs) + '\nprintf "%s\\n" "$ONE" "$TWO" "$PATH"'
        printed = subprocess.run(
            ["sh", "-euc", script], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}
        )
        assert printed.stdout.splitlines() == [*values.values(), f"{programs}:/usr/bin:/bin"]

    def test_an_engine_from_elsewhere_is_left_as_it_is(self) -> None:
        """Only the engine built here needs a client and images of its own."""
        stack = Stack(Settings(Path("/cache"), 5001))
        assert stack.variables(Source.NAMED) == {}
        assert stack.variables(Source.DOCKER) == {}
        assert stack.variables(Source.BUILT) == {
            CLIENT: "/cache/engine/bin/dagger",
            RUNNER_HOST: "unix:///cache/engine/engine.sock",
            "PYTEST_DAGGER_RUST_BUILDER_IMAGE": "127.0.0.1:5001/rust:1-trixie",
            "PYTEST_DAGGER_RUST_RUNTIME_IMAGE": "127.0.0.1:5001/debian:trixie-slim",
            "POSTGRES_IMAGE": "127.0.0.1:5001/postgres:17",
        }


class TestCommandLine:
    @staticmethod
    def stack(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command line as make does."""
        return subprocess.run(
            [sys.executable, "-m", "dev.stack", *words],
            cwd=CHECKOUT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def test_env_prints_nothing_but_shell_lines(self, tmp_path: Path) -> None:
        """What is evaluated and what is told to the user stay apart."""
        done = self.stack("env", DAGGER_SESSION_PORT="1", XDG_CACHE_HOME=str(tmp_path))
        assert done.returncode == 0
        assert all(line.startswith("export ") for line in done.stdout.splitlines())
        assert done.stderr == "stack: engine: the one the environment names\n"
        assert list(tmp_path.iterdir()) == []

    def test_a_failure_is_one_message_and_no_traceback(self, tmp_path: Path) -> None:
        """Errors are for users."""
        done = self.stack("up", XDG_CACHE_HOME=str(tmp_path), STACK_REGISTRY_PORT="many")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "stack: error: STACK_REGISTRY_PORT must be a port number, not 'many'.\n"

    def test_an_unknown_image_is_answered_with_those_there_are(self, tmp_path: Path) -> None:
        """The user need not look for the list."""
        done = self.stack("image", "rust:0.1", XDG_CACHE_HOME=str(tmp_path))
        assert done.returncode == 1
        assert all(reference in done.stderr for reference in images.ALL)


class TestNetwork:
    LISTING = """\
-P FORWARD ACCEPT
-N CNI-FORWARD
-N CNI-0123456789abcdef
-N CNI-fedcba9876543210
-A FORWARD -m comment --comment "CNI firewall plugin rules" -j CNI-FORWARD
-A CNI-FORWARD -d 10.150.0.2/32 -j ACCEPT
-A CNI-FORWARD -d 10.88.0.2/32 -j ACCEPT
-A POSTROUTING -s 10.150.0.2/32 -m comment --comment "name: \\"pdr1\\" id: \\"x\\"" -j CNI-0123456789abcdef
-A POSTROUTING -s 10.88.0.2/32 -m comment --comment "name: \\"pdr12\\" id: \\"y\\"" -j CNI-fedcba9876543210
-A CNI-0123456789abcdef ! -d 224.0.0.0/4 -m comment --comment "name: \\"pdr1\\" id: \\"x\\"" -j MASQUERADE
-A CNI-fedcba9876543210 ! -d 224.0.0.0/4 -m comment --comment "name: \\"pdr12\\" id: \\"y\\"" -j MASQUERADE
"""

    def test_only_our_own_rules_and_chains_are_undone(self) -> None:
        """Another engine's rules, and the chain that both share, stay."""
        lines = self.LISTING.splitlines()
        rules = [line.replace("-A", "-D", 1) for line in lines if '"pdr1' in line or "10.150.0.2" in line]
        expected = [rule for rule in rules if "pdr12" not in rule]
        assert len(expected) == 3
        undone = network.deletions(self.LISTING, "pdr1", "10.150.0.0/16")
        assert undone == [*expected, "-X CNI-0123456789abcdef"]

    def test_a_chain_that_others_use_stays(self) -> None:
        """Only chains left empty are deleted."""
        foreign = "-A CNI-0123456789abcdef -d 10.88.0.2/32 -j ACCEPT\n"
        undone = network.deletions(self.LISTING + foreign, "pdr1", "10.150.0.0/16")
        assert not any(line.startswith("-X") for line in undone)

    def test_where_nothing_is_ours_nothing_is_undone(self) -> None:
        """A machine with other people's rules only is left alone."""
        assert network.deletions(self.LISTING, "pdr3", "10.151.0.0/16") == []


class TestImages:
    def test_the_mirror_is_the_one_apt_uses_for_debian(self) -> None:
        """Other origins and Debian's side archives are passed over."""
        listing = (
            "Node nodistro https://node.example/\n"
            "Debian bookworm-security http://mirror.example/debian-security/\n"
            "Debian bookworm http://mirror.example/debian/\n"
        )
        assert images.mirror_of(listing) == "http://mirror.example/debian"
        assert images.mirror_of("Ubuntu noble http://mirror.example/ubuntu/\n\n") is None

    def test_backports_are_a_source_only_where_something_comes_from_them(self) -> None:
        """The runtime image knows no backports."""
        assert any("backports" in line for line in images.sources(images.BUILDER, "http://m"))
        assert not any("backports" in line for line in images.sources(images.RUNTIME, "http://m"))

    def test_an_image_can_be_of_another_release(self) -> None:
        """All its packages are then of that one, and other images stay as they are."""
        older = images.sources(images.find("rust:1.78"), "http://m")
        assert older == ["deb http://m bullseye main", "deb http://m bullseye-updates main"]
        assert not any("bullseye" in line for line in images.sources(images.BUILDER, "http://m"))

    def test_an_image_has_what_its_name_says(self) -> None:
        """Debian moves on, and a test of an older toolchain must not run with a newer one unnoticed."""
        images.check_name(images.find("rust:1.85"), {"rustc": "1.85.0+dfsg3-1"})
        images.check_name(images.find("rust:1.78"), {"rustc-web": "1.78.0+dfsg1-2"})
        images.check_name(images.BUILDER, {"rustc": "1.97.1+dfsg1-1~bpo13+1"})
        images.check_name(images.RUNTIME, {})
        for wrong in ({"rustc": "1.8.5"}, {"rustc": "1.96.0"}, {}):
            with pytest.raises(StackError, match=r"^The image rust:1\.85 would have rustc (1|none)"):
                images.check_name(images.find("rust:1.85"), wrong)

    def test_the_key_changes_with_recipe_and_certificates(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An image is built anew when what it is made of changed, and not otherwise."""
        bundle = tmp_path / "bundle.crt"
        bundle.write_text("one")
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        first = images.key(images.BUILDER)
        assert images.key(images.BUILDER) == first
        assert images.key(images.RUNTIME) != first
        bundle.write_text("two")
        assert images.key(images.BUILDER) != first


@pytest.fixture
def settings() -> Generator[Settings]:
    """Return a stack of its own: another cache folder (with a short path, for a socket) and another port."""
    with tempfile.TemporaryDirectory(prefix="pdr-") as folder:
        yield Settings(Path(folder), free_port())


@pytest.mark.skipif(packages.find("docker-registry") is None, reason="docker-registry is not installed")
@linux_only
class TestRegistry:
    @pytest.fixture
    def registry(self, settings: Settings) -> Generator[Registry]:
        """Return a registry that is not up yet, and is down afterwards."""
        registry = Registry(settings)
        yield registry
        registry.down()

    @staticmethod
    def pid(registry: Registry) -> int:
        """Return the id of the registry's process."""
        running = registry.pid_file.read()
        assert running is not None
        return running.pid

    def test_the_second_start_finds_the_first(self, registry: Registry) -> None:
        """Starting twice leaves one process."""
        registry.up()
        first = self.pid(registry)
        registry.up()
        assert self.pid(registry) == first
        assert registry.answers()

    def test_a_killed_registry_is_started_again(self, registry: Registry) -> None:
        """The pid file of a dead process stops nobody."""
        registry.up()
        first = identified(self.pid(registry))
        first.send(signal.SIGKILL)
        assert ended(first)
        registry.up()
        assert self.pid(registry) != first.pid
        assert registry.answers()

    def test_a_recycled_pid_survives_the_start(
        self, registry: Registry, sleeper: subprocess.Popen[bytes]
    ) -> None:
        """Where the pid file names a stranger by now, the stranger lives on."""
        stranger = identified(sleeper.pid)
        registry.pid_file.write(Process(stranger.pid, stranger.started - 1, stranger.boot))
        registry.up()
        registry.down()
        assert sleeper.poll() is None

    def test_a_changed_configuration_restarts_it(self, registry: Registry) -> None:
        """A process started from another configuration is replaced."""
        registry.up()
        first = self.pid(registry)
        registry.pid_file.write(identified(first, "another configuration"))
        registry.up()
        assert self.pid(registry) != first

    def test_a_taken_port_is_refused_by_name(self, registry: Registry) -> None:
        """The message names the port and the variable that chooses another."""
        port = registry.settings.registry_port
        expected = pytest.raises(StackError, match=rf"Port {port}.*STACK_REGISTRY_PORT={port + 1}")
        with socket.create_server(("127.0.0.1", port)), expected:
            registry.up()
        assert registry.pid_file.read() is None

    def test_down_leaves_nothing(self, registry: Registry) -> None:
        """Neither the process nor the pid file stays, and the port is free."""
        registry.up()
        running = registry.pid_file.read()
        registry.down()
        registry.down()
        assert running is not None
        assert not running.alive
        assert not registry.pid_file.path.exists()
        assert not registry.answers()

    def test_an_image_that_is_not_there_has_no_digest(self, registry: Registry) -> None:
        """So it is built, and an unreachable registry says the same."""
        assert registry.digest("rust", "1-trixie") is None
        registry.up()
        assert registry.digest("rust", "1-trixie") is None

    def test_two_starts_at_once_make_one_registry(self, registry: Registry) -> None:
        """The second waits for the first to be finished, and finds its work done."""
        script = (
            "import sys; from pathlib import Path; from dev.stack.registry import Registry; "
            "from dev.stack.settings import Settings; from dev.stack.stack import locked\n"
            "registry = Registry(Settings(Path(sys.argv[1]), int(sys.argv[2])))\n"
            "with locked(registry.settings.cache): print(registry.answers()); registry.up()"
        )
        words = [str(registry.settings.cache), str(registry.settings.registry_port)]
        starts = [
            subprocess.Popen([sys.executable, "-c", script, *words], cwd=CHECKOUT, stdout=subprocess.PIPE)
            for _ in range(2)
        ]
        found = sorted(start.communicate(timeout=30)[0] for start in starts)
        assert found == [b"False\n", b"True\n"]


def test_a_second_process_waits_until_the_first_has_finished(tmp_path: Path) -> None:
    """Two calls of make never work on one stack at once."""
    script = (
        "import sys; from pathlib import Path; from dev.stack.stack import locked\n"
        "with locked(Path(sys.argv[1])): print('inside')"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with other:
        with locked(tmp_path):
            assert other.stderr is not None
            assert "waiting" in other.stderr.readline()
            with pytest.raises(subprocess.TimeoutExpired):
                other.wait(0.3)
        assert other.communicate(timeout=10)[0] == "inside\n"


class TestEngineBuild:
    def test_a_broken_build_is_not_taken_for_a_finished_one(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What an interrupted build left is swept by the next, and a finished one is not built again."""
        builds: list[Path] = []

        def broken(folder: Path, modules: Path) -> None:
            (folder / "engine").touch()
            raise StackError("interrupted")

        def whole(folder: Path, modules: Path) -> None:
            builds.append(folder)
            (folder / "engine").write_text("whole")

        monkeypatch.setattr(engine, "compile_into", broken)
        with pytest.raises(StackError, match="interrupted"):
            Engine(settings).build()
        monkeypatch.setattr(engine, "compile_into", whole)
        target = Engine(settings).build()
        assert (target / "engine").read_text() == "whole"
        assert Engine(settings).build() == target
        assert len(builds) == 1
        assert [entry.name for entry in Engine(settings).folder.iterdir()] == [target.name]

    def test_a_socket_file_without_a_listener_does_not_answer(self, settings: Settings) -> None:
        """A stale socket is told from a live one."""
        path = settings.cache / "engine.sock"
        assert not engine.answers(path)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            assert engine.answers(path)
        assert path.exists()
        assert not engine.answers(path)

    @pytest.mark.parametrize("version", ["go1.21", "go1.25.3\n", "go1.100", "go2.0", "devel go1.27-abc"])
    def test_a_go_that_can_fetch_its_toolchain_is_accepted(self, version: str) -> None:
        """Versions are compared as numbers."""
        engine.require_go(version)

    def test_an_old_go_is_refused_before_it_fails_on_its_own(self) -> None:
        """What it would say itself does not tell what to do."""
        with pytest.raises(StackError, match=r"Go 1\.21 or newer, and this machine's is go1\.19\.8"):
            engine.require_go("go1.19.8\n")

    def test_a_path_too_long_for_a_socket_is_refused(self) -> None:
        """Before minutes of building, not after."""
        with pytest.raises(StackError, match="XDG_CACHE_HOME"):
            Engine(Settings(Path("/" + 100 * "x"))).up()


OWN_BUILD = Engine(Settings.from_environment(os.environ)).client.resolve().parent


@pytest.mark.skipif(
    not os.environ.get(RUNNER_HOST, "").endswith("/engine/engine.sock") or not OWN_BUILD.is_dir(),
    reason="the engine in use is not one that was built here",
)
class TestEngine:
    """A second engine beside the one in use: another folder, another network, the same programs."""

    @pytest.fixture
    def second(self, settings: Settings) -> Generator[Engine]:
        """Return an engine that is built but not up, and is down afterwards."""
        second = Engine(settings)
        second.folder.mkdir()
        (second.folder / OWN_BUILD.name).symlink_to(OWN_BUILD)
        yield second
        second.down()
        shutil.rmtree(second.folder)

    @staticmethod
    def running(second: Engine) -> Process:
        """Return the engine's process."""
        found = second.pid_file.read()
        assert found is not None
        return found

    def test_a_killed_engine_and_its_socket_are_healed_and_down_leaves_nothing(self, second: Engine) -> None:
        """Whatever happened to it, up makes it well; one runs at a time, and in the end there is no trace."""
        second.up()
        first = self.running(second)
        second.up()
        assert self.running(second) == first

        second.pid_file.write(identified(first.pid, "another recipe"))
        second.up()
        assert not first.alive
        first = self.running(second)
        second.socket.unlink()
        second.up()
        assert not first.alive
        first = self.running(second)
        family = [first, *first.descendants()]

        os.kill(first.children()[0].pid, signal.SIGKILL)
        assert ended(*family)
        assert second.socket.exists()
        second.up()
        assert self.running(second) != first
        assert engine.answers(second.socket)

        second.down()
        shutil.rmtree(second.state / "worker")
        (second.state / "worker").write_text("no engine opens this")
        second.up()
        assert engine.answers(second.socket)

        family = [self.running(second), *self.running(second).descendants()]
        began = time.monotonic()
        second.down()
        assert time.monotonic() - began < 25
        assert not any(member.alive for member in family)
        assert not second.socket.exists()
        assert str(second.folder) not in Path("/proc/self/mountinfo").read_text()
        assert not Path("/sys/class/net", network.bridge(second.settings.network)).exists()
