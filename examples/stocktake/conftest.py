"""What this repository's tests share: the builds, the Python interface, the server and its database."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import httpx
import pytest
from pytest_dagger_rust import BlockingRustBuild, BlockingService, CargoOptions, RustBuildFactory

from stocktake import Completed, Stocktake

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dagger

DATABASE = "/tmp/stock"  # noqa: S108 - in a container of its own


@pytest.fixture(scope="session")
def rust_cargo_options() -> CargoOptions:
    """Override the options: `cached_rust_build` is both programs with all they can do, as locked."""
    features = ("stocktake/remote", "stock-server/postgres")
    return CargoOptions(packages=("stocktake", "stock-server"), features=features, locked=True)


@pytest.fixture(scope="session")
def stocktake(rust_build: BlockingRustBuild) -> Stocktake:
    """Return the Python interface, calling the fresh program in its container instead of one on PATH."""

    def run(*arguments: str, stdin: str) -> Completed:
        return rust_build.run("stocktake", *arguments, stdin=stdin)

    return Stocktake(run)


@pytest.fixture(scope="session")
def database(dagger_client: dagger.Client) -> dagger.Service:
    """Return a PostgreSQL of this session's own; making its folder is done once and cached by Dagger."""
    hba = f"echo host all all all trust >>{DATABASE}/pg_hba.conf"
    options = ("-k", "/tmp", "-c", "listen_addresses=*", "-c", "fsync=off")  # noqa: S108
    return (
        dagger_client.container()
        .from_(os.environ.get("POSTGRES_IMAGE", "postgres:17"))
        .with_user("postgres")
        .with_exec(["initdb", "--auth=trust", "--no-sync", "-D", DATABASE])
        .with_exec(["sh", "-c", hba])
        .with_env_variable("SESSION", uuid.uuid4().hex)
        .with_exposed_port(5432)
        .as_service(args=["postgres", "-D", DATABASE, *options])
    )


@pytest.fixture(scope="session", params=["memory", "postgres"])
def server(
    request: pytest.FixtureRequest,
    rust_build: BlockingRustBuild,
    cached_rust_build_factory: RustBuildFactory,
    database: dagger.Service,
) -> Iterator[BlockingService]:
    """Run the server in both its shapes: built without a database, and with one beside it."""
    env = {"LISTEN": "0.0.0.0:8080"}
    if request.param == "memory":
        build = cached_rust_build_factory.blocking(features=())
        context = build.blocking.service("stock-server", ports=[8080], health="/health", env=env)
    else:
        env["DATABASE_URL"] = "postgres://postgres@db/postgres"
        context = rust_build.service(
            "stock-server", ports=[8080], health="/health", env=env, services={"db": database}
        )
    with context as service:
        yield service


@pytest.fixture
def api(server: BlockingService) -> Iterator[httpx.Client]:
    """Return an HTTP client of the server."""
    with httpx.Client(base_url=server.url) as client:
        yield client
