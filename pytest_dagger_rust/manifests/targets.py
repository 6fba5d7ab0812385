"""Finds a package's targets: the declared ones, and those that cargo finds by their place."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_dagger_rust.manifests.packages import Target
from pytest_dagger_rust.manifests.toml_values import Table, boolean, string, strings, table, tables

if TYPE_CHECKING:
    from pytest_dagger_rust.errors import WorkspaceError
    from pytest_dagger_rust.manifests.boundary import Tree
    from pytest_dagger_rust.manifests.manifest import Manifest
    from pytest_dagger_rust.manifests.packages import TargetKind

# Kind, where cargo looks for targets of it, the key that turns the looking off, and what cargo calls it.
_KINDS: tuple[tuple[TargetKind, str, str, str], ...] = (
    ("bin", "src/bin", "autobins", "binary"),
    ("example", "examples", "autoexamples", "example"),
    ("test", "tests", "autotests", "test"),
    ("bench", "benches", "autobenches", "benchmark"),
)
_RESERVED_BINS = frozenset({"deps", "examples", "build", "incremental"})


@dataclass(frozen=True, slots=True)
class Found:
    """A target before its path is made relative to the workspace: `path` is relative to the package."""

    kind: TargetKind
    name: str
    path: str
    declared: Table = field(default_factory=dict[str, object])


class Discovery:
    """The search for the targets of one package; `edition` is the package's.

    Of a package that is no member, cargo lets declared tests, examples and benchmarks be missing.
    """

    def __init__(self, tree: Tree, manifest: Manifest, edition: str, *, is_member: bool) -> None:
        self._tree = tree
        self._manifest = manifest
        self._edition = edition
        self._is_member = is_member
        self._package = manifest.package

    def targets(self, prefix: str) -> tuple[Target, ...]:
        """Return all targets in cargo's order, with paths below `prefix`; fails as cargo would."""
        library = self._library()
        found = [] if library is None else [library]
        for kind, folder, switch, noun in _KINDS:
            found += self._of_kind(kind, folder, switch, noun, has_library=library is not None)
        if not found:
            raise self._error(
                "the package has no targets",
                "package",
                hint="Add src/lib.rs or src/main.rs, or a [lib] or [[bin]] section with a path.",
            )
        found += self._build_scripts()
        return tuple(self._target(item, prefix) for item in found)

    def _error(self, message: str, *keys: str, hint: str | None = None) -> WorkspaceError:
        return self._manifest.error(message, *keys, hint=hint)

    def _exists(self, path: str) -> bool:
        return self._tree.exists(f"{self._manifest.directory}/{path}")

    def _target(self, found: Found, prefix: str) -> Target:
        declared = found.declared
        if "path" in declared:
            path = posixpath.normpath(posixpath.join(self._manifest.directory, found.path))
            self._tree.require(path, named_by=self._manifest.path)
        harness = boolean(declared.get("harness"))
        return Target(
            name=found.name,
            kind=found.kind,
            crate_types=_crate_types(found),
            src_path=posixpath.normpath(posixpath.join(prefix, found.path)),
            required_features=tuple(strings(declared.get("required-features")))
            if found.kind != "lib"
            else (),
            harness=True if harness is None else harness,
            edition=string(declared.get("edition")) or self._edition,
        )

    def _library(self) -> Found | None:
        declared = table(self._manifest.document.get("lib"))
        inferred = self._package.get("autolib") is not False and self._exists("src/lib.rs")
        if "lib" not in self._manifest.document and not inferred:
            return None
        name = string(declared.get("name"))
        if name is None:
            name = self._manifest.name.replace("-", "_")
        self._check_library_name(name)
        path = string(declared.get("path")) or self._library_path(name)
        return Found("lib", name, posixpath.normpath(path), declared)

    def _check_library_name(self, name: str) -> None:
        if not name.strip():
            raise self._error("library target names cannot be empty", "lib", "name")
        if "-" in name:
            hint = f"Write `{name.replace('-', '_')}`."
            raise self._error(
                f"the library's name `{name}` must not contain hyphens", "lib", "name", hint=hint
            )

    def _library_path(self, name: str) -> str:
        if self._exists("src/lib.rs"):
            return "src/lib.rs"
        legacy = f"src/{name}.rs"
        if self._edition == "2015" and self._exists(legacy):
            return legacy
        hint = "Rename the file to src/lib.rs, or set `path` in [lib]."
        raise self._error(f"cannot find the library `{name}`", "lib", hint=hint)

    def _of_kind(
        self, kind: TargetKind, folder: str, switch: str, noun: str, *, has_library: bool
    ) -> list[Found]:
        declared = tables(self._manifest.document.get(kind))
        inferred = self._inferred(kind, folder)
        all_declared = (
            self._declared(kind, noun, item, inferred, has_library=has_library) for item in declared
        )
        found = [item for item in all_declared if item is not None]
        if self._looks_for_more(kind, switch):
            names = {item.name for item in found}
            paths = {_components(string(item.get("path")) or "") for item in declared}
            found += [item for item in inferred if item.name not in names and item.path not in paths]
        if self._package.get(switch) is not False or not all(
            {"name", "path"} <= item.keys() for item in declared
        ):
            # A manifest that leaves nothing to find keeps its order.
            found.sort(key=lambda item: item.name)
        self._check_names(found, kind, noun)
        return found

    def _looks_for_more(self, kind: TargetKind, switch: str) -> bool:
        wanted = boolean(self._package.get(switch))
        if wanted is not None:
            return wanted
        # Until the 2018 edition one declared target turned the search off.
        return self._edition != "2015" or kind not in self._manifest.document

    def _inferred(self, kind: TargetKind, folder: str) -> list[Found]:
        found: list[Found] = []
        if kind == "bin" and self._exists("src/main.rs"):
            found.append(Found(kind, self._manifest.name, "src/main.rs"))
        for entry in self._tree.entries(f"{self._manifest.directory}/{folder}"):
            if entry.name.startswith(".") or not entry.name.isprintable():
                continue
            # Like cargo, take a link to a folder for a file: it is not searched for a main.rs.
            if entry.is_dir(follow_symlinks=False):
                main = f"{folder}/{entry.name}/main.rs"
                if self._exists(main):
                    found.append(Found(kind, entry.name, main))
            elif entry.name.endswith(".rs"):
                if entry.is_symlink():
                    self._tree.require(entry.path, named_by=self._manifest.path)
                found.append(Found(kind, entry.name.removesuffix(".rs"), f"{folder}/{entry.name}"))
        return found

    def _declared(
        self, kind: TargetKind, noun: str, declared: Table, inferred: list[Found], *, has_library: bool
    ) -> Found | None:
        name = string(declared.get("name"))
        if name is None:
            raise self._error(f"a {noun} target has no name", kind, hint=f"Give every [[{kind}]] a `name`.")
        if not name.strip():
            raise self._error(f"{noun} target names cannot be empty", kind, "name")
        path = string(declared.get("path"))
        if path is None:
            path = self._declared_path(kind, noun, name, inferred, has_library=has_library)
            if path is None:
                return None
        return Found(kind, name, posixpath.normpath(path), declared)

    def _declared_path(
        self, kind: TargetKind, noun: str, name: str, inferred: list[Found], *, has_library: bool
    ) -> str | None:
        matching = [item.path for item in inferred if item.name == name]
        if len(matching) == 1:
            return matching[0]
        legacy = self._legacy_path(kind, name, has_library=has_library) if self._edition == "2015" else None
        if legacy is not None:
            return legacy
        if kind != "bin" and not self._is_member:
            return None
        if matching:
            places = " and ".join(f"`{path}`" for path in matching)
            raise self._error(
                f"the {noun} `{name}` could be {places}", kind, hint=f"Set `path` in [[{kind}]]."
            )
        folder = next(item[1] for item in _KINDS if item[0] == kind)
        message = f"cannot find the {noun} `{name}` at `{folder}/{name}.rs` or `{folder}/{name}/main.rs`"
        raise self._error(message, kind, hint=f"Put the file there, or set `path` in [[{kind}]].")

    def _legacy_path(self, kind: TargetKind, name: str, *, has_library: bool) -> str | None:
        if kind == "bench":
            candidates = ["src/bench.rs"] if name == "bench" else []
        elif kind == "bin":
            candidates = [*([] if has_library else [f"src/{name}.rs"]), "src/main.rs", "src/bin/main.rs"]
        else:
            candidates = []
        return next((path for path in candidates if self._exists(path)), None)

    def _check_names(self, found: list[Found], kind: TargetKind, noun: str) -> None:
        names: set[str] = set()
        for item in found:
            if item.name in names:
                hint = f"Every {noun} of a package needs a name of its own."
                raise self._error(f"two {noun} targets are named `{item.name}`", kind, hint=hint)
            names.add(item.name)
            if kind == "bin" and item.name in _RESERVED_BINS:
                hint = "Rename the binary: cargo keeps its own files in a folder of this name."
                raise self._error(f"a binary cannot be named `{item.name}`", "bin", hint=hint)

    def _build_scripts(self) -> list[Found]:
        build = self._package.get("build")
        if build is None:
            is_file = self._tree.kind(f"{self._manifest.directory}/build.rs") == "file"
            paths = ["build.rs"] if is_file else []
        elif isinstance(build, bool):
            paths = ["build.rs"] if build else []
        else:
            paths = strings([build]) or strings(build)
        return [self._build_script(path) for path in paths]

    def _build_script(self, path: str) -> Found:
        path = posixpath.normpath(path)
        stem = posixpath.splitext(posixpath.basename(path))[0]
        if stem in {"", ".", ".."}:
            raise self._error("`build` names no file", "package", "build", hint='Write `build = "build.rs"`.')
        self._tree.require(
            posixpath.normpath(posixpath.join(self._manifest.directory, path)), named_by=self._manifest.path
        )
        return Found("custom-build", f"build-script-{stem}", path)


def _components(path: str) -> str:
    return "/".join(part for part in path.split("/") if part not in {"", "."})


def _crate_types(found: Found) -> tuple[str, ...]:
    declared = found.declared
    kinds = strings(declared.get("crate-type", declared.get("crate_type")))
    if found.kind == "lib":
        is_macro = declared.get("proc-macro", declared.get("proc_macro")) is True
        return tuple(kinds) or (("proc-macro",) if is_macro else ("lib",))
    if found.kind == "example" and kinds:
        return tuple(kinds)
    return ("bin",)
