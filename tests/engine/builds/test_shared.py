"""What another machine has built: taken from a folder or a registry, and never instead of what is right."""

from __future__ import annotations

import re
import socket
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust import CargoOptions, Engine, RustWorkspace, build
from pytest_dagger_rust.builds import builders, keys, plan, shared
from pytest_dagger_rust.builds.caches import Caches
from pytest_dagger_rust.builds.execs import BuildRequest
from pytest_dagger_rust.builds.places import Place
from pytest_dagger_rust.builds.shared import SharedCache
from pytest_dagger_rust.container import agent
from tests.engine.builds.faulty_registry import SECRET, FaultyRegistry, push
from tests.engine.volume import prune

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import dagger

    from pytest_dagger_rust import RustBuild
    from pytest_dagger_rust.engine.otlp import Batch
    from tests.engine.scenario import Scenario

FILES = {
    "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\nfnv = "1"\n',
    "src/main.rs": 'fn main() { println!("{}", fnv::FnvHashMap::<u8, u8>::default().len()); }\n',
}


def machine(
    scenario: Scenario,
    tmp_path: Path,
    *,
    sources: Sequence[str] = (),
    targets: Sequence[str] = (),
    branches: Sequence[str] = ("",),
) -> SharedCache:
    """Give a scenario the caches of a machine that has built nothing yet, and return what it shares."""
    taken_from, put_to = ([Place.of(name, tmp_path) for name in names] for names in (sources, targets))
    found = SharedCache(taken_from, put_to, branches)
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
    assert found.summary() == [f"binaries, dependencies published to {place}"]


def registry(image: str) -> str:
    """Return a repository of the registry that the tests' images come from."""
    if not image.startswith("127.0.0.1:"):
        pytest.skip("the tests' images come from a registry that is not theirs")
    return f"{image.partition('/')[0]}/shared-{uuid.uuid4().hex[:8]}"


@pytest.mark.parametrize("kind", ["folder", "registry"])
def test_another_machine_compiles_what_differs_only(
    first: Scenario, second: Scenario, tmp_path: Path, rust_builder_image: str, kind: str
) -> None:
    """Nothing for the same tree, its own crates for another one; later builds are as on any machine."""
    place = "./shared" if kind == "folder" else registry(rust_builder_image)
    publish(first, tmp_path, place)
    found = machine(second, tmp_path, sources=["./nothing-here", place])
    report = second.build().report
    assert (report.compiled, report.fresh, report.cached) == ((), ("fnv", "app"), True)
    assert report.caches == {"binaries": "pulled", "dependencies": "not used", "target directory": "not used"}
    assert re.fullmatch(f"from {place}, proved by build [0-9a-f]{{12}}", report.cache_reasons["binaries"])
    assert [line.partition(" in ")[0] for line in found.summary()] == [f"binaries pulled from {place}"]
    assert second.output() == "0\n"
    second.replace("src/main.rs", "{}", "now {}")
    report = second.build().report
    assert report.compiled == ("app",)
    assert (report.caches["dependencies"], report.cache_reasons["dependencies"]) == (
        "pulled",
        f"from {place}",
    )
    assert found.problems == []
    assert second.output() == "now 0\n"
    second.replace("src/main.rs", "now {}", "later {}")
    assert second.output() == "later 0\n"
    assert not list(tmp_path.glob("shared/*.part"))


def test_another_machine_goes_on_from_the_newest_target_directory(
    first: Scenario, second: Scenario, tmp_path: Path, rust_builder_image: str
) -> None:
    """Of the branch it was made from, with a dependency more; what it publishes is its own branch's from then on."""
    place = registry(rust_builder_image)
    found = machine(first, tmp_path, targets=[place], branches=["main"])
    first.build()
    first.engine.call(found.finish)
    assert found.summary() == [f"binaries, target directory, dependencies published to {place}"]
    more = {
        "Cargo.toml": FILES["Cargo.toml"] + 'itoa = "1"\n',
        "src/lib.rs": 'pub const WORD: &str = "first";\n',
    }
    main = 'fn main() { println!("{} {}", app::WORD, itoa::Buffer::new().format(fnv::FnvHashMap::<u8, u8>::default().len())); }'
    second.write({**more, "src/main.rs": main})
    second.lock()
    found = machine(second, tmp_path, sources=[place], targets=[place], branches=["topic", "main"])
    report = second.build().report
    assert found.problems == []
    assert (set(report.compiled), report.fresh) == ({"itoa", "app"}, ("fnv",))
    assert (report.caches["target directory"], report.caches["dependencies"]) == ("pulled", "not used")
    assert report.cache_reasons["target directory"] == f"from {place}"
    assert second.output() == "first 0\n"
    second.engine.call(found.finish)
    assert found.problems == []
    found = machine(second, tmp_path, sources=[place], branches=["topic", "main"])
    prune(second)
    second.write({"src/lib.rs": 'pub const WORD: &str = "later";\n'}, mtime=1)
    report = second.build().report
    assert (report.compiled, set(report.fresh)) == (("app",), {"fnv", "itoa"})
    assert second.output() == "later 0\n"


def key_of(scenario: Scenario, **changes: Any) -> str | None:
    """Return the key of the binaries that a scenario's next build makes."""
    options = CargoOptions(**changes)
    folder = scenario.root.parent / "packed"
    folder.mkdir(exist_ok=True)

    async def run() -> str | None:
        request = BuildRequest(
            scenario.engine.client,
            RustWorkspace.load(scenario.root),
            options,
            scenario.builder,
            scenario.runtime,
            folder=folder,
            caches=scenario.caches,
        )
        recipe = await keys.recipe(request, builders.steps(request.builder))
        made = await plan.planned(request, plan.Volume("", recipe))
        named = await keys.binaries(made.step, made.packed, recipe)
        return named and named[0]

    return scenario.engine.call(run)


def test_pulled_binaries_need_no_step_of_the_builder(
    first: Scenario, second: Scenario, tmp_path: Path, rust_builder_image: str, rust_runtime_image: str
) -> None:
    """Nothing is executed before the program runs: no agent is compiled, so no toolchain is pulled."""
    place = registry(rust_builder_image)
    publish(first, tmp_path, place)
    heard: list[Batch] = []
    engine = Engine(hear=heard.append)
    with engine as client:

        async def made() -> RustBuild:
            return await build(
                client,
                RustWorkspace.load(second.root),
                builder=client.container().from_(rust_builder_image),
                runtime=client.container().from_(rust_runtime_image),
                caches=Caches(shared=SharedCache([Place.of(place, tmp_path)])),
                engine=engine,
            )

        app = engine.call(made)
        runs = app.blocking.run("app", check=True).stdout
    assert runs == "0\n"
    commands = [
        span.arguments().get("args", ())
        for batch in heard
        for span in batch.spans()
        if "withExec" in span.name
    ]
    assert commands
    assert {words[:2] for words in commands if words} == {(agent.PROGRAM, "run")}


def test_all_that_decides_is_in_the_name_of_binaries(
    first: Scenario, second: Scenario, tmp_path: Path
) -> None:
    """Tree, flags, variables and builder; the folder and the times are not. Where something moves there is no name."""
    for scenario in (first, second):
        scenario.write({"Cargo.toml": FILES["Cargo.toml"] + "[features]\nmore = []\n"})
        machine(scenario, tmp_path, sources=["./shared"])
    name = key_of(first)
    second.write({"src/main.rs": FILES["src/main.rs"]}, mtime=1)
    assert name == key_of(second)
    names = [
        name,
        key_of(first, env={"A": "1"}),
        key_of(first, features=("more",)),
        key_of(first, profile="release"),
    ]
    builder = first.builder
    for value in ("1", "2"):
        (tmp_path / "added").write_text(value)
        # Another object of the SDK's for the same path: what is in it counts.
        added = first.engine.client.host().file(str(tmp_path / "added"), no_cache=True)
        first.builder = builder.with_file("/added", added)
        names.append(key_of(first))
    first.builder = builder
    first.write({"src/not-named-anywhere.txt": ""})
    names.append(key_of(first))
    first.write({"rust-toolchain.toml": "[toolchain]\nchannel = '1.85.0'\n"})
    names.append(key_of(first))
    assert len(set(names)) == 8
    assert None not in names
    first.write({"rust-toolchain.toml": "[toolchain]\nchannel = 'stable'\n"})
    assert key_of(first) is None
    second.remove("Cargo.lock")
    assert key_of(second) is None


def test_other_dependencies_are_not_taken(first: Scenario, second: Scenario, tmp_path: Path) -> None:
    """Another profile and other flags have names of their own."""
    publish(first, tmp_path, "./shared")
    machine(second, tmp_path, sources=["./shared"])
    report = second.build(profile="release").report
    assert report.caches["dependencies"] == "new"
    assert set(report.compiled) == {"app", "fnv"}


def test_what_is_damaged_is_compiled_instead(first: Scenario, second: Scenario, tmp_path: Path) -> None:
    """One sentence for garbage, for what is cut off, empty or another's, and a build as without a cache."""
    publish(first, tmp_path, "./shared")
    files = [
        file for kind in ("binaries", "dependencies") for file in (tmp_path / "shared").glob(f"{kind}-*.tar")
    ]
    whole = [file.read_bytes() for file in files]
    for data in (b"garbage" * 100, b"", whole[0][:5000], whole[1]):
        files[0].write_bytes(data)
        found = machine(second, tmp_path, sources=["./shared"])
        assert second.engine.call(found.pull, second.engine.client, files[0].stem, ("key", "right")) is None
        assert len(found.problems) == 1
        assert found.problems[0].startswith("./shared ")
    files[1].write_bytes(whole[1][:5000])
    found = machine(second, tmp_path, sources=["./shared"])
    assert set(second.build().report.compiled) == {"app", "fnv"}
    assert len(found.summary()) == 2
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


FAULTS = (
    "forbidden",
    "unauthorized",
    "busy",
    "broken",
    "redirects",
    "signed",
    "garbage",
    "replaced",
    "truncated",
    "slow",
)
READ_ONLY = ("forbidden", "readonly", "full", "unauthorized")


def test_a_registry_with_a_fault_is_one_line(
    engine: Engine, rust_builder_image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line names the place and has no credentials; what is not there, or of another platform, is not taken."""
    monkeypatch.setattr(shared, "PULL_LIMIT", 4.0)
    name, client = registry(rust_builder_image), engine.client
    upstream, _, repository = name.partition("/")

    async def directory() -> dagger.Directory:
        return client.directory().with_new_file("key", uuid.uuid4().hex)

    async def publish(found: SharedCache) -> None:
        found.publish(client, "binaries", "another", directory, {})
        await found.finish()

    lines: dict[str, list[str]] = {}
    with FaultyRegistry(upstream) as faulty:
        for fault in (*FAULTS, "gone"):
            where = f"{faulty.name}/{fault}/{repository}-{fault}"
            push(upstream, f"{repository}-{fault}", {"key": "right", "fault": uuid.uuid4().hex})
            found = SharedCache([Place.of(where, tmp_path)])
            assert engine.call(found.pull, client, "tag", ("key", "right")) is None
            lines[fault] = found.summary()
        place = Place.of(f"{faulty.name}/none/{repository}-slow", tmp_path)
        assert engine.call(SharedCache([place]).pull, client, "tag", ("key", "right")) is not None
        for fault in READ_ONLY:
            found = SharedCache([], [Place.of(f"{faulty.name}/{fault}/{repository}", tmp_path)])
            engine.call(publish, found)
            lines[f"publishing: {fault}"] = found.summary()
    assert lines.pop("gone") == []
    assert "not what its digest says" in lines["replaced"][0]
    for fault, said in lines.items():
        assert len(said) == 1, fault
        assert f"{faulty.name}/" in said[0], fault
        assert SECRET not in said[0]
        assert "\n" not in said[0]
