"""Fetches the engine's GraphQL schema while the SDK is still being imported.

The SDK needs it before its first query, and the engine takes as long for it as for a small exec. Without the SDK it can
be had much sooner.
"""

from __future__ import annotations

import base64
import http.client
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import graphql

    from pytest_dagger_rust.engine.cli import SessionParams

# Seconds; the SDK, which asks again, has patience of its own.
TIMEOUT = 5.0

# https://spec.graphql.org/October2021/#sec-Introspection without descriptions; a type's name is at most seven lists and
# non-null wrappers deep, as in the queries of the usual clients.
QUERY = """
query {
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


def fetch(params: SessionParams) -> Any:
    """Return what the engine says of its schema, None where it does not: the SDK is then told why."""
    token = base64.b64encode(f"{params.session_token}:".encode()).decode()
    headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", params.port, timeout=TIMEOUT)
    try:
        connection.request("POST", "/query", json.dumps({"query": QUERY % _type(7)}), headers)
        return json.loads(connection.getresponse().read())["data"]
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None
    finally:
        connection.close()


def schema_of(said: Any) -> graphql.GraphQLSchema | None:
    """Return the schema as the SDK takes it, None where nothing was said or it cannot be understood."""
    # What the SDK itself makes it with; both are as long to import as the SDK.
    from gql.utilities import build_client_schema  # noqa: PLC0415
    from graphql import GraphQLError  # noqa: PLC0415

    try:
        return build_client_schema(said) if said else None
    except (GraphQLError, TypeError):
        return None
