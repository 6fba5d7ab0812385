"""Dependencies that another machine has compiled: taken from a folder or a registry, and never instead of the right ones."""

from __future__ import annotations

import socket
import uuid
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.builds import shared
from pytest_dagger_rust.builds.caches import Caches
from pytest_dagger_rust.builds.shared import Place, SharedCache

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.engine.scenario import Scenario

FILES = {
    "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\nfnv = "1"\n',
    "src/main.rs": 'fn main() { println!("{}", fnv::FnvHashMap::<u8, u8>::default().len()); }\n',
}


def machine(
    scenario: Scenario, tmp_path: Path, *, sources: Sequence[str] = (), targets: Sequence[str] = ()
) -> SharedCache:
    """Give a scenario the caches of a machine that has built nothing yet, and return what it shares."""
    taken_from, put_to = ([Place.of(name, tmp_path) for name in names] for names in (sources, targets))
    found = SharedCache(taken_from, put_to)
    scenario.caches = Caches(tmp_path / uuid.uuid4().hex, shared=found)
    return found


@pytest.fixture
def first(make_scenario: Callable[[Mapping[str, str]], Scenario]) -> Scenario:
    """A workspace with a dependency."""
    scenario = make_scenario(FILES)
    scenario.lock()
    return scenario


@pytest.fixture
def second(make_scenario: Callable[[Mapping[str, str]], Scenario], first: Scenario) -> Scenario:
    """The same workspace somewhere else, which no cache volume knows."""
    return make_scenario({**FILES, "Cargo.lock": (first.root / "Cargo.lock").read_text()})


def publish(scenario: Scenario, tmp_path: Path, place: str) -> None:
    """Build, and publish the dependencies."""
    found = machine(scenario, tmp_path, targets=[place])
    assert scenario.build().report.caches["dependencies"] == "new"
    scenario.engine.call(found.finish)
    assert found.summary() == [f"dependencies published to {place}"]


def registry(image: str) -> str:
    """Return a repository of the registry that the tests' images come from."""
    if not image.startswith("127.0.0.1:"):
        pytest.skip("the tests' images come from a registry that is not theirs")
    return f"{image.partition('/')[0]}/shared-{uuid.uuid4().hex[:8]}"


@pytest.mark.parametrize("kind", ["folder", "registry"])
def test_another_machine_compiles_its_own_crates_only(
    first: Scenario, second: Scenario, tmp_path: Path, rust_builder_image: str, kind: str
) -> None:
    """The report names the place; later builds are as on any machine."""
    place = "./shared" if kind == "folder" else registry(rust_builder_image)
    publish(first, tmp_path, place)
    found = machine(second, tmp_path, sources=["./nothing-here", place])
    report = second.build().report
    assert report.compiled == ("app",)
    assert (report.caches["dependencies"], report.cache_reasons["dependencies"]) == (
        "pulled",
        f"from {place}",
    )
    assert found.problems == []
    assert second.output() == "0\n"
    second.replace("src/main.rs", "{}", "now {}")
    assert second.output() == "now 0\n"
    assert not list(tmp_path.glob("shared/*.part"))


def test_other_dependencies_are_not_taken(first: Scenario, second: Scenario, tmp_path: Path) -> None:
    """Another profile and other flags have names of their own."""
    publish(first, tmp_path, "./shared")
    machine(second, tmp_path, sources=["./shared"])
    report = second.build(profile="release").report
    assert report.caches["dependencies"] == "new"
    assert set(report.compiled) == {"app", "fnv"}


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty", "another's"])
def test_what_is_damaged_is_compiled_instead(
    first: Scenario, second: Scenario, tmp_path: Path, damage: str
) -> None:
    """One sentence, and a build as without a cache."""
    publish(first, tmp_path, "./shared")
    (file,) = (tmp_path / "shared").glob("*.tar")
    if damage == "another's":
        first.write({"Cargo.toml": FILES["Cargo.toml"] + '[features]\nmore = ["fnv/std"]\n'})
        publish(first, tmp_path, "./other")
        (other,) = (tmp_path / "other").glob("*.tar")
        file.write_bytes(other.read_bytes())
    else:
        data = {"garbage": b"garbage" * 100, "empty": b"", "truncated": file.read_bytes()[:5000]}[damage]
        file.write_bytes(data)
    found = machine(second, tmp_path, sources=["./shared"])
    report = second.build().report
    assert set(report.compiled) == {"app", "fnv"}
    assert len(found.summary()) == 1
    assert found.summary()[0].startswith("./shared ")
    assert second.output() == "0\n"


def test_places_that_do_not_answer_fail_no_build(
    second: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry that is gone, one that says nothing, and a folder that cannot be written."""
    monkeypatch.setattr(shared, "PULL_LIMIT", 3.0)
    monkeypatch.setattr(shared, "PUBLISH_LIMIT", 3.0)
    (tmp_path / "file").touch()
    with socket.socket() as silent, socket.socket() as unused:
        for listening in (silent, unused):
            listening.bind(("127.0.0.1", 0))
        silent.listen()
        gone, mute = (f"127.0.0.1:{item.getsockname()[1]}/cache" for item in (unused, silent))
        found = machine(second, tmp_path, sources=[gone, mute], targets=[gone, mute, "./file/below"])
        assert set(second.build().report.compiled) == {"app", "fnv"}
        second.engine.call(found.finish)
    lines = found.summary()
    for place in (gone, mute):
        assert [line for line in lines if line.startswith(f"{place} ")]
        assert [line for line in lines if f"to {place}" in line]
    assert [line for line in lines if "to ./file/below: " in line]
    assert not [line for line in lines if "traceparent" in line]
