"""The HTTP service, with its levels in memory and in PostgreSQL, and the program as its client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest
from pytest_dagger_rust import BlockingRustBuild, BlockingService, RustBuild, ServiceError

if TYPE_CHECKING:
    import dagger

WITH_DATABASE = {"LISTEN": "0.0.0.0:8080", "DATABASE_URL": "postgres://postgres@db/postgres"}


def test_a_movement_is_answered_with_the_level(api: httpx.Client) -> None:
    """What comes in is recorded in pieces, and listed."""
    movement = {"item": "egg", "quantity": 2, "unit": "dozen"}
    answer = api.post("/movements", json=movement)
    assert (answer.status_code, answer.json()) == (201, {"item": "egg", "pieces": 24})
    assert {"item": "egg", "pieces": 24} in api.get("/levels").json()


@pytest.mark.parametrize(
    ("movement", "status"),
    [
        ({"item": "ale", "quantity": -1}, 409),
        ({"item": "ale", "quantity": 1, "unit": "barrel"}, 422),
        ({"item": "ale", "quantity": 2**62, "unit": "gross"}, 422),
        ({"item": "ale"}, 422),
    ],
)
def test_refusals_have_a_status(api: httpx.Client, movement: dict[str, object], status: int) -> None:
    """A refused movement says why, and changes nothing."""
    answer = api.post("/movements", json=movement)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert "ale" not in {level["item"] for level in api.get("/levels").json()}


async def test_the_program_is_a_client(cached_rust_build: RustBuild, server: BlockingService) -> None:
    """`stocktake send` reaches the server by the name it was given, from a container of its own."""
    movements = "".join(json.dumps({"item": "sock", "quantity": n, "unit": "pair"}) + "\n" for n in (1, 2))
    sent = await cached_rust_build.run(
        "stocktake", "send", "http://stock:8080", stdin=movements, services={"stock": server}, check=True
    )
    assert json.loads(sent.stdout) == [{"item": "sock", "pieces": 2}, {"item": "sock", "pieces": 6}]


async def test_levels_outlive_the_server(cached_rust_build: RustBuild, database: dagger.Service) -> None:
    """A second server, after the first, finds in the database what that one has recorded."""
    for expected in (144, 288):
        async with (
            cached_rust_build.service(
                "stock-server", ports=[8080], health="/health", env=WITH_DATABASE, services={"db": database}
            ) as server,
            httpx.AsyncClient(base_url=server.url) as api,
        ):
            answer = await api.post("/movements", json={"item": "nail", "quantity": 1, "unit": "gross"})
            assert answer.json() == {"item": "nail", "pieces": expected}


def test_no_database_is_said(rust_build: BlockingRustBuild) -> None:
    """A server that cannot reach its database ends at once, and the error has its last words."""
    with (
        pytest.raises(ServiceError, match=r"stock-server: .*error connecting to server"),
        rust_build.service("stock-server", ports=[8080], env=WITH_DATABASE),
    ):
        pytest.fail("it serves without a database")
