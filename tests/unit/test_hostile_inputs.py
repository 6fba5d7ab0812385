"""Hostile inputs are an error that names the place, or are taken as text: nothing is followed, nothing is waited for."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_dagger_rust import (
    CargoOptions,
    ConfigurationError,
    EngineUnavailable,
    RustWorkspace,
    WorkspaceError,
)
from pytest_dagger_rust.builds import archive, plan
from pytest_dagger_rust.builds.places import Place
from pytest_dagger_rust.builds.source_tree import source_tree
from pytest_dagger_rust.container import agent
from pytest_dagger_rust.engine import cli
from pytest_dagger_rust.plugin import configuration
from pytest_dagger_rust.plugin.ending import rewritten
from pytest_dagger_rust.report.facts import BuildFacts
from pytest_dagger_rust.run.inputs import HostInputs
from pytest_dagger_rust.run.setup import Runtime, Setup, check_paths
from tests.cargo.layouts import LIB, MAIN, package
from tests.cargo.oracle import write_tree
from tests.unit import hostile
from tests.unit.hostile import link, put, refusal, sent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    Tree = Callable[[Mapping[str, str]], Path]

# A hang would be for ever; a loaded machine takes seconds.
pytestmark = pytest.mark.timeout(60)

_EXCLUDES = ("../outside", "/outside", "../", "!../outside/README.md", "link/")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A package beside the repository, with what must not be read."""
    return write_tree(tmp_path / "outside", hostile.OUTSIDE)


@pytest.mark.parametrize("way", hostile.WAYS)
@pytest.mark.parametrize("key", hostile.KEYS)
def test_no_key_leads_out(
    tree: Tree, outside: Path, opened: list[str], tmp_path: Path, key: str, way: str
) -> None:
    """A path in a manifest or in cargo's configuration is refused, or is only a text: nothing there is opened."""
    case = hostile.KEYS[key]
    files = {"Cargo.toml": package("a"), "src/lib.rs": LIB, **case.written(way, outside)}
    root = tree(files)
    (root / "link").symlink_to(outside)
    opened.clear()
    if case.is_text:
        assert set(files) <= set(sent(root, tmp_path))
    else:
        error = refusal(root, tmp_path)
        assert "is outside the boundary" in error.message
        assert error.file is not None
    assert not [path for path in opened if path.startswith(str(outside))]


@pytest.mark.parametrize("odd", hostile.ODD_PATHS)
@pytest.mark.parametrize("key", hostile.KEYS)
def test_no_key_trips_over_a_path(tree: Tree, tmp_path: Path, key: str, odd: str) -> None:
    """One that no file has is refused in one line, or is only a text."""
    case = hostile.KEYS[key].files
    files = {name: text.replace("@", hostile.ODD_PATHS[odd]) for name, text in case.items()}
    root = tree({"Cargo.toml": package("a"), "src/lib.rs": LIB, **files})
    with contextlib.suppress(WorkspaceError):
        sent(root, tmp_path)
        return
    refusal(root, tmp_path)


@pytest.mark.parametrize("place", ["Cargo.toml", ".cargo/config.toml", "Cargo.lock", "rust-toolchain.toml"])
@pytest.mark.parametrize("case", hostile.NESTED)
def test_what_is_nested_without_end(tree: Tree, tmp_path: Path, case: str, place: str) -> None:
    """It is refused in one line that names the file, or read."""
    files = {"Cargo.toml": package("a"), "src/lib.rs": LIB}
    root = tree({**files, place: files.get(place, "") + hostile.NESTED[case]})
    with contextlib.suppress(WorkspaceError):
        sent(root, tmp_path)
        return
    assert refusal(root, tmp_path).file == root / place


def test_folders_without_end(tree: Tree, tmp_path: Path) -> None:
    """A path that is longer than the system can open is refused in one line."""
    root = tree({"Cargo.toml": package("a"), "src/lib.rs": LIB})
    folder = os.open(root, os.O_PATH)
    name = "deep" * 50
    for _ in range(25):
        os.mkdir(name, dir_fd=folder)
        inner = os.open(name, os.O_PATH, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    assert "too long" in refusal(root, tmp_path).message


def test_a_file_of_holes(tree: Tree, tmp_path: Path) -> None:
    """One that says it is a tebibyte, and has nothing on the disk, is refused before it is read."""
    root = tree({"Cargo.toml": package("a"), "src/lib.rs": LIB, "data/disk.img": ""})
    os.truncate(root / "data/disk.img", 1 << 40)
    error = refusal(root, tmp_path)
    assert error.file == root / "data/disk.img"
    assert error.message == "This file is sparse: it has 1,048,576 MiB, and takes 0 MiB of the disk."
    assert "data/disk.img" not in sent(root, tmp_path, ("data/",))


@pytest.mark.parametrize("pattern", _EXCLUDES)
def test_no_exclude_leads_out(
    tree: Tree, outside: Path, opened: list[str], tmp_path: Path, pattern: str
) -> None:
    """A pattern in `source_excludes` takes nothing in from elsewhere; a link that it leaves in is sent as one."""
    root = tree({"Cargo.toml": package("a"), "src/lib.rs": LIB})
    (root / "link").symlink_to(outside)
    opened.clear()
    assert {"Cargo.toml", "link", "src/lib.rs"} >= set(sent(root, tmp_path, (pattern,))) - {"index", "packed"}
    assert not [path for path in opened if path.startswith(str(outside))]


@pytest.mark.parametrize("place", ["src/{}", "{}/file", "src/bin/{}"])
@pytest.mark.parametrize("case", hostile.NAMES)
def test_names_are_only_names(tree: Tree, tmp_path: Path, case: str, place: str) -> None:
    """Of a file, of a folder, of a program's source: sent as they are; one with a line break is refused."""
    name = hostile.NAMES[case]
    path = place.format(name)
    root = tree({"Cargo.toml": package("a"), "src/lib.rs": LIB, path: MAIN})
    if case == "line break":
        assert r"a\n::error::b" in str(refusal(root, tmp_path))
    else:
        assert path in sent(root, tmp_path)
    assert not (root / "x").exists()


@pytest.mark.parametrize("case", hostile.NAMES)
def test_members_in_folders_of_any_name(tree: Tree, tmp_path: Path, case: str) -> None:
    """Found by a pattern; one that no manifest could name is refused."""
    root = tree({"Cargo.toml": '[workspace]\nmembers = ["crates/*"]\n'})
    folder = f"crates/{hostile.NAMES[case]}"
    write_tree(root / folder, {"Cargo.toml": package("m"), "src/lib.rs": LIB})
    if case in {"line break", "not UTF-8"}:
        refusal(root, tmp_path)
    else:
        assert f"{folder}/src/lib.rs" in sent(root, tmp_path)


@pytest.mark.parametrize("name", hostile.PACKAGE_NAMES)
def test_names_of_packages(tree: Tree, tmp_path: Path, name: str) -> None:
    """Whatever is no name is refused with its line."""
    root = tree({"Cargo.toml": package(name), "src/lib.rs": LIB})
    error = refusal(root, tmp_path)
    assert (error.file, error.line) == (root / "Cargo.toml", 2)


@pytest.mark.parametrize("path", hostile.NEEDED)
@pytest.mark.parametrize("kind", hostile.KINDS)
def test_what_is_no_file_is_refused(tree: Tree, tmp_path: Path, kind: str, path: str) -> None:
    """A pipe, a socket or a device in the place of a file that cargo needs is named, and not opened."""
    members = '[workspace]\nmembers = ["m"]\n' if path.startswith("m/") else ""
    root = tree({"Cargo.toml": package("a", members), "src/lib.rs": LIB})
    put(kind, root / path)
    error = refusal(root, tmp_path)
    assert (error.file, error.message) == (root / path, "this is not a regular file, where a file is needed")


@pytest.mark.parametrize("path", hostile.PASSED_OVER)
@pytest.mark.parametrize("kind", hostile.KINDS)
def test_what_is_no_file_is_not_sent(tree: Tree, tmp_path: Path, kind: str, path: str) -> None:
    """A pipe, a socket or a device anywhere else is passed over."""
    root = tree({"Cargo.toml": package("a"), "src/lib.rs": LIB})
    put(kind, root / path)
    assert sent(root, tmp_path) == ["index", "packed", "Cargo.toml", "src/lib.rs"]


@pytest.mark.parametrize("target", hostile.ENDLESS)
@pytest.mark.parametrize("path", hostile.FOLLOWED)
def test_links_that_cargo_would_follow(tree: Tree, tmp_path: Path, path: str, target: str) -> None:
    """To what never ends, to this process' variables, to everything: refused with the path of the link."""
    root = tree({"Cargo.toml": package("a"), "src/main.rs": MAIN, "lib.rs": LIB})
    link(root / path, target)
    error = refusal(root, tmp_path)
    assert "outside the boundary" in error.message
    assert str(root / path) in str(error)


@pytest.mark.parametrize("target", hostile.ENDLESS)
@pytest.mark.parametrize("path", hostile.SENT_AS_LINKS)
def test_other_links_are_sent_as_links(
    tree: Tree, opened: list[str], tmp_path: Path, path: str, target: str
) -> None:
    """Wherever they lead, nothing there is opened."""
    root = tree({"Cargo.toml": package("a"), "src/lib.rs": LIB})
    link(root / path, target)
    opened.clear()
    assert path in sent(root, tmp_path)
    assert not [name for name in opened if not name.startswith(str(tmp_path))]


@pytest.mark.parametrize("kind", [*hostile.KINDS, "link", "folder", "nothing", "longer", "shorter", "other"])
def test_a_file_that_becomes_something_else(tree: Tree, tmp_path: Path, kind: str) -> None:
    """Between the time it was looked at and the time it is packed: it is neither waited for nor followed."""
    root = tree({"Cargo.toml": package("a"), "src/lib.rs": LIB, "same": LIB})
    _, entries = source_tree(RustWorkspace.load(root), ())
    found = list(entries)
    if kind == "link":
        link(root / "src/lib.rs", str(root / "same"))
    elif kind in hostile.KINDS:
        put(kind, root / "src/lib.rs")
    else:
        hostile.replace(root / "src/lib.rs", kind)
    with pytest.raises(archive.ChangedWhilePackingError, match=r"src/lib\.rs"):
        archive.pack(found, tmp_path)


@pytest.mark.parametrize("times", [1, 100])
def test_a_file_that_changes_while_dependencies_are_packed(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """It is read again; one that changes as often as it is read is refused in one line."""
    root = tree({"Cargo.toml": package("a"), "src/lib.rs": LIB})
    genuine, left = archive.disk_entry, iter(range(times))

    def changing(base: Path, path: Path) -> archive.Entry | None:
        entry = genuine(base, path)
        return entry if entry is None or next(left, None) is None else replace(entry, digest="0" * 64)

    def nothing(*_: Any) -> tuple[()]:
        return ()

    monkeypatch.setattr(archive, "disk_entry", changing)
    request = SimpleNamespace(workspace=SimpleNamespace(root=root), excludes=(), folder=tmp_path)
    step: Any = SimpleNamespace(request=request, base=root, root=".")
    skeleton: Any = SimpleNamespace(files={"Cargo.toml": package("a")}, sources=("src/lib.rs",))
    monkeypatch.setattr(plan, "included_entries", nothing)
    if times == 1:
        packed = plan._packed_skeleton(step, skeleton, ())  # pyright: ignore[reportPrivateUsage]
        assert packed.path.is_file()
    else:
        with pytest.raises(WorkspaceError, match=r"src/lib\.rs.*changes while it is read"):
            plan._packed_skeleton(step, skeleton, ())  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_inputs_of_a_program_that_are_no_files(tmp_path: Path, kind: str) -> None:
    """In `files`, alone and within a folder, they are named and not opened."""
    put(kind, tmp_path / "folder/x")
    client = cast("Any", Anything())
    for content in (tmp_path / "folder/x", tmp_path / "folder"):
        with pytest.raises(ConfigurationError, match=r"^files: .*folder/x"):
            HostInputs(client).put(client, "/data", content)


class Anything:
    """Stands for a client and a container: takes every call."""

    def __getattr__(self, _: str) -> Callable[..., Anything]:
        return lambda *_, **__: self


_RESERVED = [*agent.FOLDERS, f"/x/..{agent.FOLDERS[0]}", f"//{agent.FOLDERS[0]}/x", f"/.{agent.FOLDERS[0]}"]


@pytest.mark.parametrize("path", ["../x", "x", "", "~/x", "./x", *_RESERVED])
def test_paths_in_a_container(path: str) -> None:
    """For `files` and `outputs` they are absolute, and lead into no folder of the agent's."""
    with pytest.raises(ConfigurationError, match=r"must be absolute|is reserved for"):
        check_paths("run: outputs", [path])
    setup = Setup(command=("app",), files={path: "x"})
    with pytest.raises(ConfigurationError, match=r"must be absolute|is reserved for"):
        Runtime(cast("Any", Anything()), cast("Any", Anything())).prepared(setup)


@pytest.mark.parametrize("value", ["x" * 5000, "a\0b", "a\n::error::b", "-x", "/dev/zero", "link"])
def test_folders_of_workspaces(tmp_path: Path, value: str) -> None:
    """What is no folder is an error with the setting's source."""
    (tmp_path / "link").symlink_to("link")
    config, settings = SimpleNamespace(rootpath=tmp_path), Settings(workspace=value)
    with pytest.raises(ConfigurationError, match=r"^pytest\.ini is "):
        configuration._check_workspace(cast("Any", config), cast("Any", settings))  # pyright: ignore[reportPrivateUsage]


class Settings(dict[str, Any]):
    """Settings that come from an ini file."""

    sources: Mapping[str, str] = {"workspace": "pytest.ini"}


def test_a_report_into_a_pipe_that_nobody_reads(tmp_path: Path) -> None:
    """It is refused before any test runs."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="No such device"):
        configuration._try_to_write(tmp_path / "pipe")  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("name", ["~nobody-has-this-name/x", "./a\0b"])
def test_places_of_caches_that_cannot_be(tmp_path: Path, name: str) -> None:
    """They are refused with the names of the settings."""
    with pytest.raises(ConfigurationError, match=r"^cache_from and cache_to: "):
        Place.of(name, tmp_path)


@pytest.mark.parametrize("case", ["pipe", "socket", "device", "too long", "circle", "folder"])
def test_what_is_no_file_in_a_folder_of_caches(tmp_path: Path, case: str) -> None:
    """Nothing is taken, and nothing is opened."""
    if case == "too long":
        place = Place.of(f"./{'x' * 300}", tmp_path)
    else:
        place = Place.of("./cache", tmp_path)
        (tmp_path / "cache").mkdir()
        file = tmp_path / "cache/key.tar"
        if case == "circle":
            file.symlink_to(file)
        elif case == "folder":
            file.mkdir()
        else:
            put(case, file)
    assert place.image(cast("Any", Anything()), "key") is None


@pytest.mark.parametrize("name", ["a\n::add-mask::b", "\x1b]0;a\x07", "\udcff", "a\rb"])
def test_what_a_build_script_calls_its_files(name: str) -> None:
    """The line that names them is one line."""
    facts: Any = BuildFacts("cargo build", "key", "/root", 0.0, 1.0, "rebuilt", rewritten=(name,))
    assert rewritten([facts]).isprintable()


@pytest.mark.parametrize("value", ["-Z", "--config=x", "a\nb", "a\0b", ""])
@pytest.mark.parametrize("option", ["packages", "bins", "examples", "features"])
def test_names_on_cargos_command_line(option: str, value: str) -> None:
    """None of them becomes an option of cargo's."""
    wanted: Any = {option: (value,)}
    try:
        options = CargoOptions(**wanted)
    except ConfigurationError:
        return
    flags = [*options.selection_flags(), *options.build_flags()]
    assert value not in flags


@pytest.mark.parametrize("name", ["builder", ""])
def test_a_password_in_the_address_of_an_engine(name: str) -> None:
    """It is not in the error; what else is there is."""
    with pytest.raises(
        EngineUnavailable, match=rf"No Dagger engine answers at tcp://{name}:\*\*\*@127\.0\.0\.1:1: "
    ) as caught:
        cli.check_address(f"tcp://{name}:s3cr3t@127.0.0.1:1")
    assert "s3cr3t" not in str(caught.value)
    assert cli.without_password("unix:///run/a@b:c") == "unix:///run/a@b:c"
