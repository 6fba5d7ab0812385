"""Tests of a binary as a server: reached, logged, ended, and what is said when it does not serve."""

from __future__ import annotations

import re
import socket
import time
import urllib.error
import urllib.request
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust import ConfigurationError, ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

    import dagger

    from pytest_dagger_rust import BlockingRustBuild, BlockingService, RustBuild, Service


def get(service: Service | BlockingService, path: str = "/") -> bytes:
    """Ask the service over loopback."""
    with urllib.request.urlopen(f"{service.url}{path}", timeout=10) as answer:  # noqa: S310 - http only
        data: bytes = answer.read()
        return data


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for what a service tells a little later than it happens."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def listening(port: int) -> list[str]:
    """Return the local addresses, as /proc spells them, on which somebody listens on a port."""
    with open("/proc/net/tcp") as four, open("/proc/net/tcp6") as six:  # noqa: PTH123
        rows = [line.split() for file in (four, six) for line in file.readlines()[1:]]
    return [row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")]


def test_a_service_answers_over_loopback_only(app: BlockingRustBuild) -> None:
    """Large answers come whole, a server on its container's own loopback is reached, and nothing else listens here."""
    with app.service("app", "serve", "127.0.0.1:8080", ports=[8080]) as service:
        assert get(service, "/big/5000000") == b"x" * 5_000_000
        assert listening(service.port) == [f"0100007F:{service.port:04X}"]
        assert service.url == f"http://127.0.0.1:{service.ports[8080]}"
        wait_until(lambda: service.log.endswith("asked for big/5000000\n"))
        assert service.exit_code is None
    assert service.ended == "died of SIGTERM"
    assert listening(service.port) == []


def test_the_first_answer_comes_soon(app: BlockingRustBuild) -> None:
    """Within 1.5 s, as a person would wait for it; the best of three, for other things happen on a machine."""

    def seconds() -> float:
        started = time.monotonic()
        with app.service("app", "serve", "0.0.0.0:8080", ports=[8080], health="/") as service:
            get(service)
            return time.monotonic() - started

    assert min(seconds() for _ in range(3)) < 1.5


@pytest.mark.asyncio
async def test_other_containers_reach_it_by_name(
    built: RustBuild, rust_runtime_container: dagger.Container
) -> None:
    """A run, another service and any container of Dagger's, in a coroutine test."""
    request = "exec 3<>/dev/tcp/api/8080 && printf 'GET /host HTTP/1.0\\r\\n\\r\\n' >&3 && head -n 1 <&3"
    async with built.service("app", "serve", "0.0.0.0:8080", ports=[8080]) as api:
        container = rust_runtime_container.with_service_binding("api", api.binding)
        assert await container.with_exec(["bash", "-c", request]).stdout() == "HTTP/1.1 200 OK\r\n"
        answer = await built.run("app", "get", "api:8080", services={"api": api})
        assert answer.stdout.startswith("HTTP/1.1 200 OK\r\n")
        async with built.service(
            "app", "relay", "0.0.0.0:9090", "api:8080", ports=[9090], services={"api": api}
        ):
            pass
    # All of it is there once the service has ended.
    assert api.log.splitlines() == ["serving on 0.0.0.0:8080", *["asked for host"] * 2, "asked for relay"]


def test_many_connections_at_once(app: BlockingRustBuild) -> None:
    """More than wait ready, each with its own answer; one that the client gives up disturbs no other."""
    with app.service("app", "serve", "0.0.0.0:8080", ports=[8080]) as service:
        idle = [socket.create_connection((service.host, service.port)) for _ in range(10)]
        for connection in idle[:5]:
            connection.close()
        assert get(service, "/big/100000") == b"x" * 100_000
        for connection in idle[5:]:
            with closing(connection):
                connection.sendall(b"GET /big/3 HTTP/1.0\r\n\r\n")
                connection.shutdown(socket.SHUT_WR)
                assert connection.makefile("rb").read().endswith(b"\r\n\r\nxxx")


def test_a_flooding_log_is_bounded_and_harms_nobody(app: BlockingRustBuild) -> None:
    """The service goes on answering, and the end of the log is what is kept."""
    with app.service("app", "serve", "0.0.0.0:8080", ports=[8080]) as service:
        assert len(get(service, "/flood/100000")) == 100_000
        get(service, "/last/1")
    assert 10_000 < len(service.log) <= 1024 * 1024
    assert service.log.endswith("asked for last/1\n")


def test_a_service_that_ends_at_once_is_told_with_its_output(app: BlockingRustBuild) -> None:
    """Also when the program cannot use its port."""
    with pytest.raises(ServiceError) as ended, app.service("app", "exit", "3", ports=[8080]):
        pytest.fail("it served")
    assert (
        str(ended.value).splitlines()[0]
        == "app exit 3 ended with exit code 3 before it was healthy. It wrote:"
    )
    assert sorted(ended.value.log.splitlines()[:2]) == ["complaint", "last words"]
    with (
        app.service("app", "serve", "0.0.0.0:8080", ports=[8080]),
        pytest.raises(
            ServiceError, match=r"died of SIGABRT before it was healthy. It wrote:\n +\(it wrote nothing\)"
        ),
        app.service("app", "abort", ports=[8080]),
    ):
        pytest.fail("it served")


def test_a_service_that_never_is_healthy_is_told_why(app: BlockingRustBuild) -> None:
    """Nobody listens, or the path that was to be asked does not answer well."""
    started = time.monotonic()
    with (
        pytest.raises(
            ServiceError, match=r"not healthy within 1.5 s: nothing listens on port 8081 \(Connection"
        ),
        app.service("app", "serve", "0.0.0.0:8080", ports=[8081], timeout=1.5),
    ):
        pytest.fail("it served")
    with (
        pytest.raises(
            ServiceError, match=r"not healthy within 1.5 s: GET /missing on port 8080 answered 404"
        ),
        app.service("app", "serve", "0.0.0.0:8080", ports=[8080], health="/missing", timeout=1.5),
    ):
        pytest.fail("it served")
    assert time.monotonic() - started < 10


def end(service: Service | BlockingService, code: int) -> None:
    """Have the service exit, and wait until that is known."""
    with pytest.raises((urllib.error.URLError, OSError)):
        get(service, f"/exit/{code}")
    wait_until(lambda: service.exit_code == code)


def test_a_service_that_dies_while_it_is_used_is_an_error(app: BlockingRustBuild) -> None:
    """The test that only looked at something else does not pass; a deliberate end with 0 is none."""
    said = r"ended with exit code 7 while it was in use. It wrote:(\n  .*)*asked for exit/7"
    with (
        pytest.raises(ServiceError, match=said),
        app.service("app", "serve", "0.0.0.0:8080", ports=[8080]) as service,
    ):
        end(service, 7)
    with app.service("app", "serve", "0.0.0.0:8080", ports=[8080]) as service:
        end(service, 0)


def test_a_port_may_be_chosen_and_a_taken_one_is_said(app: BlockingRustBuild) -> None:
    """The same port serves again once its service is gone."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(ConfigurationError, match=f"^ports: port {port} of 127.0.0.1 cannot be used: "),
            app.service("app", "serve", "0.0.0.0:8080", ports={8080: port}),
        ):
            pytest.fail("it served")
    for _ in range(2):
        with app.service("app", "serve", "0.0.0.0:8080", ports={8080: port}) as service:
            assert service.port == port
            assert get(service) == b"xx"


def test_a_service_that_does_not_end_when_asked_is_killed(app: BlockingRustBuild) -> None:
    """After its grace, with all that it started."""
    with app.service("app", "stubborn", grace=0.3) as service:
        assert service.exit_code is None
    assert service.ended == "died of SIGKILL"


def test_no_port_is_no_address(app: BlockingRustBuild) -> None:
    """A worker without ports is healthy as soon as it runs."""
    with (
        app.service("app", "sleep", "60") as service,
        pytest.raises(ConfigurationError, match="app has no port"),
    ):
        assert service.url


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"ports": [0]}, "ports must be numbers from 1 to 65535: got 0."),
        ({"ports": {8080: 70000}}, "ports must be numbers from 1 to 65535: got 70000."),
        ({"timeout": -1}, "service: timeout must be a number of seconds above 0: got -1."),
        ({"env": {"A": 1}}, "app: env: variable A must be str, not int: pass str(...) of it."),
    ],
)
def test_options_that_cannot_be_are_refused(app: BlockingRustBuild, options: Any, complaint: str) -> None:
    """In one sentence that says what would be right."""
    with (
        pytest.raises(ConfigurationError, match=f"^{re.escape(complaint)}$"),
        app.service("app", "serve", **options),
    ):
        pytest.fail("it served")


def test_a_service_is_controlled_by_its_test(app: BlockingRustBuild) -> None:
    """It dies of a signal that it is sent, comes back at the same address in a new container, and is stopped early."""
    with app.service("app", "serve", "0.0.0.0:8080", ports=[8080]) as service:
        address = service.url
        get(service, "/one")
        assert service.wait_for_log(r"asked for (\w+)")[1] == "one"
        service.send_signal("KILL")
        wait_until(lambda: service.ended is not None)
        assert service.signal == "SIGKILL"
        service.restart()
        assert service.url == address
        assert get(service, "/two")
        assert service.wait_for_log(r"asked for (\w+)")[1] == "two"
        assert app.exec(["/usr/local/bin/app"], services={"api": service}).command == ("/usr/local/bin/app",)
        service.stop()
        assert listening(service.port) == []


async def test_a_service_is_controlled_from_a_coroutine(built: RustBuild) -> None:
    """On the loop of the test, which is not that of the client."""
    async with built.service("app", "serve", "0.0.0.0:8080", ports=[8080]) as service:
        await service.restart()
        get(service, "/again")
        await service.wait_for_log("asked for again")
        await service.send_signal("TERM")
        with pytest.raises(ServiceError, match="before it wrote 'more'"):
            await service.wait_for_log("more")
