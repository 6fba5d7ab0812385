"""cargo's messages with `--message-format=json`, as typed values.

Source: https://doc.rust-lang.org/cargo/reference/external-tools.html#json-messages
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast, get_args

from pytest_dagger_rust.diagnostics import Diagnostic, Level, Span
from pytest_dagger_rust.errors import DaggerRustError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Where what is compiled only for others lies, in each of cargo's layouts of the build folder.
_INTERMEDIATE = ("deps/*", "build/*/*/out/*")
_OLD_PACKAGE_ID = re.compile(r"(?P<name>\S+) (?P<version>\S+) \(.*\)")


@dataclass(frozen=True)
class Artifact:
    """One artifact of a package's target; paths are those inside the builder container.

    `is_test` is True for a target compiled with its tests and their harness.
    `profile` has the settings of the profile in cargo's names: opt_level, debuginfo, debug_assertions and others.
    """

    name: str
    package: str
    version: str
    kind: tuple[str, ...]
    crate_types: tuple[str, ...]
    features: tuple[str, ...]
    filenames: tuple[str, ...]
    executable: str | None
    fresh: bool
    src_path: str = ""
    is_test: bool = False
    profile: Mapping[str, object] = field(default_factory=dict[str, object])
    manifest_path: str = ""

    @property
    def libraries(self) -> tuple[str, ...]:
        """File names of the libraries for other languages that cargo put in place: of a cdylib, of a staticlib."""
        if not {"cdylib", "staticlib"}.intersection(self.crate_types):
            return ()
        files = (PurePosixPath(name) for name in self.filenames)
        return tuple(
            f.name for f in files if f.suffix in {".so", ".a"} and not any(map(f.match, _INTERMEDIATE))
        )


@dataclass(frozen=True)
class CargoMessages:
    """All messages of one cargo run; `success` is None when cargo stopped before it said so."""

    artifacts: tuple[Artifact, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    success: bool | None = None

    @property
    def compiled(self) -> tuple[str, ...]:
        """Names of the packages of which something was compiled, in cargo's order."""
        return tuple(dict.fromkeys(a.package for a in self.artifacts if not a.fresh))

    @property
    def fresh(self) -> tuple[str, ...]:
        """Names of the packages of which nothing had to be compiled, in cargo's order."""
        compiled = set(self.compiled)
        return tuple(dict.fromkeys(a.package for a in self.artifacts if a.package not in compiled))

    @property
    def executables(self) -> tuple[Artifact, ...]:
        """The artifacts that can be run: bins and examples."""
        return tuple(a for a in self.artifacts if a.executable is not None and not a.is_test)

    @property
    def tests(self) -> tuple[Artifact, ...]:
        """The executables that run tests, where these were asked for."""
        return tuple(a for a in self.artifacts if a.executable is not None and a.is_test)


def parse(lines: Iterable[str]) -> CargoMessages:
    """Read cargo's messages; lines that are not messages (a build script's or proc macro's output) are skipped.

    Raises DaggerRustError for a line that looks like a message but is not one of cargo's.
    """
    return read(_messages(lines))


def read(messages: Iterable[object]) -> CargoMessages:
    """Read messages that are JSON values already, as `parse` does."""
    artifacts: list[Artifact] = []
    diagnostics: list[Diagnostic] = []
    success: bool | None = None
    for message in messages:
        if not isinstance(message, dict):
            continue
        fields = cast("dict[str, Any]", message)
        try:
            match fields.get("reason"):
                case "compiler-artifact":
                    artifacts.append(_artifact(fields))
                case "compiler-message":
                    diagnostics.append(_diagnostic(fields))
                case "build-finished":
                    success = bool(fields.get("success"))
                case _:
                    pass
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _not_cargos(fields, error) from None
    return CargoMessages(tuple(artifacts), tuple(diagnostics), success)


def is_artifact(message: object) -> bool:
    """Return whether `read` makes an artifact of a message."""
    return (
        isinstance(message, dict) and cast("dict[str, object]", message).get("reason") == "compiler-artifact"
    )


def _not_cargos(message: dict[str, Any], error: Exception) -> DaggerRustError:
    missing = f"it has no {error}" if isinstance(error, KeyError) else str(error)
    return DaggerRustError(
        f"A line on cargo's standard output is none of cargo's messages: {missing}.\n"
        "  A procedural macro or a wrapper of rustc's may have printed it:\n"
        f"  {json.dumps(message):.200}"
    )


def _messages(lines: Iterable[str]) -> Iterator[object]:
    for line in lines:
        if line.startswith("{"):
            with contextlib.suppress(ValueError, RecursionError):
                yield json.loads(line)


def package_name_and_version(package_id: str) -> tuple[str, str]:
    """Split a package id spec, in the form of cargo 1.77 and later or the opaque one before.

    Source: https://doc.rust-lang.org/cargo/reference/pkgid-spec.html
    """
    package_id = _text(package_id)
    if old := _OLD_PACKAGE_ID.fullmatch(package_id):
        return old["name"], old["version"]
    url, _, fragment = package_id.rpartition("#")
    name, at, version = fragment.rpartition("@")
    if at:
        return name, version
    return url.partition("?")[0].rstrip("/").rpartition("/")[2], fragment


def _artifact(message: dict[str, Any]) -> Artifact:
    target = message["target"]
    name, version = package_name_and_version(message["package_id"])
    executable = message["executable"]
    return Artifact(
        name=_text(target["name"]),
        package=name,
        version=version,
        kind=_texts(target["kind"]),
        crate_types=_texts(target["crate_types"]),
        features=_texts(message["features"]),
        filenames=_texts(message["filenames"]),
        executable=None if executable is None else _text(executable),
        fresh=_flag(message["fresh"]),
        src_path=_text(target["src_path"]),
        is_test=_flag(message["profile"]["test"]),
        profile=dict(message["profile"]),
        manifest_path=_text(message.get("manifest_path", "")),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is no text")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.40} is no list")
    return tuple(_text(item) for item in cast("list[object]", value))


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r:.40} is neither true nor false")
    return value


def _diagnostic(message: dict[str, Any]) -> Diagnostic:
    body = message["message"]
    code = body.get("code")
    return Diagnostic(
        level=_level(body["level"]),
        message=_text(body["message"]),
        code=_text(code["code"]) if code else None,
        rendered=_text(body.get("rendered") or ""),
        package=package_name_and_version(message["package_id"])[0],
        spans=tuple(_span(span) for span in body["spans"] if span["is_primary"]),
    )


def _level(value: object) -> Level:
    # A level of a rustc to come is no reason to refuse a build.
    level = _text(value)
    return cast("Level", level) if level in get_args(Level) else "note"


def _span(span: dict[str, Any]) -> Span:
    return Span(
        file=_text(span["file_name"]),
        line=int(span["line_start"]),
        column=int(span["column_start"]),
        end_line=int(span["line_end"]),
        end_column=int(span["column_end"]),
    )
