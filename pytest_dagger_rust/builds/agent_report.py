"""Reads the report that the agent writes in the build container, and checks everything in it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, cast, get_args

from pytest_dagger_rust.builds import messages
from pytest_dagger_rust.builds.caches import CacheState
from pytest_dagger_rust.errors import DaggerRustError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_dagger_rust.builds.messages import Artifact, CargoMessages
    from pytest_dagger_rust.workspace import RustWorkspace

FORMAT = 1

# More than any build has, and less than what would fill the memory.
_LARGEST = 512 << 20


@dataclass(frozen=True)
class AgentReport:
    """What a dependency build or a build says of itself; times are seconds of the machine the engine runs on.

    `build_id` names what was built and `run_id` the run that built it: another one's where the engine has answered
    from its cache. `volume` is the state of the cache volume and the reason for it, `starts` says when packages began
    to be compiled, and `ends` when each artifact was done. `rewritten` are the paths that build scripts have written in
    the tree, and `home` is cargo's home.
    """

    build_id: str
    run_id: str
    volume: tuple[CacheState, str]
    root: str
    target: str
    lock: str
    steps: dict[str, float]
    said: CargoMessages
    before: CargoMessages
    starts: tuple[tuple[str, float], ...]
    ends: tuple[float, ...]
    dirty: tuple[str, ...]
    rewritten: tuple[str, ...]
    sizes: dict[str, int]
    target_size: int
    packages_size: int | None
    tests: tuple[Record, ...]
    doctests: tuple[Record, ...]
    dependencies: AgentReport | None
    home: str = ""


@dataclass(frozen=True)
class Record:
    """How cargo calls a test binary, or rustdoc for the doctests of a library.

    `triple` is the target that a test binary was built for. `listed` and `ignored` are what rustdoc answers where it
    is asked for its tests.
    """

    program: str
    folder: str
    environment: dict[str, str] = field(repr=False)
    triple: str = ""
    arguments: tuple[str, ...] = ()
    listed: str = ""
    ignored: str = ""


class _Fields:
    """The members of a JSON object, each of the type that it has to have."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise _damaged(where, value)
        self._members = cast("dict[str, object]", value)
        self._where = where

    def text(self, name: str) -> str:
        return cast("str", self._typed(name, str))

    def texts(self, name: str) -> tuple[str, ...]:
        return tuple(self._checked(name, item, str) for item in self.items(name))

    def number(self, name: str) -> int:
        return cast("int", self._typed(name, int))

    def seconds(self, name: str) -> tuple[float, ...]:
        return tuple(float(self._checked(name, item, (int, float))) for item in self.items(name))

    def items(self, name: str) -> list[object]:
        return cast("list[object]", self._typed(name, list))

    def pairs(self, name: str) -> Iterable[tuple[str, Any]]:
        for item in self.items(name):
            pair = cast("list[object]", item if isinstance(item, list) else [])
            if len(pair) != 2:
                raise _damaged(f"{self._where}.{name}", pair)
            yield self._checked(name, pair[0], str), pair[1]

    def timed(self, name: str) -> tuple[tuple[str, float], ...]:
        return tuple(
            (key, float(self._checked(name, value, (int, float)))) for key, value in self.pairs(name)
        )

    def fields(self, name: str) -> _Fields:
        return _Fields(self._members.get(name), f"{self._where}.{name}")

    def has(self, name: str) -> bool:
        return self._members.get(name) is not None

    def integers(self) -> dict[str, int]:
        return {name: self._typed(name, int) for name in self._members}

    def _typed(self, name: str, kind: Any) -> Any:
        return self._checked(name, self._members.get(name), kind)

    def _checked(self, name: str, value: object, kind: Any) -> Any:
        if not isinstance(value, kind) or isinstance(value, bool):
            raise _damaged(f"{self._where}.{name}", value)
        return value


def _damaged(where: str, value: object) -> DaggerRustError:
    return DaggerRustError(
        f"The build container's report cannot be read: {where} is {value!r:.80}.\n"
        "  If it happens again, clear the caches once with --dagger-rust-clear-caches."
    )


def read_report(text: str, workspace: RustWorkspace) -> AgentReport:
    """Read the report of a build of the workspace.

    Raises DaggerRustError for one that cannot be read, and for messages of cargo's about what the workspace does not
    have: a procedural macro or a wrapper can print such, too.
    """
    if len(text) > _LARGEST:
        raise DaggerRustError(f"The build container's report is larger than {_LARGEST >> 20} MB.")
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged("report", str(error)) from None
    report = _read(_Fields(value, "report"))
    _check(report, workspace)
    return report


def _read(fields: _Fields) -> AgentReport:
    if (found := fields.number("format")) != FORMAT:
        raise _damaged("report.format", found)
    is_build = fields.has("before")
    reported = fields.items("messages")
    said = messages.read(reported)
    return AgentReport(
        build_id=fields.text("build_id"),
        run_id=fields.text("run_id"),
        volume=_volume(fields.text("volume")),
        root=fields.text("root"),
        target=fields.text("target"),
        lock=fields.text("lock"),
        steps=dict(fields.timed("steps")),
        said=said,
        before=messages.read(fields.items("before")) if is_build else messages.CargoMessages(),
        starts=fields.timed("starts"),
        ends=_ends(reported, fields.seconds("ends")),
        dirty=fields.texts("dirty"),
        rewritten=fields.texts("rewritten") if is_build else (),
        sizes=fields.fields("sizes").integers() if is_build else {},
        target_size=fields.number("target_size"),
        packages_size=None if is_build else fields.number("packages_size"),
        tests=_records(fields, "tests", "executable"),
        doctests=_records(fields, "doctests", "rustdoc"),
        dependencies=_read(fields.fields("dependencies")) if fields.has("dependencies") else None,
        home=fields.text("home") if fields.has("home") else "",
    )


def _volume(text: str) -> tuple[CacheState, str]:
    state, _, reason = text.partition(": ")
    if state not in get_args(CacheState):
        raise _damaged("report.volume", text)
    return cast("CacheState", state), reason


def _ends(reported: list[object], seconds: tuple[float, ...]) -> tuple[float, ...]:
    # Of all messages: those of artifacts are the ones that a package ends with.
    return tuple(
        end for message, end in zip(reported, seconds, strict=False) if messages.is_artifact(message)
    )


def _records(fields: _Fields, name: str, program: str) -> tuple[Record, ...]:
    if not fields.has(name):
        return ()
    found = (_Fields(item, name) for item in fields.items(name))
    is_doctest = program == "rustdoc"
    return tuple(
        Record(
            program=record.text(program),
            folder=record.text("folder"),
            environment={key: str(value) for key, value in record.pairs("environment")},
            triple="" if is_doctest else record.text("triple"),
            arguments=record.texts("arguments") if is_doctest else (),
            listed=record.text("listed") if is_doctest else "",
            ignored=record.text("ignored") if is_doctest else "",
        )
        for record in found
    )


def _check(report: AgentReport, workspace: RustWorkspace) -> None:
    """Raise DaggerRustError for an artifact that is handed out and that the workspace does not have."""
    known = {
        (package.name, target.name.replace("-", "_"))
        for package in workspace.packages
        for target in package.targets
    }
    for artifact in report.said.artifacts:
        files = [artifact.executable] if artifact.executable is not None else []
        files += [name for name in artifact.filenames if artifact.libraries and name.endswith((".so", ".a"))]
        if not files:
            continue
        if (artifact.package, artifact.name.replace("-", "_")) not in known:
            raise _forged(artifact, "the workspace has no such target")
        if PurePosixPath(artifact.name).parts != (artifact.name,) or artifact.name == "..":
            raise _forged(artifact, "that is not the name of a file")
        for name in files:
            if not _is_below(name, report.target):
                raise _forged(artifact, f"{name} is not below cargo's target directory")


def _is_below(path: str, folder: str) -> bool:
    pure = PurePosixPath(path)
    return pure.is_relative_to(folder) and ".." not in pure.parts and path != folder


def _forged(artifact: Artifact, why: str) -> DaggerRustError:
    return DaggerRustError(
        f"A message on cargo's standard output names the target {artifact.name!r} of the package "
        f"{artifact.package!r}, but {why}.\n"
        "  A procedural macro, a wrapper of rustc's or cargo itself has printed it: nothing was taken from the build."
    )
