"""Turns failures of the engine and of cargo into errors of a build."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import signal
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from pytest_dagger_rust.builds import builder_faults, messages
from pytest_dagger_rust.builds.outcome import failure_text
from pytest_dagger_rust.container import agent
from pytest_dagger_rust.diagnostics import lines_of, strip_ansi
from pytest_dagger_rust.engine.plain import without_trace
from pytest_dagger_rust.errors import DaggerRustError, EngineUnavailable, RustBuildError, StaleBinaryError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    import dagger

# Exit codes of the agent, as container/rust/failure.rs has them.
SOURCES_CHANGED, NOT_PROVED, LAYER_NEEDED, TIMED_OUT, CARGO_FAILED = 95, 96, 97, 98, 101

# That of a container whose first process was killed.
_KILLED = 128 + signal.SIGKILL
_MEMORY = " It may have been short of memory."

# Given the id of a build, returns what the agent has kept of cargo's failure.
ReadFailure: TypeAlias = Callable[[str], Awaitable[str]]


class SourcesChangedError(DaggerRustError):
    """The sources did not arrive as they were sent."""


class DependenciesFailedError(DaggerRustError):
    """The skeleton does not build, which may say nothing about the workspace; never seen by a user."""

    def __init__(self, build_id: str) -> None:
        super().__init__("the dependency build failed")
        self.build_id = build_id


class FetchFailedError(DaggerRustError):
    """Packages cannot be fetched; `is_final` where a build could only fail alike."""

    def __init__(self, said: str) -> None:
        hint = next((hint for pattern, hint in _HINTS if pattern.search(said)), "")
        super().__init__(f"{said}\n\n{hint}" if hint else said)
        self.is_final = _UNREACHABLE.search(said) is not None


# What cargo says where a server refuses, and where it cannot be reached.
_REFUSED = re.compile(
    r"authenticat|got 40[13]|token (?:found|rejected)|failed to acquire username|could not read (?:Username|Password)",
    re.IGNORECASE,
)
_UNTRUSTED = re.compile(r"certificate", re.IGNORECASE)
_UNREACHABLE = re.compile(
    r"spurious network error|could(?:n't| not) (?:resolve|connect)|failed to connect|timed? ?out|got 5\d\d|"
    rf"{_REFUSED.pattern}|{_UNTRUSTED.pattern}",
    re.IGNORECASE,
)
_PRIVATE = (
    "Private packages are fetched with dagger_rust_secrets, dagger_rust_git_credentials and dagger_rust_ssh_agent.\n"
    "  The page `Private dependencies` of pytest-dagger-rust's documentation has examples."
)
_CERTIFICATE = (
    "The builder does not trust the server's certificate. Put the one of your company into the builder image, and\n"
    "  name its file in the variable CARGO_HTTP_CAINFO; the page `Private dependencies` has an example."
)
_HINTS = ((_UNTRUSTED, _CERTIFICATE), (_REFUSED, _PRIVATE))


_OWN = re.compile("pytest-dagger-rust: ")


class LayerNeededError(DaggerRustError):
    """The target directory has no compiled dependencies to start from; never seen by a user."""


_CHECK_NAME = "Check its name, and that its registry can be reached from the engine."
_LOG_IN = (
    "Log in to its registry with `docker login` where pytest runs, or override rust_builder_container or\n"
    "  rust_runtime_container with a container that has with_registry_auth."
)
_LOGIN = re.compile(r"\b40[13]\b|unauthorized|authori[sz]ation failed|denied|auth credentials", re.IGNORECASE)
_HELPER = re.compile(r"error getting credentials - err: (?P<error>.+?), out: `(?P<out>.*)`", re.DOTALL)
_HELP = (
    "Docker's configuration names the program docker-credential-NAME for this registry. It has to be in the PATH\n"
    "  that pytest runs with, and answer `get` with a login."
)
_NO_IMAGE = re.compile(r'failed to resolve image "(?P<image>[^"]+)"')


def no_image(said: str) -> str | None:
    """Return the message for an image that cannot be pulled, None where the engine has said something else."""
    image = _NO_IMAGE.match(said)
    if image is None:
        return None
    if helper := _HELPER.search(said):
        reason, hint = f"a credential helper failed: {helper['out'] or helper['error']}", _HELP
    else:
        reason = said.rpartition(": ")[2]
        hint = _LOG_IN if _LOGIN.search(reason) else _CHECK_NAME
    return f"The image {image['image']} cannot be used: {reason}.\n  {hint}"


@contextlib.asynccontextmanager
async def engine_errors() -> AsyncGenerator[None]:
    """Raise the engine's errors as errors of a build; cargo's own failures are handled before."""
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    try:
        yield
    except EngineUnavailable:
        raise
    except dagger.QueryError as error:
        if isinstance(error, dagger.ExecError) and (fault := builder_faults.explained(error)):
            raise fault from None
        said = without_trace(str(error))
        if msg := no_image(said):
            raise DaggerRustError(msg) from None
        msg = f"The Dagger engine refused the build: {said}"
        raise DaggerRustError(msg) from None
    except dagger.TransportError as error:
        hint = "Run the tests again once it is back; what was compiled is kept."
        msg = f"The Dagger engine was lost during the build: {without_trace(str(error))}\n  {hint}"
        raise EngineUnavailable(msg) from None


@contextlib.asynccontextmanager
async def build_errors(read_failure: ReadFailure, root: Path) -> AsyncGenerator[None]:
    """Raise the agent's failure as an error; `read_failure` reads cargo's messages of a build by its id.

    `root` is the workspace's folder.
    """
    import dagger  # noqa: PLC0415 - importing dagger takes most of a second

    try:
        yield
    except dagger.ExecError as error:
        subcommand = error.command[1] if error.command[0] == agent.PROGRAM else ""
        if subcommand not in {"fetch", "dependencies", "build"}:
            raise
        if error.exit_code == TIMED_OUT:
            raise _too_long(_said(error), root) from None
        if subcommand == "fetch":
            raise _fetch_failure(error) from None
        build_id = error.command[error.command.index("--build-id") + 1]
        if subcommand == "dependencies":
            # Only cargo's own failure has left messages to read.
            raise DependenciesFailedError(build_id if error.exit_code == CARGO_FAILED else "") from None
        raise await _explained(error, functools.partial(read_failure, build_id), root) from None


def _said(error: dagger.ExecError) -> str:
    """Return what the agent has said, also behind a line of cargo's that was not ended."""
    parts = (line.partition("pytest-dagger-rust: ") for line in lines_of(strip_ansi(error.stderr)))
    return "\n".join(said for _, prefix, said in parts if prefix)


def _too_long(said: str, root: Path) -> RustBuildError:
    hint = "Raise dagger_rust_build_timeout if the build needs more time; what was compiled is kept."
    return RustBuildError(f"{said or 'cargo was stopped'}.\n  {hint}", root=root)


def _fetch_failure(error: dagger.ExecError) -> DaggerRustError:
    if error.exit_code == SOURCES_CHANGED:
        return SourcesChangedError(error.stderr)
    if error.exit_code == _KILLED:
        return FetchFailedError(_how_it_ended(error.exit_code))
    lines = lines_of(strip_ansi(error.stderr))
    return FetchFailedError(failure_text((), "\n".join(line for line in lines if not _OWN.match(line))))


async def _explained(
    error: dagger.ExecError, read_failure: Callable[[], Awaitable[str]], root: Path
) -> DaggerRustError:
    said = _said(error)
    if error.exit_code == NOT_PROVED:
        return StaleBinaryError(said)
    if error.exit_code == SOURCES_CHANGED:
        return SourcesChangedError(said)
    if error.exit_code == LAYER_NEEDED:
        return LayerNeededError(said)
    if error.exit_code == CARGO_FAILED:
        return cargo_failure(await read_failure(), root)
    return DaggerRustError(f"{_how_it_ended(error.exit_code)}\n{said or error.stderr}")


def _how_it_ended(exit_code: int) -> str:
    """Return what an exit code that is none of the agent's says of the build container."""
    if exit_code == _KILLED:
        return f"The build container was killed by SIGKILL.{_MEMORY}"
    return f"The build container failed (exit code {exit_code})."


def with_withheld(error: RustBuildError, withheld: Collection[str]) -> RustBuildError:
    """Return the error with a note about files that were not sent, which the build may have missed."""
    if not withheld:
        return error
    note = (
        f"Not sent to the engine, because they may hold secrets: {', '.join(sorted(withheld))}.\n"
        "  If the build needs one, add its name to dagger_rust_source_excludes with an exclamation mark in front."
    )
    return RustBuildError(f"{error}\n\n{note}", diagnostics=error.diagnostics)


_FAILED_PACKAGE = re.compile(r"(?:custom build command for|could not compile) `(?P<name>[^`\s]+)")


def is_about_others(failure: RustBuildError, own: Collection[str]) -> bool:
    """Return whether a failed dependency build failed in packages from a registry or git only.

    The source build would fail alike, after compiling everything again. `own` are the names of local packages.
    """
    names = {match["name"] for match in _FAILED_PACKAGE.finditer(str(failure))}
    return bool(names) and names.isdisjoint(own)


def cargo_failure(text: str, root: Path | None = None) -> RustBuildError:
    """Read what the agent has kept of cargo's failure in the workspace at `root`.

    Raises DaggerRustError for what cannot be read.
    """
    kept = cast("dict[str, Any]", json.loads(text))
    diagnostics = messages.read(kept["messages"]).diagnostics
    said = failure_text(diagnostics, kept["stderr"])
    if kept["signal"] is not None:
        name = signal.Signals(kept["signal"]).name
        hint = _MEMORY if name == "SIGKILL" else ""
        said = f"cargo was killed by {name}.{hint}\n{said}".rstrip()
    return RustBuildError(said + _hint(said), diagnostics=diagnostics, root=root)


_NO_PYTHON = re.compile(r"no Python 3\.x interpreter found")


def _hint(said: str) -> str:
    """Return what to do about a failure that a builder image is the cause of, empty for others."""
    if not _NO_PYTHON.search(said):
        return ""
    return (
        "\n\nThe builder image has no Python, which PyO3 looks for in an ordinary build; wheels need none.\n"
        "  Leave the crate out with dagger_rust_packages or dagger_rust_test_excludes, or install python3 in\n"
        "  rust_builder_container."
    )
