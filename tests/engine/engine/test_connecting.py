"""Tests of how a session with the engine is opened: the schema is there before the SDK could ask for it."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import graphql
import pytest

from pytest_dagger_rust import Engine
from pytest_dagger_rust.engine.introspection import Introspection

if TYPE_CHECKING:
    from pytest_dagger_rust.engine.cli import SessionParams


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

    def fetch_nothing(_: Introspection, params: SessionParams) -> None:
        pass

    monkeypatch.setattr(Introspection, "fetch", fetch_nothing)
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
