"""Knows whether the engine is still the one that the session was opened with: one started anew answers, or hangs."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import graphql

# Seconds: how long a query may go without an answer before the engine is asked, and how long that may take.
LOOK, PATIENCE = 10.0, 60.0

_FIELDS = ("setSecret", "loadSecretFromID")


class Marker:
    """A value that this session has given to the engine, and that an engine started anew does not have.

    The CLI connects again by itself, so queries are answered; but files of this machine, which it served to the first
    engine, are waited for without end.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._value = secrets.token_hex(16)
        self._id = ""

    async def leave(self) -> None:
        """Give the value to the engine; without the fields that it takes, nothing is ever found missing."""
        schema: graphql.GraphQLSchema = await self._session.get_schema()
        if schema.query_type is None or not all(name in schema.query_type.fields for name in _FIELDS):
            return
        answer = await self._ask(f'setSecret(name: "{self._value[:8]}", plaintext: "{self._value}") {{ id }}')
        found = str(answer["setSecret"]["id"])
        self._id = found if await self._is_known(found) else ""

    async def is_missing(self) -> bool:
        """Return whether the engine lacks the value.

        Raises the transport's errors where nobody answers.
        """
        return bool(self._id) and not await self._is_known(self._id)

    async def _is_known(self, identity: str) -> bool:
        from gql.transport.exceptions import TransportQueryError  # noqa: PLC0415 - imports the SDK's HTTP client

        try:
            answer = await self._ask(f'loadSecretFromID(id: "{identity}") {{ plaintext }}')
        except TransportQueryError:
            return False
        return bool(answer["loadSecretFromID"]["plaintext"] == self._value)

    async def _ask(self, selection: str) -> Any:
        from gql import gql  # noqa: PLC0415 - imports the SDK's GraphQL client

        return await self._session.execute(gql(f"query {{ {selection} }}"))
