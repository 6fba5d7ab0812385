"""Writes random workspaces: targets of all kinds, at all places, in packages that lie and depend on each other anyhow.

Most are valid; what cargo rejects the model must reject too. All sources compile, and a text that starts with `LINK`
is that of a symbolic link. Dependencies from elsewhere are on the shelf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tomli_w
from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

Files = dict[str, str]

LINK = "-> "
SOURCE = "fn main() {}\n"
EDITIONS = ("2015", "2018", "2021", "2024")
NAMES = ("a", "b-c", "d_e", "F1", "_g", "main", "lib", "x-y-z", "bench", "m.n")
FOLDERS = {"bin": "src/bin", "example": "examples", "test": "tests", "bench": "benches"}
SWITCHES = {"bin": "autobins", "example": "autoexamples", "test": "autotests", "bench": "autobenches"}
REGISTRY: tuple[tuple[str, Any], ...] = (
    ("beta", "1"),
    ("gamma", {"version": "0.3", "optional": True}),
    ("renamed", {"package": "alpha", "version": "2"}),
    ("beta", {"version": "1", "default-features": False, "features": ["slow"]}),
)
TABLES = ("dependencies", "build-dependencies", "dev-dependencies")


def write(root: Path, files: Files) -> Path:
    """Write a generated tree below `root`."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text.startswith(LINK):
            path.symlink_to(text.removeprefix(LINK))
        else:
            path.write_text(text)
    return root


def _rarely(draw: Callable[..., Any], one_in: int = 12) -> bool:
    """Return whether something that mostly makes a workspace invalid is to be tried."""
    return bool(draw(st.integers(1, one_in)) == one_in)


@st.composite
def _targets(draw: Callable[..., Any], kind: str) -> tuple[Files, list[dict[str, Any]]]:
    """Files where targets of one kind are looked for, and declarations of some, there or elsewhere."""
    files: Files = {}
    declared: list[dict[str, Any]] = []
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3)):
        place = draw(st.sampled_from(["file", "folder", "elsewhere", "link", *["nowhere"] * _rarely(draw)]))
        path = {
            "file": f"{FOLDERS[kind]}/{name}.rs",
            "link": f"{FOLDERS[kind]}/{name}.rs",
            "folder": f"{FOLDERS[kind]}/{name}/main.rs",
        }.get(place, f"other/{kind}-{name}.rs")
        if place == "link":
            files["shared.rs"] = SOURCE
        if place != "nowhere":
            depth = path.count("/")
            files[path] = f"{LINK}{'../' * depth}shared.rs" if place == "link" else SOURCE
        if place in {"elsewhere", "nowhere"} or draw(st.booleans()):
            declared.append(draw(_declaration(kind, name, path, has_path=place == "elsewhere")))
    files.update(dict.fromkeys(draw(st.lists(st.sampled_from([
        f"{FOLDERS[kind]}/.hidden.rs", f"{FOLDERS[kind]}/helper/mod.rs", f"{FOLDERS[kind]}/notes.txt",
        f"{FOLDERS[kind]}/folder.rs/main.rs", f"{FOLDERS[kind]}/main.rs",
    ]), max_size=2)), SOURCE))  # fmt: skip
    return files, declared


@st.composite
def _declaration(draw: Callable[..., Any], kind: str, name: str, path: str, has_path: bool) -> dict[str, Any]:
    """One declared target."""
    table: dict[str, Any] = {"name": name}
    if has_path or draw(st.booleans()):
        table["path"] = draw(st.sampled_from(["", "./", "src/../"])) + path
    if draw(st.booleans()):
        table["harness"] = draw(st.booleans())
    if draw(st.integers(0, 3)) == 0:
        table["required-features"] = ["more"]
    if draw(st.integers(0, 5)) == 0:
        table["edition"] = draw(st.sampled_from(EDITIONS))
    if draw(st.integers(0, 5)) == 0:
        table[draw(st.sampled_from(["test", "bench", "doc"]))] = draw(st.booleans())
    if kind == "example" and draw(st.integers(0, 3)) == 0:
        table["crate-type"] = [draw(st.sampled_from(["lib", "staticlib", "bin"]))]
    return table


_CRATE_TYPES = [
    *([kind] for kind in ("lib", "rlib", "cdylib", "staticlib", "dylib", "proc-macro")),
    ["lib", "cdylib"], ["staticlib", "rlib"], ["dylib", "lib"], ["dylib", "cdylib"],
]  # fmt: skip
_LIBRARY = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["renamed", "l_2"]),
        "harness": st.booleans(),
        "required-features": st.just(["more"]),
    },
)


@st.composite
def _library(draw: Callable[..., Any], document: dict[str, Any], name: str) -> Files:
    """The files of a library, which is found, declared, somewhere else, or not there."""
    is_old = document["package"].get("edition") in (None, "2015")
    places = ["none", "found", "found", "declared", "elsewhere", *["legacy"] * (is_old or _rarely(draw))]
    place = draw(st.sampled_from(places))
    if place in {"declared", "elsewhere", "legacy"}:
        document["lib"] = draw(_LIBRARY)
        kind = draw(st.sampled_from(["", "", "proc-macro", "crate-type"]))
        if kind:
            document["lib"][kind] = kind == "proc-macro" or draw(st.sampled_from(_CRATE_TYPES))
    if place == "elsewhere":
        document["lib"]["path"] = "deep/root.rs"
    legacy = document.get("lib", {}).get("name", name.replace("-", "_"))
    paths = {"none": [], "elsewhere": ["deep/root.rs"], "legacy": [f"src/{legacy}.rs"]}
    # Empty, because a library for other languages must not have a main function.
    return dict.fromkeys(paths.get(place, ["src/lib.rs"]), "")


@st.composite
def _about(draw: Callable[..., Any], name: str, inherits: bool) -> dict[str, Any]:
    """The `[package]` table, with what it may inherit written out, inherited or left out."""
    about: dict[str, Any] = {"name": name, "edition": draw(st.sampled_from(EDITIONS)), "version": "0.1.0"}
    for key, value in {"version": "1.2.3-rc.1+build.5", "edition": "2021", "rust-version": "1.85"}.items():
        choice = draw(st.integers(0, 4))
        if inherits and choice == 0:
            about[key] = {"workspace": True}
        elif choice == 1:
            about.pop(key, None)
        elif choice == 2:
            about[key] = value
    return about


@st.composite
def package(draw: Callable[..., Any], name: str, inherits: bool) -> tuple[Files, dict[str, Any]]:
    """A package with targets of random kinds at random places, its manifest apart."""
    about = draw(_about(name, inherits))
    document: dict[str, Any] = {"package": about, "features": {"more": [], "other": []}}
    files: Files = draw(_library(document, name))
    has_main = not files or draw(st.booleans())
    if has_main:
        files["src/main.rs"] = SOURCE
    for kind, switch in SWITCHES.items():
        found, declared = draw(_targets(kind))
        files.update({path: text for path, text in found.items() if path not in files})
        if declared:
            document[kind] = declared
        if draw(st.integers(0, 3)) == 0:
            about[switch] = draw(st.booleans())
    draw(_rest(files, document, has_main))
    draw(_from_registry(document))
    if inherits and draw(st.integers(0, 3)) == 0:
        document["lints"] = {"workspace": True}
    return files, document


@st.composite
def _rest(draw: Callable[..., Any], files: Files, document: dict[str, Any], has_main: bool) -> None:
    """Add a build script, and keys about the targets."""
    about = document["package"]
    if _rarely(draw):
        about["autolib"] = draw(st.booleans())
    if draw(st.integers(0, 3)) == 0 and ("bin" in document or has_main or _rarely(draw)):
        bins = [item["name"] for item in document.get("bin", ())]
        about["default-run"] = draw(st.sampled_from(bins or [about["name"]]))
    if draw(st.booleans()):
        files["build.rs"] = SOURCE
        about.update(draw(st.sampled_from([{}, {"build": False}, {"build": True}, {"build": "./build.rs"}])))


@st.composite
def _from_registry(draw: Callable[..., Any], document: dict[str, Any]) -> None:
    """Add dependencies on packages from the shelf."""
    for key, spec in draw(st.lists(st.sampled_from(REGISTRY), unique_by=lambda item: item[0], max_size=2)):
        is_optional = isinstance(spec, dict) and "optional" in spec
        table = "dependencies" if is_optional else draw(st.sampled_from(TABLES))
        holder = document
        if draw(st.integers(0, 3)) == 0:
            holder = document.setdefault("target", {}).setdefault("cfg(unix)", {})
        holder.setdefault(table, {})[key] = spec
        if is_optional:
            document["features"]["more"] = draw(
                st.sampled_from([[f"dep:{key}"], [key], [f"dep:{key}", "other"], []])
            )


def _relative(folder: str, other: str) -> str:
    up = "/".join(".." for part in folder.split("/") if part not in {"", "."})
    return f"{up or '.'}/{other}"


@st.composite
def workspaces(draw: Callable[..., Any]) -> Files:
    """A single package or a workspace, with a root package or without."""
    if draw(st.integers(0, 3)) == 0:
        alone, document = draw(package("single", inherits=False))
        return {**alone, "Cargo.toml": tomli_w.dumps(document)}
    names = draw(st.lists(st.sampled_from(["one", "two-2", "three_3", "tests"]), unique=True, min_size=1))
    folders = {
        name: draw(st.sampled_from([f"crates/{name}", f"crates/deep/{name}", f"libs/{name}"]))
        for name in names
    }
    if draw(st.booleans()):
        folders["root"] = ""
    packages = {name: draw(package(name, inherits=draw(st.booleans()))) for name in folders}
    workspace = draw(_workspace(folders))
    draw(_between(folders, {name: document for name, (_, document) in packages.items()}, workspace))
    files: Files = {}
    for name, (found, document) in packages.items():
        prefix = f"{folders[name]}/" if folders[name] else ""
        files.update({f"{prefix}{path}": text for path, text in found.items()})
        files[f"{prefix}Cargo.toml"] = tomli_w.dumps(document)
    root = files.get("Cargo.toml", "")
    patch = draw(_patch(folders))
    return {**files, "Cargo.toml": f"{root}\n{tomli_w.dumps({'workspace': workspace, **patch})}"}


@st.composite
def _workspace(draw: Callable[..., Any], folders: dict[str, str]) -> dict[str, Any]:
    """The `[workspace]` table: members by list or pattern, some excluded, some default."""
    places = [folder for folder in folders.values() if folder]
    workspace: dict[str, Any] = {
        "resolver": draw(st.sampled_from(["1", "2", "3"])),
        "package": {"version": "9.8.7", "edition": "2018", "rust-version": "1.60"},
        "lints": {"rust": {"unused": "allow"}},
        "members": draw(st.sampled_from([
            places, places[:1], [f"./{place}/" for place in places], ["crates/*", "libs/*"], ["**/t*"],
            ["crates/[ot]*", *places], [f"{place[:-1]}?" for place in places], [],
        ])),
    }  # fmt: skip
    if draw(st.integers(0, 2)) == 0:
        workspace["exclude"] = draw(st.sampled_from([places[:1], ["crates/deep"], ["libs", "target"]]))
    if draw(st.integers(0, 2)) == 0:
        workspace["default-members"] = draw(
            st.sampled_from([places[:1], places[-1:], ["."], ["crates/*"], ["libs/*", "."]])
        )
    return workspace


@st.composite
def _between(
    draw: Callable[..., Any], folders: dict[str, str], documents: dict[str, Any], workspace: dict[str, Any]
) -> None:
    """Add dependencies of packages on each other, in every table and with every way to write them."""
    names = list(folders)
    for index, name in enumerate(names):
        for other in names[:index]:
            table = draw(st.sampled_from([*TABLES, *[""] * 4]))
            if not table:
                continue
            path = _relative(folders[name], folders[other])
            key, spec = draw(st.sampled_from([
                (other, {"path": path}), (other, {"path": f"{path}/", "version": "*"}),
                ("called", {"path": path, "package": other}), (other, {"workspace": True}),
            ]))  # fmt: skip
            if spec == {"workspace": True}:
                workspace.setdefault("dependencies", {})[other] = {"path": folders[other] or "."}
            documents[name].setdefault(table, {})[key] = spec
    if "root" in folders and draw(st.integers(0, 5)) == 0:
        # A development dependency may go round in a circle.
        documents[names[0]].setdefault("dev-dependencies", {})["root"] = {
            "path": _relative(folders[names[0]], "")
        }


@st.composite
def _patch(draw: Callable[..., Any], folders: dict[str, str]) -> dict[str, Any]:
    """Now and then a package of the workspace in the place of a published one."""
    if draw(st.integers(0, 5)):
        return {}
    name = draw(st.sampled_from(list(folders)))
    return {"patch": {"crates-io": {name: {"path": folders[name] or "."}}}}
