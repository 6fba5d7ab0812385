"""What a build is given besides its sources: the network, secrets to fetch private packages with, and time."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, get_args

from pytest_dagger_rust.builds.variables import Variables
from pytest_dagger_rust.errors import ConfigurationError, RustBuildError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import dagger

Network = Literal["always", "fetch"]

# Seconds that no build takes.
LONGEST: Final = 4 * 3600

_REFERENCE = re.compile(r"(?:env|file|cmd|op|vault|libsecret)://.+")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_REGISTRY_TOKEN = re.compile(r"CARGO_REGISTRIES_(?P<name>\w+)_TOKEN")
_REFERENCES = "a reference to a value: env://NAME, file://PATH, cmd://COMMAND, op://ITEM or vault://ITEM"

# Bytes of a socket's path, on Linux and on macOS.
_LONGEST_SOCKET = 103

_CREDENTIALS = "/pytest-dagger-rust-git-credentials"
_SSH_AGENT = "/pytest-dagger-rust-ssh-agent"


@dataclass(frozen=True)
class BuildAccess:
    """What a build may use besides its sources.

    `network` is "always", as with cargo, or "fetch": cargo downloads packages, and nothing that is compiled or run
    then has a network. `secrets` maps names of variables to references of their values, such as `env://TOKEN` or
    `file://PATH`; `git_credentials` is a reference to lines such as `https://user:token@host`, as git's own helper
    `store` has them; `ssh_agent` is the path of an SSH agent's socket, or `env://SSH_AUTH_SOCK`. These three are there
    while packages are fetched, and at no other time. `timeout` is how many seconds each of cargo's calls may take.

    Raises ConfigurationError for a value in the place of a reference; the message does not have it.
    """

    network: Network = "always"
    secrets: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    git_credentials: str | None = field(default=None, repr=False)
    ssh_agent: str | None = None
    timeout: float | None = LONGEST

    def __post_init__(self) -> None:
        if self.network not in get_args(Network):
            raise ConfigurationError(f"network takes always or fetch: got {self.network!r}.")
        self._check_secrets()
        if self.timeout is not None and not 0 < self.timeout < float("inf"):
            raise ConfigurationError(f"timeout must be a number of seconds above 0: got {self.timeout!r}.")
        object.__setattr__(self, "secrets", Variables(self.secrets))

    def _check_secrets(self) -> None:
        if not isinstance(self.secrets, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError("secrets must map names of variables to references.")
        for place, (name, reference) in enumerate(self.secrets.items(), 1):
            if not isinstance(name, str) or not _NAME.fullmatch(name):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ConfigurationError(f"secrets: the name of item {place} is no name for a variable.")
            check_reference(f"secrets: {name}", reference)
        if self.git_credentials is not None:
            check_reference("git_credentials", self.git_credentials)

    @property
    def has_secrets(self) -> bool:
        """Whether packages are fetched with anything that builds do not have."""
        return bool(self.secrets or self.git_credentials or self.ssh_agent)

    def with_secrets(
        self, client: dagger.Client, container: dagger.Container, folder: Path | None, user: str
    ) -> dagger.Container:
        """Return the container in which packages are fetched with all secrets; no cache has their values in its key.

        `folder` is a place on this machine where a link to the socket of the SSH agent can stay.
        """
        for name, reference in self.secrets.items():
            container = container.with_secret_variable(name, _secret(client, name, reference))
            if registry := _REGISTRY_TOKEN.fullmatch(name):
                # Cargo takes a token from a variable for a private index where it is told so.
                provider = f"CARGO_REGISTRIES_{registry['name']}_CREDENTIAL_PROVIDER"
                container = container.with_env_variable(provider, "cargo:token")
        if self.git_credentials is not None:
            secret = _secret(client, "git credentials", self.git_credentials)
            container = container.with_mounted_secret(_CREDENTIALS, secret, owner=user, mode=0o400)
        if self.ssh_agent is not None:
            socket = client.host().unix_socket(_socket(self.ssh_agent, folder))
            container = container.with_unix_socket(_SSH_AGENT, socket, owner=user)
            container = container.with_env_variable("SSH_AUTH_SOCK", _SSH_AGENT)
        return container

    def fetch_options(self) -> dict[str, str | None]:
        """Return the agent's options for fetching."""
        return {"git-credentials": _CREDENTIALS if self.git_credentials else None, "timeout": self._seconds()}

    def build_options(self) -> dict[str, str | None]:
        """Return the agent's options for compiling."""
        return {"network": "refused" if self.network == "fetch" else None, "timeout": self._seconds()}

    def _seconds(self) -> str | None:
        return None if self.timeout is None else f"{self.timeout:g}"

    def explained(self, error: RustBuildError) -> RustBuildError:
        """Return an error with a note about the network, where the build may have failed for want of it."""
        if self.network == "always" or not _NO_NETWORK.search(str(error)):
            return error
        note = (
            "Only fetching packages has a network here: dagger_rust_build_network is fetch.\n"
            "  If what is compiled needs the network, set it to always."
        )
        return RustBuildError(f"{error}\n\n{note}", diagnostics=error.diagnostics, root=error.root)


_NO_NETWORK = re.compile(
    r"network is unreachable|os error 101|(?:not|n't) resolve|name resolution|--offline|failed to lookup address",
    re.IGNORECASE,
)


def check_reference(what: str, value: object) -> None:
    """Raise ConfigurationError, without the value, unless it is a reference."""
    if not isinstance(value, str) or not _REFERENCE.fullmatch(value):
        raise ConfigurationError(f"{what} must be {_REFERENCES}. A value itself is not taken.")


def references(pairs: Iterable[str]) -> dict[str, str]:
    """Return what a setting says as NAME=REFERENCE."""
    return dict(pair.split("=", 1) for pair in pairs)


def _secret(client: dagger.Client, name: str, reference: str) -> dagger.Secret:
    key = hashlib.sha256(f"{name}\0{reference}".encode()).hexdigest()
    scheme, _, rest = reference.partition("://")
    if scheme == "file":
        reference = f"file://{os.path.expanduser(rest)}"  # noqa: PTH111 - it leaves a user that there is not
    # A new value under the same key has nothing fetched or compiled again.
    return client.secret(reference, cache_key=f"pytest-dagger-rust-{key}")


def _socket(value: str, folder: Path | None) -> str:
    """Return a path of the SSH agent's socket, the same one for each session where there is a folder to keep it in.

    In a folder whose path is too long for a socket's it is not kept: the dagger CLI would never connect.
    """
    scheme, separator, name = value.partition("://")
    path = value
    if separator:
        path = os.environ.get(name, "") if scheme == "env" else ""
    if not path or not os.path.exists(path):  # noqa: PTH110 - a path may be too long to look at
        raise ConfigurationError(f"ssh_agent: there is no socket of an SSH agent at {value}.")
    if folder is None or len(os.fsencode(folder / "ssh-agent")) > _LONGEST_SOCKET:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    link, unfinished = folder / "ssh-agent", folder / f"ssh-agent.{os.getpid()}"
    unfinished.unlink(missing_ok=True)
    unfinished.symlink_to(os.path.abspath(path))  # noqa: PTH100 - a link itself stays one
    unfinished.replace(link)
    return str(link)
