"""Binaries of another machine are a stranger's data: taken whole and for what they are, or not at all."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_dagger_rust import CargoOptions, RustWorkspace
from pytest_dagger_rust.builds import binaries
from pytest_dagger_rust.builds.caches import Caches
from pytest_dagger_rust.builds.execs import BuildRequest, Step
from pytest_dagger_rust.builds.places import Place
from pytest_dagger_rust.builds.shared import SharedCache
from pytest_dagger_rust.container import agent
from tests.unit.builds.test_agent_report import artifact, report

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_dagger_rust.builds.made import Made

LOCK = 'version = 3\n\n[[package]]\nname = "app"\nversion = "0.1.0"\n'
MANIFEST = {"libc": agent.STATIC, "job": "https://ci.example/job/7"}


@dataclass
class Files:
    """A directory, file or image of the SDK's with these files in it."""

    files: Mapping[str, str]
    path: str = ""
    asked: list[str] = field(default_factory=list[str])

    def __getattr__(self, name: str) -> Any:
        def itself(*_: object, **__: object) -> Files:
            return self

        return itself

    def directory(self, path: str) -> Files:
        """Return a directory in it."""
        return Files(self.files, f"{self.path}{path}/", self.asked)

    def file(self, path: str) -> Files:
        """Return a file in it."""
        return Files(self.files, f"{self.path}{path}", self.asked)

    def from_(self, name: str) -> Files:
        """Return the image."""
        self.asked.append(name)
        return self

    async def contents(self) -> str:
        """Return the text of a file."""
        if self.path not in self.files:
            raise FileNotFoundError(f"{self.path}: no such file")
        return self.files[self.path]

    async def label(self, _: str) -> str | None:
        """Return what an image says of itself."""
        return self.files.get("label")

    async def size(self) -> int:
        """Return the length of a file."""
        return len(await self.contents())

    async def glob(self, _: str) -> list[str]:
        """Return the files that are two folders deep."""
        return [name.removeprefix(self.path) for name in self.files if name.startswith(self.path)]


@pytest.fixture
def request_(tmp_path: Path) -> BuildRequest:
    """A build of a workspace of one program, which looks for binaries in a registry."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/main.rs").write_text("fn main() {}\n")
    (tmp_path / "Cargo.lock").write_text(LOCK)
    (tmp_path / "Cargo.toml").write_text('[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n')
    shared = SharedCache([Place.of("registry.example/cache", Path())])
    container = cast("Any", Files({}))
    workspace = RustWorkspace.load(tmp_path)
    return BuildRequest(
        cast("Any", None), workspace, CargoOptions(), container, container, caches=Caches(shared=shared)
    )


def published(**changes: str | None) -> dict[str, str]:
    """Return what a machine publishes, changed by name."""
    files = {
        "key": "right",
        "label": json.dumps(MANIFEST),
        "agent/agent": "ELF",
        "out/bin/app": "ELF",
        "out/report.json": report(artifact(), lock=LOCK, build_id="0123456789abcdef", run_id="theirs"),
        **changes,
    }
    return {name: text for name, text in files.items() if text is not None}


def pull(request: BuildRequest, files: Mapping[str, str]) -> tuple[Made | None, SharedCache]:
    """Pull from a registry that has these files."""
    client = cast("Any", Files(files))
    request = replace(request, client=client)
    shared = request.caches.shared
    assert shared is not None
    step = Step(request, "volume", request.folder, ".", "root", request.builder, cast("Any", None))
    return asyncio.run(binaries.pulled(step, "right", 0.0)), shared


def test_what_is_whole_is_taken(request_: BuildRequest) -> None:
    """The report says so and by what it was proved; nothing counts as kept on this machine."""
    made, shared = pull(request_, published())
    assert made is not None
    assert (made.report.cached, made.report.compiled, made.report.fresh) == (True, (), ("app",))
    assert made.report.cache_reasons == {
        "binaries": "from registry.example/cache, proved by build 0123456789ab (https://ci.example/job/7)"
    }
    assert made.report.caches["target directory"] == "not used"
    (line,) = shared.summary()
    assert line.startswith(
        "binaries pulled from registry.example/cache in 0.0 s, proved by build 0123456789ab"
    )


@pytest.mark.parametrize(
    "job", ["javascript:alert(1)", "https://x\n::error::x", "https://x y", "", 7, "https://" + "x" * 999]
)
def test_an_address_that_is_none_is_not_shown(request_: BuildRequest, job: object) -> None:
    """Nor what would be a command to a CI."""
    made, shared = pull(request_, published(label=json.dumps({**MANIFEST, "job": job})))
    assert made is not None
    assert shared.summary()[0].endswith("proved by build 0123456789ab")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"key": "another"}, "something else under the name binaries-right"),
        ({"label": "[]"}, "manifest is damaged"),
        ({"label": json.dumps({"libc": "-Clinker=/bin/sh"})}, "manifest is damaged"),
        ({"label": "{"}, "could not be used"),
        ({"label": None}, "manifest is damaged"),
        ({"agent/agent": None}, "no such file"),
        ({"out/bin/app": None}, "bin/app is missing"),
        ({"out/report.json": "{}"}, "report"),
        ({"out/report.json": report(artifact(), lock="version = 4\n")}, "another Cargo.lock"),
        (
            {"out/report.json": report(artifact(target={**artifact()["target"], "name": "evil"}), lock=LOCK)},
            "the workspace has no such target",
        ),
    ],
)
def test_what_is_not_whole_is_built_instead(
    request_: BuildRequest, changes: dict[str, str | None], why: str
) -> None:
    """One line says why."""
    made, shared = pull(request_, published(**changes))
    assert made is None
    (line,) = shared.summary()
    assert why in line
    assert "registry.example/cache" in line
    assert "\n" not in line
