"""Tests of how a session with the engine is opened: the schema is there before the SDK could ask for it."""

from __future__ import annotations

import gc
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import graphql
import pytest

from pytest_dagger_rust import Engine
from pytest_dagger_rust.engine import introspection
from pytest_dagger_rust.engine.cli import SessionParams

if TYPE_CHECKING:
    from collections.abc import Iterator


def said_of(schema: graphql.GraphQLSchema) -> dict[str, Any]:
    """Return all of a schema but its prose, by the names of its types."""
    said: dict[str, Any] = dict(graphql.introspection_from_schema(schema, descriptions=False))
    types: list[dict[str, Any]] = said["__schema"].pop("types")
    return {**said, **{item["name"]: item for item in types}}


def open_once() -> graphql.GraphQLSchema:
    """Open a session, query something, and give the schema that the SDK uses."""
    engine = Engine()
    with engine as client:
        assert engine.call(client.version).startswith("v")
        session: Any = client._ctx.conn.session  # pyright: ignore[reportPrivateUsage]
        schema: graphql.GraphQLSchema = engine.call(session.get_schema)
        return schema


def test_the_schema_is_the_one_the_sdk_would_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the prose is the same."""
    early = open_once()

    def fetch_nothing(_: SessionParams) -> None:
        pass

    monkeypatch.setattr(introspection, "fetch", fetch_nothing)
    assert said_of(early) == said_of(open_once())


def test_the_sdk_need_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise each run would wait twice for the same."""

    def refuse(*_: object) -> None:
        pytest.fail("the SDK asks for the schema")

    monkeypatch.setattr("gql.client.AsyncClientSession.fetch_schema", refuse)
    open_once()


def test_python_looks_for_garbage_as_before() -> None:
    """What is left alone while the SDK is loaded is looked after again."""
    open_once()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
    gc.disable()
    try:
        open_once()
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.fixture(params=["200 nothing", "200 {}", '200 {"data": null}', '401 {"data": "secret"}', "200 []"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server that gives one answer."""
    code, _, body = request.param.partition(" ")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(int(code))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_an_answer_that_is_none(port: int) -> None:
    """Whatever does not tell of a schema is left for the SDK to complain about."""
    assert introspection.schema_of(introspection.fetch(SessionParams(port, "token"))) is None


def test_nobody_answers() -> None:
    """Where nobody listens it is known at once."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert introspection.fetch(SessionParams(unused.getsockname()[1], "token")) is None
