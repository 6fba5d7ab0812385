"""What is wrong with a workspace is said clearly: which file, which line, and what to do."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.errors import WorkspaceError
from pytest_dagger_rust.workspace import RustWorkspace
from tests.cargo import oracle
from tests.cargo.layouts import LIB, MAIN, package

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_HEAD = '[package]\nname = "a"\nversion = "0.1.0"\nedition = "2021"\n'


def _one(rest: str, **files: str) -> Mapping[str, str]:
    return {"Cargo.toml": _HEAD + rest, "src/lib.rs": LIB, **files}


def _two(root: str, a: str = package("a"), b: str = package("b")) -> Mapping[str, str]:
    return {
        "Cargo.toml": root,
        "a/Cargo.toml": a,
        "a/src/lib.rs": LIB,
        "b/Cargo.toml": b,
        "b/src/lib.rs": LIB,
    }


_ROOT = '[workspace]\nmembers = ["a", "b"]\nresolver = "2"\n'

# The files, the file that the error names, its line, and words of its message.
Case = tuple["Mapping[str, str]", str, "int | None", str]
REJECTED: Mapping[str, Case] = {
    "not TOML": (_one("\n[dependencies\n"), "Cargo.toml", 6, "not valid TOML"),
    "a key twice": (_one('version = "2.0.0"\n'), "Cargo.toml", 5, "not valid TOML"),
    "a table twice": (_one("[features]\n[features]\n"), "Cargo.toml", 6, "not valid TOML"),
    "empty": ({"Cargo.toml": ""}, "Cargo.toml", None, "neither a [package] nor a [workspace]"),
    "dependencies only": ({"Cargo.toml": '[dependencies]\na = "1"\n'}, "Cargo.toml", None, "neither"),
    "no name": ({"Cargo.toml": '[package]\nversion = "1.0.0"\n', "src/lib.rs": LIB}, "Cargo.toml", 1, "no name"),
    "empty name": ({"Cargo.toml": '[package]\nname = ""\n', "src/lib.rs": LIB}, "Cargo.toml", 2, "cannot be the name"),
    "name with a space": (
        {"Cargo.toml": '[package]\nname = "a b"\n', "src/lib.rs": LIB}, "Cargo.toml", 2, "`a b` cannot be the name",
    ),
    "name with a digit first": (
        {"Cargo.toml": '[package]\nname = "1a"\n', "src/lib.rs": LIB}, "Cargo.toml", 2, "cannot be the name",
    ),
    "name is a number": ({"Cargo.toml": "[package]\nname = 1\n", "src/lib.rs": LIB}, "Cargo.toml", 2, "a string"),
    "package is a string": ({"Cargo.toml": 'package = "a"\n', "src/lib.rs": LIB}, "Cargo.toml", 1, "a table"),
    "version of two numbers": (
        {"Cargo.toml": '[package]\nname = "a"\nversion = "1.0"\n', "src/lib.rs": LIB}, "Cargo.toml", 3, "not a version",
    ),
    "unknown edition": (
        {"Cargo.toml": '[package]\nname = "a"\nedition = "2020"\n', "src/lib.rs": LIB}, "Cargo.toml", 3, "no edition",
    ),
    "edition is a number": (
        {"Cargo.toml": '[package]\nname = "a"\nedition = 2021\n', "src/lib.rs": LIB}, "Cargo.toml", 3, "a string",
    ),
    "Rust too old for the edition": (_one('rust-version = "1.50"\n'), "Cargo.toml", 5, "does not know the edition"),
    "Rust of another age": (_one('rust-version = "3"\n'), "Cargo.toml", 5, "does not know the edition"),
    "rust-version is none": (_one('rust-version = "new"\n'), "Cargo.toml", 5, "not a version of Rust"),
    "unknown resolver": (_one('resolver = "9"\n'), "Cargo.toml", 5, "no resolver `9`"),
    "resolver twice": (_one('resolver = "2"\n\n[workspace]\nresolver = "2"\n'), "Cargo.toml", 8, "both"),
    "no targets": ({"Cargo.toml": _HEAD}, "Cargo.toml", 1, "no targets"),
    "a build script only": ({"Cargo.toml": _HEAD, "build.rs": MAIN}, "Cargo.toml", 1, "no targets"),
    "library not there": ({"Cargo.toml": f"{_HEAD}[lib]\n", "src/main.rs": MAIN}, "Cargo.toml", 5, "the library `a`"),
    "library with a hyphen": (_one('[lib]\nname = "a-b"\n'), "Cargo.toml", 6, "hyphens"),
    "library both dylib and cdylib": (
        _one('[lib]\ncrate-type = ["dylib", "cdylib"]\n'), "Cargo.toml", 6, "both dylib and cdylib",
    ),
    "macro and library": (_one('[lib]\ncrate-type = ["proc-macro", "lib"]\n'), "Cargo.toml", 6, "procedural macro"),
    "binary not there": (_one('[[bin]]\nname = "tool"\n'), "Cargo.toml", 5, "src/bin/tool.rs"),
    "binary without a name": (_one('[[bin]]\npath = "src/lib.rs"\n'), "Cargo.toml", 5, "no name"),
    "binary in two places": (
        _one('[[bin]]\nname = "t"\n', **{"src/bin/t.rs": MAIN, "src/bin/t/main.rs": MAIN}), "Cargo.toml", 5, " and ",
    ),
    "binary found in two places": (
        _one("", **{"src/bin/t.rs": MAIN, "src/bin/t/main.rs": MAIN}), "Cargo.toml", None, "two binary targets",
    ),
    "binary with a name of cargo's": (_one("", **{"src/bin/deps.rs": MAIN}), "Cargo.toml", None, "`deps`"),
    "bin is a table": (_one('[bin]\nname = "t"\n'), "Cargo.toml", 5, "an array of tables"),
    "required features are no array": (_one('[[bin]]\nname = "t"\nrequired-features = "x"\n'), "Cargo.toml", 7, "array"),
    "unknown default binary": (_one('default-run = "x"\n'), "Cargo.toml", 5, "no binary `x`"),
    "links without a build script": (_one('links = "z"\n'), "Cargo.toml", 5, "needs a build script"),
    "dependency is a number": (_one("[dependencies]\nb = 1\n"), "Cargo.toml", 6, "version requirement or a table"),
    "dependency without a source": (_one("[dependencies]\nb = {}\n"), "Cargo.toml", 6, "no version, path or git"),
    "requirement is none": (_one('[dependencies]\nb = "one"\n'), "Cargo.toml", 6, "not a version requirement"),
    "git and path": (_one('[dependencies]\nb = { git = "https://x.invalid", path = "b" }\n'), "Cargo.toml", 6, "both"),
    "branch and tag": (
        _one('[dependencies]\nb = { git = "https://x.invalid", branch = "x", tag = "y" }\n'), "Cargo.toml", 6, "and",
    ),
    "branch without git": (_one('[dependencies]\nb = { version = "1", branch = "x" }\n'), "Cargo.toml", 6, "without `git`"),
    "path that leads nowhere": (
        _one('[workspace]\n[dependencies]\nb = { path = "b" }\n'), "Cargo.toml", 7, "no package at",
    ),
    "feature of a dependency with a slash": (
        _one('[dependencies]\nb = { version = "1", features = ["c/d"] }\n'), "Cargo.toml", 6, "`c/d`",
    ),
    "optional development dependency": (
        _one('[dev-dependencies]\nb = { version = "1", optional = true }\n'), "Cargo.toml", 6, "cannot be optional",
    ),
    "platform that is none": (_one("[target.'cfg(all('.dependencies]\nb = \"1\"\n"), "Cargo.toml", 5, "neither a target"),
    "dependency from two places": (
        _one('[dependencies]\nb = "1"\n[target.\'cfg(unix)\'.dependencies]\nb = { git = "https://x.invalid" }\n'),
        "Cargo.toml", 8, "different places",
    ),
    "feature of nothing": (_one('[features]\nx = ["y"]\n'), "Cargo.toml", 6, "neither a dependency nor"),
    "feature of no dependency": (_one('[features]\nx = ["y/z"]\n'), "Cargo.toml", 6, "`y` is not a dependency"),
    "dep: of a dependency that is not optional": (
        _one('[dependencies]\nb = "1"\n[features]\nx = ["dep:b"]\n'), "Cargo.toml", 8, "not an optional one",
    ),
    "weak feature of a dependency that is not optional": (
        _one('[dependencies]\nb = "1"\n[features]\nx = ["b?/c"]\n'), "Cargo.toml", 8, "is not optional",
    ),
    "name of a feature": (_one('[features]\n"a b" = []\n'), "Cargo.toml", 6, "name of a feature"),
    "inherited without a workspace": (_one("[dependencies]\nb = { workspace = true }\n"), "Cargo.toml", 6, "no workspace"),
    "inherited, but not defined": (
        _two(_ROOT, a='[package]\nname = "a"\nversion.workspace = true\n'), "a/Cargo.toml", 3, "not defined",
    ),
    "inherited dependency, but not defined": (
        _two(_ROOT, a=package("a", "[dependencies]\nz.workspace = true\n")), "a/Cargo.toml", 6, "workspace.dependencies.z",
    ),
    "inherited lints, but not defined": (
        _two(_ROOT, a=package("a", "[lints]\nworkspace = true\n")), "a/Cargo.toml", 5, "workspace.lints",
    ),
    "workspace = false": (
        _two(_ROOT, a=package("a", "[dependencies]\nz = { workspace = false }\n")), "a/Cargo.toml", 6, "cannot be false",
    ),
    "optional for all": (
        _two(f'{_ROOT}[workspace.dependencies]\nz = {{ version = "1", optional = true }}\n'), "Cargo.toml", 5, "optional",
    ),
    "member that is not there": (_two(_ROOT.replace('"b"', '"c"')), "Cargo.toml", 2, "no package at"),
    "pattern that is none": (_two(_ROOT.replace('"b"', '"b***"')), "Cargo.toml", 2, "not a valid pattern"),
    "pattern with a folder that is no package": (
        {**_two(_ROOT.replace('"a", "b"', '"*"')), "c/notes.md": ""}, "Cargo.toml", 2, "no package at",
    ),
    "pattern that matches nothing": (_two(_ROOT.replace('"b"', '"crates/*"')), "Cargo.toml", 2, "no package at"),
    "member that is not TOML": (_two(_ROOT, b='[package]\nname = "b\n'), "b/Cargo.toml", 2, "not valid TOML"),
    "two members of one name": (_two(_ROOT, b=package("a")), "b/Cargo.toml", 2, "two members are named `a`"),
    "member that is a root itself": (_two(_ROOT, b=package("b", "[workspace]\n")), "b/Cargo.toml", 5, "cannot be the root"),
    "default member that is none": (
        _two('[workspace]\nmembers = ["a"]\ndefault-members = ["b"]\n'), "Cargo.toml", 3, "not a member",
    ),
    "dependencies of a workspace without a package": (
        _two(f'{_ROOT}[dependencies]\nz = "1"\n'), "Cargo.toml", 4, "cannot have [dependencies]",
    ),
    "root and member at once": (_one('workspace = ".."\n[workspace]\n'), "Cargo.toml", 5, "name another root"),
    "members is a string": ({"Cargo.toml": '[workspace]\nmembers = "a"\n'}, "Cargo.toml", 2, "an array of strings"),
    "replace and patch": (
        _one('[replace]\n"b:1.0.0" = { path = "b" }\n[patch.crates-io]\nb = { path = "b" }\n'), "Cargo.toml", 5, "together",
    ),
    "replacement of no version": (_one('[replace]\nb = { path = "b" }\n'), "Cargo.toml", 6, "which version"),
    "name of a profile": (_one("[profile.build]\nopt-level = 1\n"), "Cargo.toml", 5, "name of a profile"),
    "panic that is none": (_one('[profile.dev]\npanic = "loudly"\n'), "Cargo.toml", 6, "no way to panic"),
    "panic of one package": (
        _one('[profile.dev.package.b]\npanic = "abort"\n'), "Cargo.toml", 6, "cannot be set for single packages",
    ),
    "lto in quotes": (_one('[profile.dev]\nlto = "true"\n'), "Cargo.toml", 6, "in quotes"),
    "lint with a tool in its name": (_one('[lints.rust]\n"clippy::all" = "warn"\n'), "Cargo.toml", 6, "name of a lint"),
    "cargo-features in the wrong place": (_one('cargo-features = ["x"]\n'), "Cargo.toml", 5, "`cargo-features`"),
    "[project] in a new edition": (
        {"Cargo.toml": '[project]\nname = "a"\nedition = "2024"\n', "src/lib.rs": LIB}, "Cargo.toml", 1, "is gone",
    ),
    "level of a lint that is none": (_one('[lints.rust]\nunused = "loud"\n'), "Cargo.toml", 6, "a level"),
    "lint without a level": (_one("[lints.rust]\nunused = { priority = 1 }\n"), "Cargo.toml", 6, "a level or a table with one"),
    "lints of a tool that is a boolean": (_one("[lints]\nrust = true\n"), "Cargo.toml", 6, "a table"),
    "inherited lints that are a table": (_one("[lints.workspace]\nunused = true\n"), "Cargo.toml", 5, "true or false"),
    "badge that is nested": (_one("[badges.ci.more]\na = 1\n"), "Cargo.toml", 5, "a string"),
    "opt-level that is none": (_one('[profile.dev]\nopt-level = "4"\n'), "Cargo.toml", 6, "0, 1, 2, 3, s or z"),
    "debug that is none": (_one('[profile.dev]\ndebug = "much"\n'), "Cargo.toml", 6, "line-tables-only"),
    "paths to trim that are none": (_one('[profile.dev]\ntrim-paths = "mine"\n'), "Cargo.toml", 6, "what to trim"),
    "repository without a scheme": (
        _one('[dependencies]\nb = { git = "git@example.invalid:a/b.git" }\n'), "Cargo.toml", 6, "is not a URL",
    ),
    "edition of a target": (
        _one('[[bin]]\nname = "t"\nedition = "2020"\n', **{"src/bin/t.rs": MAIN}), "Cargo.toml", 7, "no edition `2020`",
    ),
    "edition of the library": (_one('[lib]\nedition = "2020"\n'), "Cargo.toml", 6, "no edition `2020`"),
    "rust-version of the workspace": (
        _two(f'{_ROOT}[workspace.package]\nrust-version = "new"\n'), "Cargo.toml", 5, "not a version of Rust",
    ),
    "version of the workspace": (
        _two(f'{_ROOT}[workspace.package]\nversion = "1.0"\n'), "Cargo.toml", 5, "not a version",
    ),
    "old spelling of a table": (
        {"Cargo.toml": package("a", "[dev_dependencies]\n", edition="2024"), "src/lib.rs": LIB},
        "Cargo.toml", 5, "`dev_dependencies` is gone",
    ),
    "old spelling for a platform": (
        {"Cargo.toml": package("a", "[target.'cfg(unix)'.build_dependencies]\n", edition="2024"), "src/lib.rs": LIB},
        "Cargo.toml", 5, "`build_dependencies` is gone",
    ),
    "old spelling in the library": (
        {"Cargo.toml": package("a", "[lib]\nproc_macro = true\n", edition="2024"), "src/lib.rs": LIB},
        "Cargo.toml", 6, "`proc_macro` is gone",
    ),
    "old spelling in a dependency": (
        {
            "Cargo.toml": package(
                "a", '[dependencies.b]\nversion = "1"\ndefault_features = false\n', edition="2024"
            ),
            "src/lib.rs": LIB,
        },
        "Cargo.toml", 7, "`default_features` is gone",
    ),
    "platform of nothing": (_one("[target.'cfg(x'.other]\n"), "Cargo.toml", 5, "neither a target"),
    "replacement by nothing": (_one('[replace."b:1.0.0"]\n'), "Cargo.toml", 5, "no version, path or git"),
}  # fmt: skip
# cargo finds these only when it resolves dependencies or builds.
REJECTED_LATER: Mapping[str, Case] = {
    "test not there": (_one('[[test]]\nname = "t"\n'), "Cargo.toml", 5, "tests/t.rs"),
    "circle": (
        _two(
            _ROOT,
            a=package("a", '[dependencies]\nb = { path = "../b" }\n'),
            b=package("b", '[dependencies]\na = { path = "../a" }\n'),
        ),
        "a/Cargo.toml", 5, "in a circle: a, b",
    ),
    "circle through a build script": (
        _two(
            _ROOT,
            a=package("a", '[build-dependencies]\nb = { path = "../b" }\n'),
            b=package("b", '[dependencies]\na = { path = "../a" }\n'),
        ),
        "a/Cargo.toml", None, "in a circle: a, b",
    ),
    "dependency by a wrong name": (
        _two(_ROOT, a=package("a", '[dependencies]\nc = { path = "../b" }\n')), "a/Cargo.toml", 6, "is named `b`",
    ),
    "binary with a crate type": (
        _one('[[bin]]\nname = "t"\ncrate-type = ["lib"]\n', **{"src/bin/t.rs": MAIN}), "Cargo.toml", 7, "crate types",
    ),
    "path outside a package alone that leads nowhere": (
        _one('[dependencies]\nb = { path = "b" }\n'), "Cargo.toml", 6, "no package at",
    ),
    "requirement on another version than is there": (
        _two(_ROOT, a=package("a", '[dependencies]\nb = { path = "../b", version = "2" }\n')),
        "a/Cargo.toml", 6, "has the version 0.1.0, not 2",
    ),
    "requirement on a release": (
        _two(
            _ROOT,
            a=package("a", '[dependencies]\nb = { path = "../b", version = "*" }\n'),
            b=package("b", version="1.0.0-rc.1"),
        ),
        "a/Cargo.toml", 6, "has the version 1.0.0-rc.1",
    ),
    "patch with nothing": (_one('[patch.crates-io]\nb = { path = "b" }\n'), "Cargo.toml", 6, "no package at"),
}  # fmt: skip


# Odd, but cargo takes them.
ACCEPTED: Mapping[str, str] = {
    "unknown keys": 'colour = "red"\n[lib]\nshape = 1\n[dependencies.b]\nversion = "1"\nweight = 2\n[whatever]\na = 1\n',
    "unknown keys of the workspace": "[workspace]\ncolour = 1\n[workspace.package]\nshape = 1\n",
    "profile without a name": "[profile.'']\n",
    "platform without a name": "[target.'']\n",
    "source of a patch that looks like a URL": '[patch."z:1.0.0"]\n',
    "inheritance that is no boolean": '[dependencies]\nb = { version = "1", workspace = "x" }\n',
    "lints of an unknown tool": '[lints.mine]\n"a::b" = "deny"\n',
    "unknown lint": '[lints.rust]\nno_such_lint = { level = "deny", priority = -1, more = true }\n',
    "negative opt-level": "[profile.dev]\nopt-level = -1\n",
    "features of no dependency in an array": "[features]\nx = []\ny = ['x', 'x']\n",
    "the same dependency in two tables": '[dependencies]\nb = "1"\n[build-dependencies]\nb = "2"\n',
    "old spellings in an older edition": '[dev_dependencies]\nb = { version = "1", default_features = false }\n',
    "metadata of any shape": "[package.metadata]\na = [1, 'b', { c = [[]] }]\n",
}


@pytest.mark.skipif(shutil.which("cargo") is None, reason="compares with cargo")
@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_odd_is_accepted(tree: Callable[[Mapping[str, str]], Path], name: str) -> None:
    """What cargo takes with a warning, or with none, is read as cargo reads it."""
    root = tree(_one(ACCEPTED[name]))
    assert oracle.facts_of_model(RustWorkspace.load(root)) == oracle.facts_of_cargo(root)


@pytest.mark.parametrize("name", [*REJECTED, *REJECTED_LATER])
def test_it_is_said(tree: Callable[[Mapping[str, str]], Path], name: str) -> None:
    """The error names the file and the line, says what is wrong in one line, and what to do."""
    files, file, line, words = {**REJECTED, **REJECTED_LATER}[name]
    root = tree(files)
    with pytest.raises(WorkspaceError) as caught:
        RustWorkspace.load(root)
    error = caught.value
    assert error.file == root / file
    assert error.line == line
    assert words in error.message
    assert "\n" not in error.message


@pytest.mark.skipif(shutil.which("cargo") is None, reason="compares with cargo")
@pytest.mark.parametrize("name", REJECTED)
def test_cargo_rejects_it_too(tree: Callable[[Mapping[str, str]], Path], name: str) -> None:
    """Nothing is called wrong that cargo would take."""
    root = tree(REJECTED[name][0])
    with pytest.raises(oracle.CargoFailed):
        oracle.metadata(root)


@pytest.mark.skipif(shutil.which("cargo") is None, reason="compares with cargo")
@pytest.mark.parametrize("name", REJECTED_LATER)
@pytest.mark.usefixtures("shelf_only")
def test_cargo_rejects_it_when_it_builds(tree: Callable[[Mapping[str, str]], Path], name: str) -> None:
    """Nothing is called wrong that cargo would build."""
    root = tree(REJECTED_LATER[name][0])
    with pytest.raises(oracle.CargoFailed):
        oracle.cargo("build", "--offline", cwd=root)


@pytest.mark.parametrize(
    "text",
    [
        "[package]\nname = 'a'\n[package.metadata]\na = " + "[" * 20_000 + "]" * 20_000,
        "a = " + "{ b = " * 5_000,
        f"[package]\nname = 'a'\n[profile.dev]\n{'.'.join('x' * 700)} = 1",
        f"[package]\nname = 'a'\n[profile.dev]\n{'.'.join('x' * 90)} = 1",
    ],
    ids=["arrays", "tables", "keys", "keys that cargo rejects"],
)
def test_deep_nesting(tree: Callable[[Mapping[str, str]], Path], text: str) -> None:
    """Nesting beyond what a parser can follow is an error, not a crash."""
    root = tree({"Cargo.toml": text, "src/lib.rs": LIB})
    with pytest.raises(WorkspaceError) as caught:
        RustWorkspace.load(root)
    assert caught.value.file == root / "Cargo.toml"


def test_ten_megabytes(tree: Callable[[Mapping[str, str]], Path]) -> None:
    """A file far larger than any manifest is refused at once."""
    root = tree(_one('[package.metadata]\na = "' + "x" * 10_000_000 + '"\n'))
    started = time.perf_counter()
    with pytest.raises(WorkspaceError, match="at most"):
        RustWorkspace.load(root)
    assert time.perf_counter() - started < 1


def test_not_utf8(tree: Callable[[Mapping[str, str]], Path]) -> None:
    """A manifest in another encoding is named with the line of the first wrong byte."""
    root = tree({"src/lib.rs": LIB})
    (root / "Cargo.toml").write_bytes(b'[package]\nname = "a"\ndescription = "\xe4"\n')
    with pytest.raises(WorkspaceError) as caught:
        RustWorkspace.load(root)
    assert (caught.value.line, caught.value.message) == (3, "this is not UTF-8")


def test_a_folder_named_as_a_manifest(tree: Callable[[Mapping[str, str]], Path]) -> None:
    """A folder with the name Cargo.toml is no manifest."""
    root = tree({"Cargo.toml/notes.md": "", "src/lib.rs": LIB})
    with pytest.raises(WorkspaceError, match="a file is needed"):
        RustWorkspace.load(root)


def test_a_pipe_named_as_a_manifest(tree: Callable[[Mapping[str, str]], Path]) -> None:
    """A pipe is never opened, because reading it would wait for ever."""
    root = tree({"src/lib.rs": LIB})
    os.mkfifo(root / "Cargo.toml")
    with pytest.raises(WorkspaceError, match="a file is needed"):
        RustWorkspace.load(root)


def test_a_manifest_that_may_not_be_read(tree: Callable[[Mapping[str, str]], Path]) -> None:
    """A manifest without permission to read is named."""
    root = tree(_one(""))
    (root / "Cargo.toml").chmod(0)
    if os.access(root / "Cargo.toml", os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(WorkspaceError, match="cannot be read"):
        RustWorkspace.load(root)


def test_nothing_there(tmp_path: Path) -> None:
    """A folder without a manifest, and one that does not exist, are said to have none."""
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(WorkspaceError, match=r"there is no Cargo\.toml here"):
            RustWorkspace.load(place)


@pytest.mark.parametrize("name", ["Cargo.lock", ".cargo/config.toml", "rust-toolchain.toml"])
def test_other_files_that_are_not_toml(tree: Callable[[Mapping[str, str]], Path], name: str) -> None:
    """The other files of cargo and rustup are named with the line too."""
    root = tree(_one("", **{name: "version = 4\nbroken"}))
    with pytest.raises(WorkspaceError) as caught:
        RustWorkspace.load(root).skeleton()
    assert (caught.value.file, caught.value.line) == (root / name, 2)


def test_a_package_beside_its_workspace(tree: Callable[[Mapping[str, str]], Path]) -> None:
    """A package below a workspace that does not know it is told how to get in or out."""
    root = tree(
        {"Cargo.toml": "[workspace]\nmembers = []\n", "a/Cargo.toml": package("a"), "a/src/lib.rs": LIB}
    )
    with pytest.raises(WorkspaceError, match="believes it is in a workspace") as caught:
        RustWorkspace.load(root / "a")
    assert "exclude" in (caught.value.hint or "")
