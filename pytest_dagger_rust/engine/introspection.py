"""Fetches the engine's GraphQL schema while the SDK is still being imported.

The SDK needs it before its first query, and the engine takes as long for it as for a small exec. Without the SDK it can
be had much sooner.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pytest_dagger_rust.errors import EngineUnavailable

if TYPE_CHECKING:
    import graphql

    from pytest_dagger_rust.engine.cli import SessionParams

# https://spec.graphql.org/October2021/#sec-Introspection without descriptions; a type's name is at most seven lists and
# non-null wrappers deep, as in the queries of the usual clients.
QUERY = """
query {
  version
  __schema {
    queryType { name }
    mutationType { name }
    subscriptionType { name }
    types {
      kind
      name
      fields(includeDeprecated: true) { ...Field }
      inputFields(includeDeprecated: true) { ...Input }
      interfaces { ...Type }
      enumValues(includeDeprecated: true) { name isDeprecated deprecationReason }
      possibleTypes { ...Type }
    }
    directives { name locations args(includeDeprecated: true) { ...Input } }
  }
}
fragment Field on __Field {
  name
  args(includeDeprecated: true) { ...Input }
  type { ...Type }
  isDeprecated
  deprecationReason
}
fragment Input on __InputValue { name type { ...Type } defaultValue isDeprecated deprecationReason }
fragment Type on __Type { %s }
"""


def _type(depth: int) -> str:
    return "kind name" + (f" ofType {{ {_type(depth - 1)} }}" if depth else "")


@dataclass(frozen=True)
class Said:
    """The engine's first answer: its version, and what it says of its schema."""

    version: str
    schema: dict[str, Any]


class Introspection:
    """The first request of a session, to be awaited on one thread and cancelled on another.

    The engine fails all later requests where the first one was given up, so it may take as long as connecting.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._is_over = False

    def fetch(self, params: SessionParams) -> Said | None:
        """Return the engine's answer, None where it says no such thing: the SDK is then told why.

        Raises EngineUnavailable if there is no answer in time.
        """
        connection = http.client.HTTPConnection("127.0.0.1", params.port, timeout=self._timeout)
        # The limit of a socket is one for each read.
        timer = threading.Timer(self._timeout, self.cancel)
        timer.daemon = True
        timer.start()
        try:
            self._connect(connection)
            return _ask(connection, params.session_token)
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            if self._is_over or isinstance(error, TimeoutError):
                raise EngineUnavailable(_SILENT.format(self._timeout)) from None
            return None
        finally:
            timer.cancel()
            connection.close()

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        connection.connect()
        with self._lock:
            # The connection forgets it when the answer begins.
            self._socket = connection.sock
            if self._is_over:
                raise ConnectionAbortedError

    def cancel(self) -> None:
        """Let `fetch` wait no longer."""
        with self._lock:
            self._is_over = True
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)


_SILENT = """\
The Dagger engine opened a session, and did not answer its first request within {:g} s.
  Is the machine very busy? dagger_rust_connect_timeout is the setting for more time."""


def _ask(connection: http.client.HTTPConnection, token: str) -> Said:
    password = base64.b64encode(f"{token}:".encode()).decode()
    headers = {"Authorization": f"Basic {password}", "Content-Type": "application/json"}
    connection.request("POST", "/query", json.dumps({"query": QUERY % _type(7)}), headers)
    data = json.loads(connection.getresponse().read())["data"]
    return Said(str(data["version"]), {"__schema": data["__schema"]})


def schema_of(said: Said | None) -> graphql.GraphQLSchema | None:
    """Return the schema as the SDK takes it, None where nothing was said or it cannot be understood."""
    # What the SDK itself makes it with; both are as long to import as the SDK.
    from gql.utilities import build_client_schema  # noqa: PLC0415
    from graphql import GraphQLError  # noqa: PLC0415

    try:
        return build_client_schema(cast("Any", said.schema)) if said else None
    except (GraphQLError, TypeError):
        return None
