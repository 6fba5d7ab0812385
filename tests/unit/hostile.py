"""Hostile inputs in one table: what leads out of a workspace, names that are no ordinary ones, and what is no file."""

from __future__ import annotations

import os
import socket
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import RustWorkspace, WorkspaceError
from pytest_dagger_rust.builds import archive
from pytest_dagger_rust.builds.source_tree import source_tree
from tests.cargo.layouts import MAIN, package

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# In every file outside of the workspace: it must never be in what is sent.
CANARY = "of-this-machine-only"

# Names outside of the boundary: as a text writes them, absolute, and through a link in the workspace.
WAYS: Mapping[str, str] = {"..": "../outside", "absolute": "/outside", "link": "link"}

OUTSIDE: Mapping[str, str] = {
    "Cargo.toml": package("secret"),
    "Cargo.lock": f"# {CANARY}\nversion = 4\n",
    "config.toml": f'[env]\nSECRET = "{CANARY}"\n',
    "README.md": CANARY,
    "src/lib.rs": f"// {CANARY}\n",
    "src/main.rs": f"// {CANARY}\n{MAIN}",
}


@dataclass(frozen=True)
class Key:
    """A key that takes a path, in files whose `@` is where it leads; it is refused, unless it is only a text."""

    files: Mapping[str, str]
    is_text: bool = False
    # Relative paths begin in a folder from which this leads to the workspace's root.
    up: str = ""

    def written(self, way: str, outside: Path) -> dict[str, str]:
        """Return the files, with the path to a folder that is outside written in one of the ways."""
        path = str(outside) if way == "absolute" else f"{self.up}{WAYS[way]}"
        return {name: text.replace("@", path) for name, text in self.files.items()}


def _manifest(rest: str, *, is_text: bool = False) -> Key:
    return Key({"Cargo.toml": package("a", rest)}, is_text)


def _config(rest: str, *, is_text: bool = False) -> Key:
    return Key({".cargo/config.toml": rest}, is_text)


def _root(rest: str, *, is_text: bool = False) -> Key:
    return Key({"Cargo.toml": f"[workspace]\n{rest}"}, is_text)


KEYS: Mapping[str, Key] = {
    "members": _root('members = ["@"]\n'),
    "members, by a pattern": _root('members = ["@*"]\n'),
    "default-members": _root('members = ["@"]\ndefault-members = ["@"]\n'),
    "workspace.dependencies": _manifest(
        '[dependencies]\nsecret.workspace = true\n[workspace]\n[workspace.dependencies]\nsecret = { path = "@" }\n'
    ),
    "dependencies": _manifest('[dependencies]\nsecret = { path = "@" }\n'),
    "dev-dependencies": _manifest('[dev-dependencies]\nsecret = { path = "@" }\n'),
    "build-dependencies": _manifest('build = false\n[build-dependencies]\nsecret = { path = "@" }\n'),
    "target.*.dependencies": _manifest('[target."cfg(unix)".dependencies]\nsecret = { path = "@" }\n'),
    "patch": _manifest('[patch.crates-io]\nsecret = { path = "@" }\n'),
    "replace": _manifest('[replace]\n"secret:0.1.0" = { path = "@" }\n'),
    "package.workspace": _manifest('workspace = "@"\n'),
    "package.build": _manifest('build = "@/src/main.rs"\n'),
    "lib.path": _manifest('[lib]\npath = "@/src/lib.rs"\n'),
    "bin.path": _manifest('[[bin]]\nname = "b"\npath = "@/src/main.rs"\n'),
    "example.path": _manifest('[[example]]\nname = "b"\npath = "@/src/main.rs"\n'),
    "test.path": _manifest('[[test]]\nname = "b"\npath = "@/src/main.rs"\n'),
    "bench.path": _manifest('[[bench]]\nname = "b"\npath = "@/src/main.rs"\n'),
    "config paths": _config('paths = ["@"]\n'),
    "config include": Key({".cargo/config.toml": 'include = "@/config.toml"\n'}, up="../"),
    "config patch": _config('[patch.crates-io]\nsecret = { path = "@" }\n'),
    "config source.directory": _config(
        '[source.crates-io]\nreplace-with = "v"\n[source.v]\ndirectory = "@"\n'
    ),
    "config local-registry": _config(
        '[source.crates-io]\nreplace-with = "v"\n[source.v]\nlocal-registry = "@"\n'
    ),
    "config lockfile-path": _config('[resolver]\nlockfile-path = "@/Cargo.lock"\n'),
    "package.readme": _manifest('readme = "@/README.md"\n', is_text=True),
    "package.license-file": _manifest('license-file = "@/README.md"\n', is_text=True),
    "package.include": _manifest('include = ["@/**"]\n', is_text=True),
    "workspace.exclude": _manifest('[workspace]\nexclude = ["@"]\n', is_text=True),
    "workspace.package.readme": _manifest(
        'readme.workspace = true\n[workspace.package]\nreadme = "@/README.md"\n', is_text=True
    ),
    "config target-dir": _config('[build]\ntarget-dir = "@"\n', is_text=True),
    "config rustc-wrapper": _config('[build]\nrustc-wrapper = "@/src/main.rs"\n', is_text=True),
    "config linker": _config('[target.x86_64-unknown-linux-gnu]\nlinker = "@/src/main.rs"\n', is_text=True),
    "config runner": _config('[target.x86_64-unknown-linux-gnu]\nrunner = "@/src/main.rs"\n', is_text=True),
    "config target": _config('[build]\ntarget = "@/README.md"\n', is_text=True),
    "config env, relative": _config('[env]\nA = { value = "@", relative = true }\n', is_text=True),
    "toolchain path": Key({"rust-toolchain.toml": '[toolchain]\npath = "@"\n'}, is_text=True),
    "include_str!": Key({"src/lib.rs": 'pub const A: &str = include_str!("@/README.md");\n'}, is_text=True),
    "#[path]": Key({"src/lib.rs": '#[path = "@/src/lib.rs"]\npub mod a;\n'}, is_text=True),
}

# Paths that no file has, as TOML writes them.
ODD_PATHS: Mapping[str, str] = {
    "long": "x/" * 2500,
    "long name": "x" * 5000,
    "nothing": "",
    "NUL": r"a\u0000b",
    "line break": r"a\n::error::b",
    "terminal": r"\u001b]0;a\u0007",
    "substitution": "$(touch x)",
    "pattern that is none": "[",
}

# What is nested deeper than anybody writes, as a piece of a manifest.
_DEEP = 100_000
NESTED: Mapping[str, str] = {
    "arrays": f"[package.metadata]\nx = {'[' * _DEEP}{']' * _DEEP}\n",
    "tables": f"[package.metadata]\nx = {'{a=' * _DEEP}1{'}' * _DEEP}\n",
    "keys": f"[package.metadata]\n{'.'.join(['a'] * _DEEP)} = 1\n",
    "headers": f"[package.metadata.{'.'.join(['a'] * _DEEP)}]\n",
    "not closed": f"[package.metadata]\nx = {'[' * _DEEP}",
}

# What files and folders are called: each is a name like any other, but for the one that no archive has room for.
NAMES: Mapping[str, str] = {
    "dash": "-rf",
    "option": "--checkpoint-action=exec=sh",
    "substitution": "$(touch x)",
    "backticks": "`touch x`",
    "quote": "a'b",
    "double quote": 'a"b',
    "backslash": "a\\b",
    "semicolon": "a;b",
    "pattern": "*",
    "format": "%s{0}",
    "blanks": " a ",
    "tab": "a\tb",
    "carriage return": "a\rb",
    "escape": "\x1b]0;a\x07",
    "workflow command": "::add-mask::a",
    "not UTF-8": "\udcff",
    "longest": "x" * 255,
    "line break": "a\n::error::b",
}

# Names of packages: each is refused in one line.
PACKAGE_NAMES = (
    "../x",
    "/x",
    "..",
    ".",
    "",
    "-x",
    "--help",
    "$(x)",
    "a b",
    r"a\n::error::b",
    r"a\u0000b",
    r"\u001b[31m",
)

KINDS = ("pipe", "socket", "device")

# Where what is no file may stand. Those that cargo needs are refused; the others are passed over.
NEEDED = ("Cargo.toml", "Cargo.lock", "m/Cargo.toml")
PASSED_OVER = (
    *("src/main.rs", "src/bin/b.rs", "build.rs", "tests/t.rs", "data/x", "data/CACHEDIR.TAG", ".env"),
    *(".cargo/config.toml", "rust-toolchain.toml", "rust-toolchain"),
)

# Where a link may lead, and from where. One that cargo would follow is refused, others are sent as links.
ENDLESS = ("/dev/zero", "/proc/self/environ", "/", "/proc/self/root")
FOLLOWED = (
    "Cargo.toml",
    "Cargo.lock",
    "src/lib.rs",
    "build.rs",
    ".cargo/config.toml",
    "rust-toolchain.toml",
    "src",
)
SENT_AS_LINKS = ("data", "src/data.bin", "tests/data", ".github")


def sent(root: Path, tmp_path: Path, excludes: tuple[str, ...] = ()) -> list[str]:
    """Read a workspace, pack all that a build of it is sent, and return the names of that."""
    workspace = RustWorkspace.load(root)
    skeleton = workspace.skeleton()
    _, entries = source_tree(workspace, excludes)
    packed = archive.pack(entries, tmp_path)
    for text in (*skeleton.files.values(), packed.path.read_bytes().decode("utf-8", "replace")):
        assert CANARY not in text
    with tarfile.open(packed.path) as tar:
        names = tar.getnames()
    assert not [name for name in names if name.startswith("/") or ".." in name.split("/")]
    assert not [path for path in (*skeleton.files, *skeleton.sources) if path.startswith(("/", ".."))]
    return [name.removeprefix("files/") for name in names]


def refusal(root: Path, tmp_path: Path) -> WorkspaceError:
    """Return the error about a workspace; it is one line, a hint, and nothing that a terminal would obey."""
    with pytest.raises(WorkspaceError) as caught:
        sent(root, tmp_path)
    lines = str(caught.value).split("\n")
    assert len(lines) == (1 if caught.value.hint is None else 2)
    assert "".join(lines).isprintable()
    return caught.value


def put(kind: str, path: Path) -> None:
    """Make a pipe, a socket or a device that never ends in the place of whatever is there, where this user may."""
    try:
        _put(kind, path)
    except PermissionError:
        pytest.skip(f"this user may not make a {kind}")


def _put(kind: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        os.mknod(path, 0o20666, os.makedev(1, 5))
    else:
        # The path of a socket has to be short.
        folder = os.open(path.parent, os.O_PATH)
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)


def link(path: Path, target: str) -> None:
    """Put a link in the place of whatever is there."""
    if path.is_dir():
        path.rename(path.with_name("old"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def replace(path: Path, kind: str) -> None:
    """Put a folder, nothing, or another content in the place of a file."""
    content = path.read_bytes()
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind != "nothing":
        others = {"longer": content + b"x", "shorter": content[:-1], "other": content.swapcase()}
        path.write_bytes(others[kind])
