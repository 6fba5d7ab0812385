"""Private sources from real servers: git over HTTPS and SSH, a mirror behind a proxy, images behind a login."""

from __future__ import annotations

import base64
import json
import os
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import BuildAccess, Engine
from pytest_dagger_rust.builds.caches import Caches
from pytest_dagger_rust.errors import DaggerRustError, RustBuildError
from tests.engine.builds.intruder import NOTHING, script
from tests.engine.builds.private_servers import (
    SIGN,
    GitServer,
    PrivateImages,
    Proxy,
    SshServer,
    authority,
    basic,
    repository,
    served,
    ssh_agent,
)
from tests.engine.builds.search import Execs, check_no_file_has, check_nothing_left
from tests.pytest.terminal import WITHOUT_THEM
from tests.registry import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.engine.scenario import Scenario

    MakeScenario = Callable[[Mapping[str, str]], Scenario]

pytestmark = pytest.mark.usefixtures("shared_agent")

PACKAGE = '[package]\nname = "{}"\nversion = "1.0.0"\nedition = "2021"\n'
MAIN = 'fn main() {\n    println!("{}", closed::FOUND);\n}\n'
LIBRARY = 'pub const FOUND: &str = env!("FOUND");\n'
TRUSTED = "/company.pem"


@pytest.fixture
def token() -> str:
    """A new token."""
    return f"token{uuid.uuid4().hex}"


def closed(token: str, address: str) -> dict[str, str]:
    """Return a package that looks for the token, as files."""
    return {
        "Cargo.toml": PACKAGE.format("closed"),
        "src/lib.rs": LIBRARY,
        "build.rs": script(token, address),
    }


def workspace(dependency: str, config: str = "") -> dict[str, str]:
    """Return a workspace that needs the package."""
    manifest = f"{PACKAGE.format('app')}\n[dependencies]\nclosed = {dependency}\n"
    return {"Cargo.toml": manifest, "src/main.rs": MAIN, ".cargo/config.toml": config}


def reach(scenario: Scenario, name: str, backend: int, frontend: int) -> None:
    """Let the builder connect to a server of this machine by a name."""
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    ports = [dagger.PortForward(backend=backend, frontend=frontend)]
    service = scenario.engine.client.host().service(ports)
    # A server that refuses once refuses always.
    builder = scenario.builder.with_env_variable("CARGO_NET_RETRY", "0")
    scenario.builder = builder.with_service_binding(name, service)
    scenario.caches = Caches(scenario.root.with_name("cache"))


def trust(scenario: Scenario, certificate: bytes) -> None:
    """Put the company's certificate into the builder."""
    builder = scenario.builder.with_new_file(TRUSTED, certificate.decode())
    scenario.builder = builder.with_env_variable("CARGO_HTTP_CAINFO", TRUSTED)


def check_built(scenario: Scenario, token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Build, and search what the build script has found, and what the engine has of the build, for the token."""
    execs = Execs(monkeypatch)
    build = scenario.build()
    check_nothing_left(scenario, build, token, execs)
    assert build.blocking.run("app").stdout == f"{NOTHING}\n"


def test_git_over_https_with_a_certificate_of_the_company(
    make_scenario: MakeScenario, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused without the certificate and with another token; then the package is there, and finds no token.

    The last build reads the file with the credentials anew, and reaches the server by the company's proxy, which wants
    a login of its own.
    """
    repository(tmp_path / "served/closed", closed(token, "git-server:22"))
    company = authority(tmp_path, "git-server")
    server = GitServer(tmp_path / "served", basic("robot", token), company.context)
    address = f"https://git-server:{server.server_port}/closed/.git"
    with served(server):
        scenario = make_scenario(workspace(f'{{ git = "{address}" }}'))
        reach(scenario, "git-server", server.server_port, server.server_port)
        credentials = tmp_path / "credentials"
        credentials.write_text(f"https://robot:{token}-wrong@git-server:{server.server_port}\n")
        scenario.access = BuildAccess(network="fetch", git_credentials=f"file://{credentials}")
        with pytest.raises(RustBuildError, match=r"(?s)certificate.*CARGO_HTTP_CAINFO"):
            scenario.build()
        trust(scenario, company.certificate)
        with pytest.raises(RustBuildError, match="dagger_rust_git_credentials") as caught:
            scenario.build()
        assert token not in str(caught.value)
        assert (server.granted, server.refused > 0) == (0, True)
        credentials.write_text(f"https://robot:{token}@git-server:{server.server_port}\n")
        proxy = Proxy(basic("robot", token), server.server_port)
        reach(scenario, "proxy", proxy.server_port, 3128)
        (tmp_path / "proxy").write_text(f"http://robot:{token}@proxy:3128")
        secrets = {"HTTPS_PROXY": f"file://{tmp_path / 'proxy'}"}
        scenario.access = replace(scenario.access, secrets=secrets)
        with served(proxy):
            check_built(scenario, token, monkeypatch)
        assert server.granted > 0
        assert set(proxy.asked) == {f"git-server:{server.server_port}"}


def test_git_over_ssh_with_an_agent(make_scenario: MakeScenario, token: str, tmp_path: Path) -> None:
    """The agent signs, its key stays where it is, and what is compiled finds no socket."""
    repository(tmp_path / "served/closed", closed(token, "git-server:22"))
    with (
        SshServer(tmp_path / "served") as server,
        ssh_agent(tmp_path / "agent", server.key) as asked,
    ):
        known = f'[net.ssh]\nknown-hosts = ["git-server {server.known_host}"]\n'
        scenario = make_scenario(workspace('{ git = "ssh://git@git-server/closed/.git" }', known))
        reach(scenario, "git-server", server.port, 22)
        scenario.access = BuildAccess(network="fetch", ssh_agent=str(tmp_path / "agent"))
        assert scenario.output() == f"{NOTHING}\n"
        assert server.commands == ["git-upload-pack '/closed/.git'"]
        assert SIGN in asked


def test_a_mirror_of_the_company_behind_its_proxy(
    make_scenario: MakeScenario, token: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the proxy knows the mirror's name; its password is nowhere where anything is compiled."""
    company = authority(tmp_path, "mirror")
    with serving(None, "mirror", company.context) as mirror:
        mirror.add("closed", "1.0.0", closed(token, "proxy:3128"))
        proxy = Proxy(basic("robot", token), mirror.port)
        replaced = '[source.crates-io]\nreplace-with = "mirror"\n\n[source.mirror]\n'
        scenario = make_scenario(workspace('"1"', f'{replaced}registry = "{mirror.address}"\n'))
        reach(scenario, "proxy", proxy.server_port, 3128)
        trust(scenario, company.certificate)
        (tmp_path / "proxy").write_text(f"http://robot:{token}@proxy:3128")
        secrets = {"HTTPS_PROXY": f"file://{tmp_path / 'proxy'}"}
        scenario.access = BuildAccess(network="fetch", secrets=secrets)
        with served(proxy):
            check_built(scenario, token, monkeypatch)
        assert set(proxy.asked) == {f"mirror:{mirror.port}"}
        assert (proxy.refused, mirror.downloads()) == (0, ["closed-1.0.0.crate"])


def test_images_behind_a_login(
    make_scenario: MakeScenario,
    engine: Engine,
    token: str,
    rust_builder_image: str,
    rust_runtime_image: str,
) -> None:
    """Both are had with the password and not without it; the message does not show one."""
    upstream, separator, builder = rust_builder_image.partition("/")
    if not separator or ":" not in upstream:
        pytest.skip("the images come from no registry on this machine")
    runtime = rust_runtime_image.partition("/")[2]
    images = PrivateImages(upstream, basic("robot", token))
    with served(images):
        scenario = make_scenario(
            {"Cargo.toml": PACKAGE.format("app"), "src/main.rs": 'fn main() { print!("one"); }'}
        )
        container = engine.client.container()
        scenario.builder = container.from_(f"{images.name}/{builder}")
        with pytest.raises(
            DaggerRustError, match=r"cannot be used: .*(401|no basic auth credentials)"
        ) as caught:
            scenario.build()
        assert "with_registry_auth" in str(caught.value)
        assert images.granted == 0
        secret = engine.client.set_secret(f"images-{token}", token)
        container = container.with_registry_auth(images.name, "robot", secret)
        scenario.builder = container.from_(f"{images.name}/{builder}")
        scenario.runtime = container.from_(f"{images.name}/{runtime}")
        assert scenario.output() == "one"
        assert images.granted > 0


HELPER = """\
#!/bin/sh
server="$(cat)"
test "$1" = get && test "$server" = "{server}" || exit 1
printf '{{"ServerURL": "%s", "Username": "robot", "Secret": "%s"}}' "$server" "$(cat {folder}/password)"
"""


def logged_in(folder: Path, token: str, known: str, helped: str) -> dict[str, str]:
    """Return variables of somebody who is logged in: to one registry by a file, to the other by a program."""
    login = {"auth": base64.b64encode(f"robot:{token}".encode()).decode()}
    docker = {"auths": {known: login}, "credHelpers": {helped: "of-the-company"}}
    (folder / "config.json").write_text(json.dumps(docker))
    (folder / "password").write_text(token)
    helper = folder / "docker-credential-of-the-company"
    helper.write_text(HELPER.format(server=helped, folder=folder))
    helper.chmod(0o755)
    own = {name: value for name, value in os.environ.items() if not name.startswith("DAGGER_SESSION_")}
    return {**own, "DOCKER_CONFIG": str(folder), "PATH": f"{folder}:{os.environ['PATH']}"}


def test_images_of_somebody_who_is_logged_in(
    make_scenario: MakeScenario,
    token: str,
    tmp_path: Path,
    rust_builder_image: str,
    rust_runtime_image: str,
) -> None:
    """As `docker login` leaves it: in Docker's configuration for one registry, and with a credential helper for another."""
    upstream, separator, builder = rust_builder_image.partition("/")
    if not separator or ":" not in upstream:
        pytest.skip("the images come from no registry on this machine")
    runtime = rust_runtime_image.partition("/")[2]
    plain, helped = (PrivateImages(upstream, basic("robot", token)) for _ in range(2))
    scenario = make_scenario(
        {"Cargo.toml": PACKAGE.format("app"), "src/main.rs": 'fn main() { print!("one"); }'}
    )
    engine = Engine(logged_in(tmp_path, token, plain.name, helped.name))
    with served(plain), served(helped), engine as client:
        scenario.engine = engine
        scenario.builder = client.container().from_(f"{plain.name}/{builder}")
        scenario.runtime = client.container().from_(f"{helped.name}/{runtime}")
        assert scenario.output() == "one"
        assert plain.granted > 0
        assert helped.granted > 0


TESTS = """
import shutil
import tempfile


def test_of_the_program(cached_rust_build):
    build = cached_rust_build.blocking
    build.export("app", "exported")
    shutil.copytree(tempfile.gettempdir(), "during", copy_function=copied)
    assert build.run("app").stdout == "something else"


def copied(source, target):
    if not source.endswith(".sock"):
        shutil.copyfile(source, target)
"""
BUILDER = """
import dagger
import pytest

from pytest_dagger_rust.container import agent


@pytest.fixture(scope="session")
def rust_builder_container(rust_builder_container, dagger_client):
    compiled, plain = agent.program, rust_builder_container
    agent.program = lambda client, _, *rest: compiled(client, plain, *rest)
    service = dagger_client.host().service([dagger.PortForward(backend=PORT, frontend=PORT)])
    builder = rust_builder_container.with_env_variable("CARGO_NET_RETRY", "0")
    return builder.with_service_binding("registry", service)
"""
INI = """
[pytest]
dagger_rust_build_network = fetch
dagger_rust_secrets = CARGO_REGISTRIES_OWN_TOKEN=env://PRIVATE_TOKEN
"""
REPORTS = (
    *WITHOUT_THEM,
    *("-p", "no:hypothesispytest"),
    *("--showlocals", "-vv", "--junitxml=junit.xml"),
    *("--dagger-rust-html-report=page.html", "--dagger-rust-gitlab-report=gitlab.json"),
)


def test_what_pytest_writes_has_no_token(
    pytester: pytest.Pytester, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither terminal, reports, temporary folders, the CLI's log nor pytest's cache, where the token is refused or taken."""
    (pytester.path / "temp").mkdir()
    monkeypatch.setenv("TMPDIR", str(pytester.path / "temp"))
    monkeypatch.delenv("DAGGER_SESSION_PORT", raising=False)
    with serving(token, "registry") as registry:
        registry.add("closed", "1.0.0", closed(token, f"registry:{registry.port}"))
        files = workspace(
            '{ version = "1", registry = "own" }', f'[registries.own]\nindex = "{registry.address}"\n'
        )
        files |= {
            "pytest.ini": INI,
            "conftest.py": BUILDER.replace("PORT", str(registry.port)),
            "test_it.py": TESTS,
        }
        for name, text in files.items():
            (pytester.path / name).parent.mkdir(exist_ok=True)
            (pytester.path / name).write_text(text)
        for value, said in ((f"{token}-wrong", "token rejected"), (token, NOTHING)):
            monkeypatch.setenv("PRIVATE_TOKEN", value)
            result = pytester.runpytest_subprocess(*REPORTS, timeout=300)
            (pytester.path / f"output-{value == token}").write_text(
                "\n".join(result.outlines + result.errlines)
            )
            assert said in result.stdout.str()
    written = {path.name for path in pytester.path.rglob("*")}
    assert written >= {"dagger.log", "junit.xml", "page.html", "gitlab.json", ".pytest_cache", "exported"}
    check_no_file_has(token, pytester.path)
