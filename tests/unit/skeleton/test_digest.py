"""The digest of a skeleton changes when a dependency's build could change, and only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.workspace import RustWorkspace
from tests.cargo.layouts import LIB, MAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_REGISTRY = 'source = "registry+https://example.invalid/index"\nchecksum = "00"\n'
LOCK = f"""\
version = 4

[[package]]
name = "app"
version = "1.2.0"
dependencies = ["library", "log", "serde 1.0.1"]

[[package]]
name = "library"
version = "1.2.0"
dependencies = ["serde 0.9.0"]

[[package]]
name = "log"
version = "0.4.20"
{_REGISTRY}
[[package]]
name = "serde"
version = "0.9.0"
{_REGISTRY}
[[package]]
name = "serde"
version = "1.0.1"
{_REGISTRY}"""

FILES: Mapping[str, str] = {
    "Cargo.toml": """\
[workspace]
members = ["app", "library"]
exclude = ["outside"]
resolver = "2"

[workspace.package]
version = "1.2.0"
edition = "2021"

[workspace.dependencies]
library = { path = "library", version = "1.2" }
log = { version = "0.4.1", features = ["std"] }

[workspace.lints.rust]
unsafe_code = "warn"

[profile.release]
opt-level = 3
""",
    "app/Cargo.toml": """\
[package]
name = "app"
version.workspace = true
edition.workspace = true
description = "An application"

[lints]
workspace = true

[[bin]]
name = "app"
path = "src/main.rs"

[dependencies]
library = { workspace = true }
log = { workspace = true, features = ["kv", "std"] }
serde = { version = "1", optional = true }
outside = { path = "../outside" }

[features]
default = []
full = ["dep:serde"]

[package.metadata.docs]
all-features = true
""",
    "app/src/main.rs": MAIN,
    "app/tests/works.rs": "",
    "library/Cargo.toml": """\
[package]
name = "library"
version.workspace = true
edition = "2021"

[dependencies]
serde = "0.9"
""",
    "library/src/lib.rs": LIB,
    "outside/Cargo.toml": '[package]\nname = "outside"\nversion = "0.1.0"\n',
    "outside/src/lib.rs": LIB,
    "outside/src/data.txt": "data",
    "Cargo.lock": LOCK,
    ".cargo/config.toml": '[alias]\nb = "build"\n\n[build]\nrustflags = ["-C", "debuginfo=1"]\n',
    "rust-toolchain.toml": '[toolchain]\nchannel = "1.90"\n',
    "docs/notes.md": "Notes",
}
# A change of one file: what is replaced by what, or the whole new text where nothing is to be replaced.
Change = tuple[str, str, str]

UNCHANGED: Mapping[str, tuple[Change, ...]] = {
    "version of the workspace bumped": (
        ("Cargo.toml", 'version = "1.2.0"', 'version = "1.3.0"'),
        ("Cargo.toml", 'path = "library", version = "1.2"', 'path = "library", version = "1.3"'),
        ("Cargo.lock", 'version = "1.2.0"', 'version = "1.3.0"'),
    ),
    "version of a member bumped": (
        ("library/Cargo.toml", "version.workspace = true", 'version = "1.2.7"'),
        ("Cargo.lock", 'name = "library"\nversion = "1.2.0"', 'name = "library"\nversion = "1.2.7"'),
    ),
    "version bumped, the lock not yet": (("Cargo.toml", 'version = "1.2.0"', 'version = "1.2.9"'),),
    "requirement on a member": (("Cargo.toml", 'version = "1.2" }', 'version = "1" }'),),
    "comments and blank lines": (("app/Cargo.toml", "[features]", "# Why not?\n\n\n[features]  # these"),),
    "order of keys": (
        ("app/Cargo.toml", 'default = []\nfull = ["dep:serde"]', 'full = ["dep:serde"]\ndefault = []'),
    ),
    "order and repetition of features": (("app/Cargo.toml", '["kv", "std"]', '["std", "kv", "std"]'),),
    "another way to write a dependency": (("library/Cargo.toml", 'serde = "0.9"', 'serde = { version = "0.9" }'),),
    "default spelled out": (
        ("library/Cargo.toml", 'serde = "0.9"', 'serde = { version = "0.9", default-features = true }'),
    ),
    "inheritance written out": (
        ("app/Cargo.toml", "library = { workspace = true }", 'library = { path = "../library" }'),
    ),
    "an unused dependency of the workspace": (("Cargo.toml", "[workspace.lints", 'rand = "0.8"\n\n[workspace.lints'),),
    "description": (("app/Cargo.toml", "An application", "The application"),),
    "keywords and authors": (("app/Cargo.toml", "[lints]", 'keywords = ["a"]\nauthors = ["b"]\n\n[lints]'),),
    "package.metadata": (("app/Cargo.toml", "all-features = true", "all-features = false"),),
    "workspace.metadata": (("Cargo.toml", "[profile", "[workspace.metadata]\na = 1\n\n[profile"),),
    "lints": (("Cargo.toml", '"warn"', '"forbid"'), ("app/Cargo.toml", "[lints]\nworkspace = true\n", "")),
    "edition of a member": (("library/Cargo.toml", "2021", "2018"),),
    "rust-version of a member": (("library/Cargo.toml", "edition =", 'rust-version = "1.70"\nedition ='),),
    "publish and license": (("library/Cargo.toml", "edition =", 'publish = false\nlicense = "MIT"\nedition ='),),
    "a source edited": (("app/src/main.rs", "fn main() {}", "fn main() { loop {} }"),),
    "a source added": (("library/src/more.rs", "", LIB),),
    "a library added to a binary": (("app/src/lib.rs", "", LIB),),
    "a binary added": (("app/src/bin/more.rs", "", MAIN),),
    "a binary renamed": (("app/Cargo.toml", '[[bin]]\nname = "app"', '[[bin]]\nname = "renamed"'),),
    "a binary moved": (
        ("app/Cargo.toml", 'path = "src/main.rs"', 'path = "main.rs"'), ("app/main.rs", "", MAIN),
    ),
    "a test, an example and a benchmark added": (
        ("app/tests/more.rs", "", ""), ("app/examples/shown.rs", "", MAIN), ("app/benches/fast.rs", "", ""),
    ),
    "a test no longer with the harness": (
        ("app/Cargo.toml", "[dependencies]", '[[test]]\nname = "works"\nharness = false\n\n[dependencies]'),
    ),
    "a build script that needs nothing": (("app/build.rs", "", MAIN),),
    "name of a library": (("library/Cargo.toml", "[dependencies]", '[lib]\nname = "lib2"\n\n[dependencies]'),),
    "kind of a library, without link-time optimisation": (
        ("library/Cargo.toml", "[dependencies]", '[lib]\ncrate-type = ["cdylib", "rlib"]\n\n[dependencies]'),
    ),
    "no_std": (("library/src/lib.rs", "pub fn", "#![no_std]\npub fn"),),
    "profile of a member": (("Cargo.toml", "opt-level = 3", "opt-level = 3\npackage.library.opt-level = 1"),),
    "default members": (("Cargo.toml", "exclude =", 'default-members = ["app"]\nexclude ='),),
    "members by pattern": (("Cargo.toml", '["app", "library"]', '["a*", "lib*"]'),),
    "aliases of cargo": ((".cargo/config.toml", 'b = "build"', 'b = "build --release"'),),
    "comments in the configuration": ((".cargo/config.toml", "[build]", "# How to build\n[build]"),),
    "comments in the toolchain file": (("rust-toolchain.toml", "[toolchain]", "# Ours\n[toolchain]"),),
    "files that no package owns": (("docs/notes.md", "Notes", "Other notes"), ("docs/Cargo.toml", "", "no [TOML")),
    "a README": (("app/README.md", "", "Read me"),),
    "a comment in the manifest of a package that is no member": (("outside/Cargo.toml", "[package]", "# Hi\n[package]"),),
    "tests of a package that is no member are not its own": (("outside/target/CACHEDIR.TAG", "", "tag"),),
}  # fmt: skip

CHANGED: Mapping[str, tuple[Change, ...]] = {
    "version of a dependency": (("Cargo.lock", 'version = "0.4.20"', 'version = "0.4.21"'),),
    "requirement on a dependency": (("library/Cargo.toml", '"0.9"', '"0.9.1"'),),
    "checksum of a dependency": (("Cargo.lock", 'checksum = "00"', 'checksum = "01"'),),
    "source of a dependency": (
        ("library/Cargo.toml", '"0.9"', '{ git = "https://example.invalid/serde" }'),
    ),
    "registry of a dependency": (("library/Cargo.toml", '"0.9"', '{ version = "0.9", registry = "ours" }'),),
    "a dependency added": (("library/Cargo.toml", "[dependencies]", '[dependencies]\nlog = "0.4"'),),
    "a dependency removed": (("library/Cargo.toml", 'serde = "0.9"', ""),),
    "a development dependency added": (("library/Cargo.toml", "[dependencies]", '[dev-dependencies]\nlog = "0.4"\n\n[dependencies]'),),
    "features of a dependency": (("Cargo.toml", 'features = ["std"]', 'features = ["std", "max_level_off"]'),),
    "default features of a dependency": (
        ("library/Cargo.toml", '"0.9"', '{ version = "0.9", default-features = false }'),
    ),
    "a dependency made optional": (("library/Cargo.toml", '"0.9"', '{ version = "0.9", optional = true }'),),
    "a dependency bound to a platform": (
        ("library/Cargo.toml", "[dependencies]", "[target.'cfg(windows)'.dependencies]"),
    ),
    "what a feature enables": (("app/Cargo.toml", "default = []", 'default = ["full"]'),),
    "a dependency on a member": (("app/Cargo.toml", "library = { workspace = true }", ""),),
    "profile": (("Cargo.toml", "opt-level = 3", "opt-level = 2"),),
    "profile of a dependency": (("Cargo.toml", "opt-level = 3", "opt-level = 3\npackage.serde.opt-level = 1"),),
    "profile of build scripts": (("Cargo.toml", "opt-level = 3", "opt-level = 3\nbuild-override.opt-level = 1"),),
    "a profile added": (("Cargo.toml", "[profile.release]", '[profile.ci]\ninherits = "dev"\n\n[profile.release]'),),
    "resolver": (("Cargo.toml", 'resolver = "2"', 'resolver = "1"'),),
    "toolchain": (("rust-toolchain.toml", "1.90", "1.91"),),
    "target in the configuration": (
        (".cargo/config.toml", "[build]", '[build]\ntarget = "x86_64-unknown-linux-musl"'),
    ),
    "flags in the configuration": ((".cargo/config.toml", "debuginfo=1", "debuginfo=2"),),
    "environment in the configuration": ((".cargo/config.toml", "[build]", '[env]\nA = "1"\n\n[build]'),),
    "[patch]": (
        ("Cargo.toml", "[profile", '[patch.crates-io]\nlog = { git = "https://example.invalid/log" }\n\n[profile'),
    ),
    "a member made a procedural macro": (
        ("library/Cargo.toml", "[dependencies]", "[lib]\nproc-macro = true\n\n[dependencies]"),
    ),
    "a build script with a dependency": (
        ("library/build.rs", "", MAIN),
        ("library/Cargo.toml", "[dependencies]", '[build-dependencies]\nlog = "0.4"\n\n[dependencies]'),
    ),
    "a member added": (
        ("Cargo.toml", '["app",', '["more", "app",'),
        ("more/Cargo.toml", "", '[package]\nname = "more"\nversion = "0.1.0"\n'),
        ("more/src/lib.rs", "", LIB),
    ),
    "a source of a package that is no member": (("outside/src/lib.rs", "{}", "{ loop {} }"),),
    "a data file of a package that is no member": (("outside/src/data.txt", "data", "other"),),
    "the version of a package that is no member": (("outside/Cargo.toml", "0.1.0", "0.1.1"),),
    "lints of a package that is no member": (("outside/Cargo.toml", "0.1.0\"", '0.1.0"\n[lints.rust]\nunused = "deny"'),),
    "link-time optimisation of a library of several kinds": (
        ("Cargo.toml", "opt-level = 3", "opt-level = 3\nlto = true"),
        ("library/Cargo.toml", "[dependencies]", '[lib]\ncrate-type = ["cdylib", "rlib"]\n\n[dependencies]'),
    ),
}  # fmt: skip


def _apply(root: Path, changes: tuple[Change, ...]) -> None:
    for name, old, new in changes:
        path = root / name
        if not old:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(new)
        else:
            assert old in path.read_text(), f"{name} has no {old!r}"
            path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def root(tree: Callable[[Mapping[str, str]], Path]) -> Path:
    """The workspace that is changed."""
    return tree(FILES)


@pytest.mark.parametrize("change", UNCHANGED)
def test_stays(root: Path, change: str) -> None:
    """What no dependency's build depends on leaves the digest, and every file of the skeleton, as it was."""
    before = RustWorkspace.load(root).skeleton()
    _apply(root, UNCHANGED[change])
    after = RustWorkspace.load(root).skeleton()
    assert dict(after.files) == dict(before.files)
    assert after.digest == before.digest


@pytest.mark.parametrize("change", CHANGED)
def test_changes(root: Path, change: str) -> None:
    """What a dependency's build could depend on changes the digest."""
    before = RustWorkspace.load(root).skeleton()
    _apply(root, CHANGED[change])
    assert RustWorkspace.load(root).skeleton().digest != before.digest


@pytest.mark.parametrize(("old", "new", "is_same"), [("2018", "2021", False), ("2015", "2018", True)])
def test_the_edition_of_a_root_that_chooses_the_resolver(
    tree: Callable[[Mapping[str, str]], Path], old: str, new: str, is_same: bool
) -> None:
    """Where no resolver is named, the edition of the root package chooses it, and counts as far as that goes."""
    files = {"src/lib.rs": LIB, "Cargo.toml": f'[package]\nname = "a"\nedition = "{old}"\n'}
    root = tree(files)
    before = RustWorkspace.load(root).skeleton().digest
    _apply(root, (("Cargo.toml", old, new),))
    assert (RustWorkspace.load(root).skeleton().digest == before) is is_same


def test_it_does_not_depend_on_the_place(tree: Callable[[Mapping[str, str]], Path], tmp_path: Path) -> None:
    """The same tree at another place has the same skeleton."""
    root = tree(FILES)
    before = RustWorkspace.load(root).skeleton()
    moved = root.rename(tmp_path / "moved")
    assert RustWorkspace.load(moved).skeleton() == before


def test_it_depends_on_a_generated_lock(tree: Callable[[Mapping[str, str]], Path]) -> None:
    """A workspace without Cargo.lock takes one that is handed to its skeleton, and that counts."""
    root = tree({name: text for name, text in FILES.items() if name != "Cargo.lock"})
    workspace = RustWorkspace.load(root)
    assert workspace.lock is None
    assert "Cargo.lock" not in workspace.skeleton().files
    first, second = workspace.skeleton(LOCK), workspace.skeleton(LOCK.replace("0.4.20", "0.4.21"))
    assert "0.0.0-skeleton" in first.files["Cargo.lock"]
    assert len({workspace.skeleton().digest, first.digest, second.digest}) == 3


def test_toolchain_and_lock_are_told(root: Path) -> None:
    """The model has the channel of the toolchain file and the text of the lock file."""
    workspace = RustWorkspace.load(root)
    assert workspace.toolchain == "1.90"
    assert workspace.lock == LOCK


def test_files_of_a_package_that_is_no_member_are_sources(root: Path) -> None:
    """Such a package is copied as it is, but for its manifest, and no other file of the tree is."""
    assert RustWorkspace.load(root).skeleton().sources == ("outside/src/data.txt", "outside/src/lib.rs")
