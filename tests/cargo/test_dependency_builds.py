"""What cargo itself compiles: dependencies from the skeleton and never again, own packages from the sources.

Each case is a scenario, a modification of it, and the expectation of what is compiled then, by cargo's own report.
The skeleton and the sources lie at different places and share one target directory.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.skeleton.skeleton import STUB_MARKER, STUB_VERSION
from pytest_dagger_rust.workspace import RustWorkspace
from tests.cargo import oracle
from tests.cargo.builds import EVERYTHING, Wanted
from tests.cargo.layouts import LIB, MACRO, MAIN, package

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pytest_dagger_rust.skeleton.skeleton import Skeleton

pytestmark = [
    pytest.mark.skipif(shutil.which("cargo") is None, reason="compares with cargo"),
    pytest.mark.usefixtures("shelf_only"),
]

FILES: Mapping[str, str] = {
    "Cargo.toml": '[workspace]\nmembers = ["app", "library", "macros", "tools"]\ndefault-members = ["app", "tools"]\n'
    'resolver = "2"\n\n[workspace.package]\nversion = "1.0.0"\n',
    "app/Cargo.toml": '[package]\nname = "app"\nversion.workspace = true\nedition = "2021"\n\n[dependencies]\n'
    'library = { path = "../library" }\nmacros = { path = "../macros" }\n'
    'beta = { version = "1", default-features = false }\n\n[dev-dependencies]\nscripted = "1"\n',
    "app/src/main.rs": 'fn main() { println!("{} {}", env!("CARGO_PKG_VERSION"), library::it() + beta::beta()) }\n',
    "app/examples/shown.rs": "fn main() { scripted::TOLD; }\n",
    "library/Cargo.toml": '[package]\nname = "library"\nversion.workspace = true\nedition = "2021"\n\n'
    '[dependencies]\nalpha = "=1.0.0"\ngamma = { version = "0.3", optional = true }\n\n[features]\nmore = ["gamma"]\n',
    "library/src/lib.rs": "pub fn it() -> u32 { alpha::alpha() }\n",
    "macros/Cargo.toml": package("macros", '\n[lib]\nproc-macro = true\n\n[dependencies]\nalpha = "2"\n'),
    "macros/src/lib.rs": MACRO,
    "tools/Cargo.toml": package(
        "tools",
        '\n[dependencies]\nbeta = { version = "1", features = ["slow"] }\nderive = "1"\n'
        '\n[build-dependencies]\ngamma = "0.3"\n',
    ),
    "tools/src/bin/first.rs": "fn main() { beta::beta(); }\n",
    "tools/src/bin/second.rs": MAIN,
    "tools/build.rs": "fn main() { gamma::gamma(); }\n",
}
MEMBERS = frozenset({"app", "library", "macros", "tools"})
OWN = MEMBERS | {"linked"}


class Stage:
    """A workspace, the skeletons laid out for it, and the target directory all builds share."""

    def __init__(self, root: Path, place: Path) -> None:
        self.root = root
        self._place = place
        self._target = place / "target"
        self._skeletons: set[str] = set()
        oracle.cargo("generate-lockfile", "--offline", cwd=root)

    def skeleton(self) -> Skeleton:
        """Make the skeleton of the workspace as it is now."""
        return RustWorkspace.load(self.root).skeleton()

    def dependencies(self, wanted: Wanted = EVERYTHING, flags: tuple[str, ...] = ()) -> frozenset[str]:
        """Build the skeleton as the pipeline does, once per digest; return the other packages compiled."""
        workspace = RustWorkspace.load(self.root)
        skeleton = workspace.skeleton()
        if skeleton.digest in self._skeletons:
            return frozenset()
        self._skeletons.add(skeleton.digest)
        place = oracle.lay(skeleton, workspace, self._place / "skeletons" / skeleton.digest)
        done = oracle.build(place, self._target, (*skeleton.selection(wanted), *flags))
        assert all(STUB_VERSION in item for item in done.compiled if item.split()[0] in OWN)
        return _others(done.compiled)

    def sources(self, wanted: Wanted = EVERYTHING, flags: tuple[str, ...] = ()) -> oracle.Compiled:
        """Build the real workspace."""
        return oracle.build(self.root, self._target, (*wanted.flags(), *flags))

    def program(self, name: str, profile: str = "debug") -> bytes:
        """Read a program that was built."""
        return (self._target / profile / name).read_bytes()

    def write(self, name: str, old: str, new: str) -> None:
        """Replace a part of a file, or write a new one."""
        path = self.root / name
        assert not old or old in path.read_text()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.read_text().replace(old, new) if old else new)

    def lock(self) -> None:
        """Let cargo bring the lock file in order."""
        oracle.cargo("update", "--offline", "--workspace", cwd=self.root)


def _others(items: frozenset[str]) -> frozenset[str]:
    return frozenset(item for item in items if item.split()[0] not in OWN)


@pytest.fixture
def stage(tree: Callable[[Mapping[str, str]], Path], tmp_path: Path) -> Stage:
    """The scenario that everything is tried on."""
    return Stage(tree(FILES), tmp_path / "stage")


def test_dependencies_are_compiled_once(stage: Stage) -> None:
    """The real build compiles own packages only, and the program knows its real version."""
    compiled = stage.dependencies()
    assert compiled == {
        "alpha 1.0.0", "alpha 2.0.0", "beta 1.0.0", "derive 1.0.0", "gamma 0.3.0",
    }  # fmt: skip
    second = stage.sources()
    assert not _others(second.compiled)
    assert _others(second.fresh) == compiled
    assert {item.split()[0] for item in second.compiled} == MEMBERS
    assert STUB_MARKER.encode() not in stage.program("app")


# A change, then which other packages are compiled again from the skeleton, and which own ones from the sources.
Modification = tuple[tuple[tuple[str, str, str], ...], frozenset[str], frozenset[str]]
_NONE = frozenset[str]()
MODIFICATIONS: Mapping[str, Modification] = {
    "nothing": ((), _NONE, _NONE),
    "a source": ((("library/src/lib.rs", "alpha()", "alpha() + 1"),), _NONE, frozenset({"library", "app"})),
    "a version": (
        (("Cargo.toml", '"1.0.0"', '"1.1.0"'),), _NONE, frozenset({"library", "app"}),
    ),
    "a description and lints": (
        (("tools/Cargo.toml", 'edition = "2021"', 'edition = "2021"\ndescription = "d"\n[lints.rust]\nunused = "deny"'),),
        _NONE,
        frozenset({"tools"}),
    ),
    "a binary renamed": (
        (("tools/Cargo.toml", "[dependencies]", '[[bin]]\nname = "third"\npath = "src/bin/second.rs"\n\n[dependencies]'),),
        _NONE,
        frozenset({"tools"}),
    ),
    "a library beside a binary": ((("tools/src/lib.rs", "", LIB),), _NONE, frozenset({"tools"})),
    "a version of one dependency": (
        (("library/Cargo.toml", '"=1.0.0"', '"=1.1.0"'),),
        frozenset({"alpha 1.1.0", "beta 1.0.0"}),
        frozenset({"library", "app", "tools"}),
    ),
    "a feature of one dependency": (
        (("app/Cargo.toml", "default-features = false", 'features = ["fast"]'),),
        _NONE,  # tools has it with default features already, and there is only one of it
        _NONE,
    ),
    "an optional dependency switched on": (
        (("app/Cargo.toml", 'path = "../library" }', 'path = "../library", features = ["more"] }'),),
        frozenset({"gamma 0.3.0"}),  # so far for a build script only, and now shared with it
        frozenset({"library", "app", "tools"}),
    ),
    "a dependency removed": (
        (("tools/Cargo.toml", 'derive = "1"\n', ""),), _NONE, frozenset({"tools"}),
    ),
    "a profile setting": (
        (("Cargo.toml", "[workspace]", "[profile.dev]\noverflow-checks = false\n\n[workspace]"),),
        frozenset({"alpha 1.0.0", "alpha 2.0.0", "beta 1.0.0", "derive 1.0.0", "gamma 0.3.0"}),
        MEMBERS,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODIFICATIONS)
def test_a_modification(stage: Stage, name: str) -> None:
    """Of the dependencies, only what really changed and what depends on it is compiled again."""
    changes, others, own = MODIFICATIONS[name]
    stage.dependencies()
    stage.sources()
    for change in changes:
        stage.write(*change)
    stage.lock()
    again = stage.dependencies()
    compiled = stage.sources().compiled
    if name == "a profile setting":
        # Build scripts and procedural macros have a profile of their own, which was not set.
        assert again <= others
        assert "beta 1.0.0" in again
    else:
        assert again == others
        assert {item.split()[0] for item in compiled} == own
    assert not _others(compiled)


SELECTIONS: Mapping[str, tuple[Wanted, tuple[str, ...]]] = {
    "default members": (Wanted(), ()),
    "one package": (Wanted(packages=("library",)), ()),
    "one package by pattern": (Wanted(packages=("lib*",)), ()),
    "one package by its version": (Wanted(packages=("library@1.0.0",)), ()),
    "two packages": (Wanted(packages=("app", "tools")), ()),
    "one binary of the default members": (Wanted(bins=("app",)), ()),
    "one of two binaries": (Wanted(packages=("tools",), bins=("second",)), ()),
    "binaries by pattern": (Wanted(bins=("*",)), ()),
    "an example": (Wanted(examples=("shown",)), ()),
    "an example and a binary": (Wanted(bins=("first",), examples=("shown",)), ()),
    "a feature of another package": (Wanted(packages=("app",)), ("--features", "library/more")),
    "all features": (Wanted(packages=("library",)), ("--all-features",)),
    "no default features": (Wanted(packages=("tools",)), ("--no-default-features",)),
    "release": (Wanted(), ("--release",)),
    "a target named": (Wanted(), ("--target", "x86_64-unknown-linux-gnu")),
}


@pytest.mark.parametrize("name", SELECTIONS)
def test_a_selection(stage: Stage, name: str) -> None:
    """Whatever is selected, exactly what it needs is compiled from the skeleton, with the same features."""
    wanted, flags = SELECTIONS[name]
    if "--target" in flags and "x86_64" not in oracle.host():
        pytest.skip("this target is for another machine")
    compiled = stage.dependencies(wanted, flags)
    second = stage.sources(wanted, flags)
    assert not _others(second.compiled)
    assert _others(second.fresh) == compiled


LINKED = [
    (lto, crate_types, with_bin)
    for lto in ("true", '"thin"', '"off"', "false")
    for crate_types in ('["lib"]', '["cdylib"]', '["staticlib", "lib"]', '["cdylib", "rlib"]', '["dylib"]')
    for with_bin in (True, False)
]


@pytest.mark.parametrize(("lto", "crate_types", "with_bin"), LINKED)
def test_link_time_optimisation(
    tree: Callable[[Mapping[str, str]], Path], tmp_path: Path, lto: str, crate_types: str, with_bin: bool
) -> None:
    """What dependencies are linked into decides how they are compiled; the skeleton's builds decide alike."""
    rest = f'\n[lib]\ncrate-type = {crate_types}\n\n[dependencies]\ngamma = "0.3"\n\n[profile.release]\nlto = {lto}\n'
    files = {"Cargo.toml": package("linked", rest), "src/lib.rs": "pub fn it() -> u32 { gamma::gamma() }\n"}
    if with_bin:
        files["src/main.rs"] = "fn main() { gamma::gamma(); }\n"
    root = tree(files)
    oracle.cargo("generate-lockfile", "--offline", cwd=root)
    workspace = RustWorkspace.load(root)
    skeleton = workspace.skeleton()
    place = oracle.lay(skeleton, workspace, tmp_path / "skeleton")
    # How dependencies are to be compiled is in the names of their files also when they are only checked.
    first = oracle.build(
        place, tmp_path / "target", ("--release", *skeleton.selection(Wanted())), command="check"
    )
    second = oracle.build(root, tmp_path / "target", ("--release",), command="check")
    assert "gamma 0.3.0" in first.compiled
    assert second.compiled == {"linked 0.1.0"}
    assert second.fresh == {"gamma 0.3.0"}


def test_a_stub_is_never_taken_for_the_real_package(stage: Stage) -> None:
    """Even with the same sources and times, cargo keeps the two apart, because the version is part of its names."""
    stage.write("library/src/lib.rs", "alpha::alpha()", "7")
    workspace = RustWorkspace.load(stage.root)
    place = oracle.lay(workspace.skeleton(), workspace, stage.root.parent / "same")
    target = stage.root.parent / "shared"
    oracle.build(place, target, ("--package", "library", "--lib"))
    names = {path.stem.rpartition("-")[2] for path in (target / "debug" / "deps").glob("*library*.rlib")}
    oracle.build(stage.root, target, ("--package", "library"))
    after = {path.stem.rpartition("-")[2] for path in (target / "debug" / "deps").glob("*library*.rlib")}
    assert len(after - names) == 1


def test_only_the_version_keeps_them_apart(tree: Callable[[Mapping[str, str]], Path], tmp_path: Path) -> None:
    """Two packages alike in all but the version get different file names from cargo, at any place."""
    for version, place in (("1.0.0", "a"), (STUB_VERSION, "b"), ("1.0.0", "c")):
        files = {"Cargo.toml": package("same", version=version), "src/lib.rs": LIB}
        oracle.build(oracle.write_tree(tmp_path / place, files), tmp_path / "target" / place, locked=False)
    found = {
        place: {path.name for path in (tmp_path / "target" / place / "debug" / "deps").glob("*.rlib")}
        for place in "abc"
    }
    assert found["a"] == found["c"] != found["b"]
