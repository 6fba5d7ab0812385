"""A dagger CLI that plays a script: it serves one session's GraphQL API with a few containers, and keeps a journal.

scripted_cli.py --silent session ...     with the journal's file in SCRIPTED_CLI_JOURNAL
"""

# pyright: reportUnknownMemberType=false

from __future__ import annotations

import base64
import json
import os
import secrets
import sys
import threading
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import graphql

# What both generations of the SDK ask for: 0.19 loads objects by loadContainerFromID, 0.21 by node.
SCHEMA = graphql.build_schema(
    """
    interface Node { id: ID! }
    type Container implements Node {
        id: ID!
        sync: ID!
        from(address: String!): Container!
        withExec(args: [String!]!): Container!
        withEnvVariable(name: String!, value: String!): Container!
        stdout: String!
    }
    type Query {
        version: String!
        container: Container!
        loadContainerFromID(id: ID!): Container!
        node(id: ID!): Node
    }
    """
)
SCHEMA.type_map["Node"].resolve_type = lambda *_: "Container"  # type: ignore[attr-defined]

TOKEN = secrets.token_hex()


def journal(event: str) -> None:
    """Note what happened, a line each."""
    with Path(os.environ["SCRIPTED_CLI_JOURNAL"]).open("a") as file:
        file.write(f"{event}\n")


@dataclass(frozen=True)
class Container:
    """A container that can echo and exit; its id is the whole of it."""

    address: str = ""
    args: tuple[str, ...] = ()

    def id(self, _info: Any) -> str:
        """What the SDK passes back to load the container again."""
        return json.dumps([self.address, *self.args])

    def sync(self, info: Any) -> str:
        """Run what was asked for; an image alone is pulled."""
        if self.args:
            self.stdout(info)
        return self.id(info)

    def from_(self, _info: Any, address: str) -> Container:
        """Any image but one is there."""
        if "nowhere" in address:
            raise graphql.GraphQLError(f'failed to resolve image "{address}": {address}: not found')
        return replace(self, address=address)

    def withExec(self, _info: Any, args: list[str]) -> Container:  # noqa: N802 - GraphQL's name
        """Keep the command for later, as the engine does."""
        return replace(self, args=tuple(args))

    def withEnvVariable(self, _info: Any, name: str, value: str) -> Container:  # noqa: N802
        """Variables are nothing to these programs."""
        return self

    def stdout(self, _info: Any) -> str:
        """Echo prints its words, and `exit` fails."""
        if self.args[0] == "exit":
            details = {
                "_type": "EXEC_ERROR",
                "cmd": list(self.args),
                "exitCode": int(self.args[1]),
                "stdout": "out",
                "stderr": "err",
            }
            raise graphql.GraphQLError("exit code: " + self.args[1], extensions=details)
        if self.args[0] == "vanish":
            journal("vanished")
            os._exit(1)
        return " ".join(self.args[1:]) + "\n"


def load(_info: Any, id: str) -> Container:  # noqa: A002 - GraphQL's name
    """Return the container of an id."""
    address, *args = json.loads(id)
    return Container(address, tuple(args))


ROOT = {
    "version": os.environ.get("SCRIPTED_CLI_VERSION", "v0"),
    "container": Container(),
    "loadContainerFromID": load,
    "node": load,
}


def field_of(source: Any, info: Any, **arguments: Any) -> Any:
    """Resolve a field; `from` is no name for a method of Python's."""
    if info.field_name == "from":
        return source.from_(info, **arguments)
    return graphql.default_field_resolver(source, info, **arguments)


class Api(BaseHTTPRequestHandler):
    """The API of a session, for those who have its token."""

    def do_POST(self) -> None:
        """Answer a query."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        expected = "Basic " + base64.b64encode(f"{TOKEN}:".encode()).decode()
        if self.headers["Authorization"] != expected:
            self.send_error(401)
            return
        if "__schema" not in request["query"]:
            journal("query " + " ".join(request["query"].split()))
        result = graphql.graphql_sync(
            SCHEMA, request["query"], ROOT, field_resolver=field_of, variable_values=request.get("variables")
        )
        body = json.dumps(result.formatted).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


def main() -> None:
    """Serve a session until standard input closes."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    journal("opened " + " ".join(sys.argv[1:3]))
    token = os.environ.get("SCRIPTED_CLI_TOKEN", TOKEN)
    sys.stdout.write(json.dumps({"port": server.server_port, "session_token": token}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
    journal("closed")


if __name__ == "__main__":
    main()
