"""Cases of targets, build scripts and selections that others stumbled over, each with its origin."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import tomli

from pytest_dagger_rust.workspace import RustWorkspace
from tests.cargo import oracle
from tests.cargo.builds import Tree, Wanted, both_builds, skeleton_of
from tests.cargo.layouts import LIB, MACRO, MAIN, package

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(shutil.which("cargo") is None, reason="compares with cargo"),
    pytest.mark.usefixtures("shelf_only"),
]

_REQUIRED = 'required-features = ["more"]\n'


def test_another_binary_that_needs_features(tree: Tree, tmp_path: Path) -> None:
    """A second binary with required features keeps nothing from being compiled that the first one needs."""
    # cargo-chef #146, open: the skeleton had the second binary only, so its build compiled nothing at all.
    rest = f'\n[[bin]]\nname = "additional"\npath = "src/additional.rs"\n{_REQUIRED}'
    rest += '\n[dependencies]\nbeta = "1"\n\n[features]\nmore = ["beta/slow"]\n'
    files = {
        "Cargo.toml": package("app", rest),
        "src/main.rs": "fn main() { beta::beta(); }\n",
        "src/additional.rs": MAIN,
    }
    first, second = both_builds(tree(files), tmp_path, Wanted(bins=("app",)))
    assert {"alpha 1.1.0", "beta 1.0.0"} <= first.compiled & second.fresh
    assert second.compiled == {"app 0.1.0"}


def test_one_package_of_a_workspace(tree: Tree, tmp_path: Path) -> None:
    """Of a workspace, one binary of one package is selected: its dependencies have the features of that selection."""
    # cargo-chef #115: everything was compiled again, since the features were those of all members together.
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["one", "two"]\nresolver = "1"\n',
        "one/Cargo.toml": package(
            "one", '\n[dependencies]\nbeta = { version = "1", default-features = false }\n'
        ),
        "one/src/main.rs": "fn main() { beta::beta(); }\n",
        "two/Cargo.toml": package("two", '\n[dependencies]\nbeta = { version = "1", features = ["slow"] }\n'),
        "two/src/main.rs": MAIN,
    }
    first, second = both_builds(tree(files), tmp_path, Wanted(packages=("one",), bins=("one",)))
    assert {"alpha 1.1.0", "beta 1.0.0"} <= first.compiled & second.fresh
    assert second.compiled == {"one 0.1.0"}


def test_a_declared_binary_where_it_would_be_found(tree: Tree, tmp_path: Path) -> None:
    """A `[[bin]]` with nothing but a name, whose file is in src/bin beside a library, is found there."""
    # cargo-chef #128: the stub lay at src/main.rs, and cargo found no binary of that name.
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["deep/er/ir"]\nresolver = "2"\n',
        "deep/er/ir/Cargo.toml": package("ir", '\n[[bin]]\nname = "opt"\n\n[dependencies]\ngamma = "0.3"\n'),
        "deep/er/ir/src/lib.rs": LIB,
        "deep/er/ir/src/bin/opt.rs": "fn main() { gamma::gamma(); }\n",
    }
    root = tree(files)
    (found,) = RustWorkspace.load(root).packages[0].of_kind("bin")
    assert (found.name, found.src_path) == ("opt", "deep/er/ir/src/bin/opt.rs")
    first, second = both_builds(root, tmp_path, Wanted(bins=("opt",)))
    assert "gamma 0.3.0" in first.compiled & second.fresh


def test_binaries_have_no_crate_type(tree: Tree) -> None:
    """No target in the skeleton but libraries and examples is given a crate type, which cargo rejects for binaries."""
    # cargo-chef #290, #293: `crate-type = ["bin"]` was written into manifests that had none.
    files = {
        "Cargo.toml": package("app", '\n[[bin]]\nname = "app"\npath = "src/main.rs"\n'),
        "src/main.rs": MAIN, "src/bin/more.rs": MAIN, "src/lib.rs": LIB, "tests/t.rs": "", "benches/b.rs": "",
    }  # fmt: skip
    root = tree(files)
    assert {item.crate_types for item in RustWorkspace.load(root).packages[0].of_kind("bin")} == {("bin",)}
    manifest = tomli.loads(skeleton_of(root).files["Cargo.toml"])
    assert [sorted(item) for item in manifest["bin"]] == [["name", "path"]]


def test_a_requirement_on_a_member(tree: Tree, tmp_path: Path) -> None:
    """A member's requirement on another fits the stub of that one, whatever version it has."""
    # cargo-chef #84: `atomic_lib = "^0.25.6"` did not fit the masked version.
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["lib", "server"]\nresolver = "2"\n\n'
        '[workspace.dependencies]\nlib = { path = "lib", version = "^0.25.6" }\n',
        "lib/Cargo.toml": package("lib", version="0.25.7"), "lib/src/lib.rs": LIB,
        "server/Cargo.toml": package("server", '\n[dependencies]\nlib = { path = "../lib", version = "0.25" }\n'
        '\n[target.\'cfg(unix)\'.build-dependencies]\nlib.workspace = true\n\n[dev-dependencies]\nbeta = "1"\n'),
        "server/src/main.rs": "fn main() { lib::it() }\n", "server/build.rs": "fn main() { lib::it() }\n",
    }  # fmt: skip
    _, second = both_builds(tree(files), tmp_path)
    assert second.compiled == {"lib 0.25.7", "server 0.1.0"}


@pytest.mark.parametrize("script", ["build.rs", "mycustomscript.rs"])
def test_a_real_build_script_runs(tree: Tree, tmp_path: Path, script: str) -> None:
    """What the real build script says and writes reaches the program, under any name and however old its file is."""
    # crane #117 and its checks with-build-script and with-build-script-custom: all files had one and the same time.
    files = {
        "Cargo.toml": package("app", f'build = "{script}"\n\n[build-dependencies]\ngamma = "0.3"\n'),
        "src/main.rs": 'fn main() { println!("{}", env!("SAID")) }\n',
        script: 'fn main() { println!("cargo:rustc-env=SAID={}", gamma::gamma()) }\n',
    }
    root = tree(files)
    oracle.date(root, 1)
    first, second = both_builds(root, tmp_path)
    assert "gamma 0.3.0" in first.compiled & second.fresh
    program = subprocess.run(
        [tmp_path / "target/debug/app"], capture_output=True, text=True, check=True
    ).stdout
    assert program == "3\n"


def test_warnings_are_errors(tree: Tree, tmp_path: Path) -> None:
    """With `--deny warnings` for everything, no stub fails; a dependency's warnings are capped by cargo itself."""
    # crane #500: stubs had warnings of their own.
    files = {
        "Cargo.toml": package("app", '\n[dependencies]\ngamma = "0.3"\n'),
        ".cargo/config.toml": '[build]\nrustflags = ["--deny", "warnings", "-Dunused_crate_dependencies"]\n',
        "src/main.rs": "fn main() { gamma::gamma(); }\n",
        "tests/t.rs": "", "examples/e.rs": MAIN,
    }  # fmt: skip
    root = tree(files)
    oracle.cargo("generate-lockfile", "--offline", cwd=root)
    workspace = RustWorkspace.load(root)
    laid = oracle.lay(workspace.skeleton(), workspace, tmp_path / "skeleton")
    flags = {"RUSTFLAGS": "--deny warnings -Dunused_crate_dependencies"}
    oracle.cargo(*oracle.CHECK_ALL, "--locked", cwd=laid, target_dir=tmp_path / "target", env=flags)


def test_targets_that_share_a_file(tree: Tree, tmp_path: Path) -> None:
    """Three binaries made of one file, beside one that is found, are four targets, and their dependencies compile."""
    # crane's check overlapping-targets.
    bins = "".join(f'\n[[bin]]\nname = "{name}"\npath = "src/foo.rs"\n' for name in ("foo", "bar", "baz"))
    files = {
        "Cargo.toml": package("shared", f'{bins}\n[dependencies]\ngamma = "0.3"\n'),
        "src/main.rs": MAIN,
        "src/foo.rs": "fn main() { gamma::gamma(); }\n",
    }
    root = tree(files)
    assert oracle.facts_of_model(RustWorkspace.load(root)) == oracle.facts_of_cargo(root)
    first, second = both_builds(root, tmp_path, Wanted(bins=("bar",)))
    assert "gamma 0.3.0" in first.compiled & second.fresh


@pytest.mark.parametrize(
    "declared", ['crate-type = ["proc-macro"]', "proc-macro = true", "proc_macro = true"]
)
def test_a_procedural_macro(tree: Tree, tmp_path: Path, declared: str) -> None:
    """However a library is declared a procedural macro, it is one in the skeleton, built for the host."""
    # crane's check proc-macro-crate-type.
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["app", "my-macro"]\nresolver = "2"\n',
        "app/Cargo.toml": package("app", '\n[dependencies]\nmy-macro = { path = "../my-macro" }\n'),
        "app/src/main.rs": "my_macro::nothing!();\nfn main() {}\n",
        "my-macro/Cargo.toml": package("my-macro", f'\n[lib]\n{declared}\n\n[dependencies]\ngamma = "0.3"\n'),
        "my-macro/src/lib.rs": MACRO,
    }
    root = tree(files)
    assert RustWorkspace.load(root).package("my-macro").library is not None
    assert tomli.loads(skeleton_of(root).files["my-macro/Cargo.toml"])["lib"]["proc-macro"] is True
    first, second = both_builds(root, tmp_path, flags=("--target", oracle.host()))
    assert "gamma 0.3.0" in first.compiled & second.fresh
    assert second.compiled == {"app 0.1.0", "my-macro 0.1.0"}


def test_an_invalid_manifest_that_nobody_names(tree: Tree, tmp_path: Path) -> None:
    """A Cargo.toml in test data that is not even TOML is not read, and so is no obstacle."""
    # crane's check simple-with-extra-invalid-cargo-toml.
    files = {
        "Cargo.toml": package("app"), "src/main.rs": MAIN,
        "tests/data/broken/Cargo.toml": "this is [not TOML", "broken/Cargo.toml": "[[[",
    }  # fmt: skip
    _, second = both_builds(tree(files), tmp_path)
    assert second.compiled == {"app 0.1.0"}


def test_members_that_are_only_path_dependencies(tree: Tree, tmp_path: Path) -> None:
    """Members left out of `members`, because others depend on them, are stubs like all members."""
    # crane's check workspace-hack, in which two of four members are not listed.
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["hack", "print"]\nresolver = "2"\n',
        "hack/Cargo.toml": package("hack", '\n[dependencies]\nbeta = "1"\n'), "hack/src/lib.rs": "",
        "print/Cargo.toml": package("print", '\n[dependencies]\nhello = { path = "../hello" }\n'),
        "print/src/main.rs": "fn main() { hello::it() }\n",
        "hello/Cargo.toml": package("hello", '\n[dependencies]\nhack = { path = "../hack", version = "0.1" }\n'),
        "hello/src/lib.rs": LIB,
    }  # fmt: skip
    root = tree(files)
    assert {item.name for item in RustWorkspace.load(root).packages} == {"hack", "hello", "print"}
    first, second = both_builds(root, tmp_path, Wanted(bins=("print",)))
    assert "beta 1.0.0" in first.compiled & second.fresh


def test_targets_that_are_missing_in_a_package_outside(tree: Tree, tmp_path: Path) -> None:
    """A package that is no member may declare tests, examples and benchmarks whose files somebody left out."""
    missing = '\n[[test]]\nname = "t"\n\n[[example]]\nname = "e"\n\n[[bench]]\nname = "b"\n'
    files = {
        "Cargo.toml": package(
            "app", '\n[workspace]\nexclude = ["fork"]\n\n[dependencies]\nfork = { path = "fork" }\n'
        ),
        "src/main.rs": "fn main() { fork::it() }\n",
        "fork/Cargo.toml": package("fork", missing),
        "fork/src/lib.rs": LIB,
    }
    root = tree(files)
    (fork,) = RustWorkspace.load(root).local_packages
    assert [item.kind for item in fork.targets] == ["lib"]
    both_builds(root, tmp_path)
