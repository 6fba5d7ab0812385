"""Cases that others stumbled over, each with its origin; the shapes alone are in `layouts.py`."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import tomli

from pytest_dagger_rust.errors import WorkspaceError
from pytest_dagger_rust.workspace import RustWorkspace
from tests.cargo import oracle, shelf
from tests.cargo.builds import Tree, Wanted, both_builds, skeleton_of
from tests.cargo.layouts import LIB, MAIN, package

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = [
    pytest.mark.skipif(shutil.which("cargo") is None, reason="compares with cargo"),
    pytest.mark.usefixtures("shelf_only"),
]


def test_workspaces_that_share_a_package(tree: Tree, tmp_path: Path) -> None:
    """Two workspaces beside each other that both use a third folder: the folder stays real, at its place."""
    # cargo-chef #4, #51: `path = "../api"` ended at another place than the package did.
    root = tree(
        {
            "server/Cargo.toml": package(
                "server", '\n[workspace]\n\n[dependencies]\napi = { path = "../api" }\n'
            ),
            "server/src/main.rs": "fn main() { api::it() }\n",
            "client/Cargo.toml": package(
                "client", '\n[workspace]\n\n[dependencies]\napi = { path = "../api" }\n'
            ),
            "client/src/main.rs": "fn main() { api::it() }\n",
            "api/Cargo.toml": package("api", '\n[dependencies]\ngamma = "0.3"\n'),
            "api/src/lib.rs": "pub fn it() { gamma::gamma(); }\n",
        }
    )
    assert skeleton_of(root / "server").sources == ("../api/src/lib.rs",)
    _, second = both_builds(root / "server", tmp_path)
    assert "gamma 0.3.0" in second.fresh


def test_a_package_outside_that_needs_a_member(tree: Tree, tmp_path: Path) -> None:
    """A package that is no member but needs one cannot stay real, since there is only a stub to build it with."""
    # cargo-chef #207, #215: such packages were cut off, or built whole.
    root = tree(
        {
            "main/Cargo.toml": package("app", '\n[workspace]\nmembers = ["core"]\n\n[dependencies]\n'
            'helper = { path = "../helper" }\n'),
            "main/src/main.rs": "fn main() { helper::it() }\n",
            "main/core/Cargo.toml": package("core-parts", '\n[dependencies]\nalpha = "1"\n'),
            "main/core/src/lib.rs": "pub fn it() { alpha::alpha(); }\n",
            "helper/Cargo.toml": package("helper", '\n[dependencies]\ncore-parts = { path = "../main/core" }\n'
            'gamma = "0.3"\n'),
            "helper/src/lib.rs": "pub fn it() { core_parts::it() }\n",
        }
    )  # fmt: skip
    assert skeleton_of(root / "main").sources == ()
    before = skeleton_of(root / "main").digest
    (root / "helper" / "src" / "lib.rs").write_text("pub fn it() {}\n")
    assert skeleton_of(root / "main").digest == before
    _, second = both_builds(root / "main", tmp_path)
    assert {"gamma 0.3.0", "alpha 1.1.0"} <= second.fresh


def test_a_patched_dependency_is_really_patched(tree: Tree, tmp_path: Path) -> None:
    """A package that `[patch]` puts in another's place keeps its sources, or what needs it would not compile."""
    # cargo-chef #64: the patch was replaced by an empty library.
    root = tree(
        {
            "Cargo.toml": package("app", '\n[dependencies]\nouter = "1"\n\n[patch.crates-io]\n'
            'inner = { path = "patches/inner" }\n'),
            "src/main.rs": "fn main() { assert_eq!(outer::outer(), 5) }\n",
            "patches/inner/Cargo.toml": package("inner", version="1.0.9"),
            "patches/inner/src/lib.rs": "pub fn inner() -> u32 { 5 }\n",
        }
    )  # fmt: skip
    before = skeleton_of(root).digest
    first, second = both_builds(root, tmp_path)
    assert {"inner 1.0.9", "outer 1.0.0"} <= first.compiled
    assert "outer 1.0.0" in second.fresh
    (root / "patches" / "inner" / "src" / "lib.rs").write_text("pub fn inner() -> u32 { 6 }\n")
    assert skeleton_of(root).digest != before


def test_a_patch_in_the_configuration(tree: Tree, tmp_path: Path) -> None:
    """`[patch]` may stand in cargo's configuration too, with paths relative to the folder that has it."""
    # cargo-chef #64, in the form cargo has had since 1.56.
    root = tree(
        {
            ".cargo/config.toml": '[patch.crates-io]\ninner = { path = "patches/inner" }\n',
            "w/Cargo.toml": package("app", '\n[dependencies]\nouter = "1"\n'),
            "w/src/main.rs": "fn main() { assert_eq!(outer::outer(), 5) }\n",
            "patches/inner/Cargo.toml": package("inner", version="1.0.9"),
            "patches/inner/src/lib.rs": "pub fn inner() -> u32 { 5 }\n",
        }
    )
    assert skeleton_of(root / "w").sources == ("../patches/inner/src/lib.rs",)
    first, second = both_builds(root / "w", tmp_path, same_place=True)
    assert {"inner 1.0.9", "outer 1.0.0"} <= first.compiled
    assert "outer 1.0.0" in second.fresh


def test_vendored_packages(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cargo's configuration names as vendored is copied whole, and its manifests are nobody's members."""
    # cargo-chef #74, #120: the vendored sources were replaced by stubs, and their checksums did not fit.
    root = tree(
        {
            "Cargo.toml": package("app", '\n[dependencies]\nbeta = "1"\n'),
            "src/main.rs": "fn main() { beta::beta(); }\n",
            ".cargo/config.toml": shelf.configuration("third-party"),
        }
    )
    shelf.fill(root / "third-party")
    (tmp_path / "empty-home").mkdir()
    monkeypatch.setenv("CARGO_HOME", str(tmp_path / "empty-home"))
    sources = skeleton_of(root).sources
    assert "third-party/beta-1.0.0/src/lib.rs" in sources
    assert "third-party/beta-1.0.0/.cargo-checksum.json" in sources
    first, second = both_builds(root, tmp_path, same_place=True)
    assert {"alpha 1.1.0", "beta 1.0.0"} <= first.compiled & second.fresh
    assert second.compiled == {"app 0.1.0"}


def test_the_stub_of_a_build_script_leaves_nothing(tree: Tree, tmp_path: Path) -> None:
    """The real build script runs, and what it writes is there, although a stub of it was compiled before."""
    # cargo-chef #42, naersk #64: the output of the stub was taken for that of the real script.
    root = tree(
        {
            "Cargo.toml": package("generated", '\n[build-dependencies]\ngamma = "0.3"\n'),
            "src/main.rs": 'include!(concat!(env!("OUT_DIR"), "/built.rs"));\n',
            "build.rs": 'fn main() { gamma::gamma(); let out = std::env::var("OUT_DIR").unwrap();\n'
            'std::fs::write(out + "/built.rs", "fn main() {}").unwrap() }\n',
        }
    )
    first, second = both_builds(root, tmp_path)
    assert "gamma 0.3.0" in first.compiled & second.fresh
    assert second.compiled == {"generated 0.1.0"}


def test_a_benchmark_declared_without_its_path(tree: Tree, tmp_path: Path) -> None:
    """A benchmark in a folder of its own is found there, and no file of it is guessed."""
    # cargo-chef #14, #16, #140, #203: a stub at the wrong one of two places made cargo find none, or both.
    files = {
        "Cargo.toml": package(
            "measured", '\n[[bench]]\nname = "bench"\nharness = false\n\n[[bin]]\nname = "measured"\n'
        ),
        "src/lib.rs": LIB,
        "src/main.rs": MAIN,
        "benches/bench/main.rs": MAIN,
        "benches/bench/part.rs": "",
    }
    root = tree(files)
    bench = RustWorkspace.load(root).packages[0].of_kind("bench")
    assert [(item.name, item.src_path, item.harness) for item in bench] == [
        ("bench", "benches/bench/main.rs", False)
    ]
    both_builds(root, tmp_path)


def test_an_example_named_as_a_file_of_another(tree: Tree) -> None:
    """A declared example without a path and one that is found are one and the same."""
    # cargo-chef #295: the two were listed twice.
    files = {
        "Cargo.toml": package("x", '\n[[example]]\nname = "run"\n'),
        "src/lib.rs": LIB,
        "examples/run.rs": MAIN,
    }
    root = tree(files)
    assert oracle.facts_of_model(RustWorkspace.load(root)) == oracle.facts_of_cargo(root)


def test_dependencies_of_platforms(tree: Tree) -> None:
    """Dependencies of a platform are kept, and masked like all others."""

    # cargo-chef #153: versions of own packages in them were not masked.
    def write(version: str) -> dict[str, str]:
        rest = '\n[target.\'cfg(unix)\'.dependencies]\nb = { path = "../b", version = "' + version + '" }\n'
        return {
            "Cargo.toml": '[workspace]\nmembers = ["a", "b"]\nresolver = "2"\n',
            "a/Cargo.toml": package("a", rest, version=version), "a/src/lib.rs": LIB,
            "b/Cargo.toml": package("b", version=version), "b/src/lib.rs": LIB,
        }  # fmt: skip

    root = tree(write("1.0.0"))
    before = skeleton_of(root)
    oracle.write_tree(root, write("2.0.0"))
    assert skeleton_of(root).digest == before.digest
    manifest = tomli.loads(before.files["a/Cargo.toml"])
    assert manifest["target"]["cfg(unix)"]["dependencies"] == {"b": {"path": "../b"}}


@pytest.mark.parametrize("name", ["rust-toolchain", "rust-toolchain.toml"])
def test_the_toolchain(tree: Tree, name: str) -> None:
    """The toolchain is read in both forms of its file, and also above the workspace."""
    # cargo-chef #231, #271: dependencies were compiled by another toolchain than the rest.
    text = (
        "nightly-2025-01-01\n"
        if name == "rust-toolchain"
        else '[toolchain]\nchannel = "nightly-2025-01-01"\n'
    )
    root = tree({name: text, "w/Cargo.toml": package("a"), "w/src/lib.rs": LIB})
    workspace = RustWorkspace.load(root / "w")
    assert workspace.toolchain == "nightly-2025-01-01"
    kept = tomli.loads(workspace.skeleton().files[f"../{name}"])
    assert kept == {"toolchain": {"channel": "nightly-2025-01-01"}}


def test_the_nearest_toolchain_counts(tree: Tree) -> None:
    """Of several toolchain files the nearest counts, and of two side by side the one without an ending."""
    root = tree(
        {
            "rust-toolchain": "1.80", "w/rust-toolchain": "1.81", "w/rust-toolchain.toml": '[toolchain]\nchannel = "1.82"\n',
            "w/Cargo.toml": package("a"), "w/src/lib.rs": LIB,
        }
    )  # fmt: skip
    assert RustWorkspace.load(root / "w").toolchain == "1.81"


def test_configuration_at_every_level(tree: Tree) -> None:
    """Cargo's configuration is taken from the root up to the boundary, with what it includes, and from nowhere else."""
    root = tree(
        {
            ".cargo/config.toml": '[build]\nrustflags = ["--cfg", "outer"]\n',
            "deep/.cargo/config": 'include = ["more.toml"]\n[env]\nB = "1"\n',
            "deep/.cargo/config.toml": "[env]\nIGNORED = \"since the other is there\"\n",
            "deep/.cargo/more.toml": '[target.x86_64-unknown-linux-gnu]\nlinker = "tools/ld.sh"\n',
            "deep/tools/ld.sh": "#!/bin/sh\n",
            "deep/w/Cargo.toml": '[workspace]\nmembers = ["a"]\nresolver = "2"\n',
            "deep/w/a/Cargo.toml": package("a"), "deep/w/a/src/lib.rs": LIB,
            "deep/w/a/.cargo/config.toml": "broken [",
        }
    )  # fmt: skip
    skeleton = skeleton_of(root / "deep" / "w")
    kept = {name for name in skeleton.files if ".cargo" in name}
    assert kept == {"../../.cargo/config.toml", "../.cargo/config", "../.cargo/more.toml"}
    assert skeleton.sources == ("../tools/ld.sh",)


def test_bumped_versions(tree: Tree, tmp_path: Path) -> None:
    """A new version of own packages compiles no dependency again, and the program knows its new version."""
    # cargo-chef #35, #81, crane #288: the version was in manifests, in requirements and in the lock file.
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["app", "lib"]\nresolver = "2"\n[workspace.package]\nversion = "1.0.0"\n',
        "app/Cargo.toml": '[package]\nname = "app"\nversion.workspace = true\n[dependencies]\n'
        'lib = { path = "../lib", version = "1.0" }\nbeta = "1"\n',
        "app/src/main.rs": 'extern crate beta;\nfn main() { println!("{}", env!("CARGO_PKG_VERSION")); beta::beta(); }\n',
        "lib/Cargo.toml": '[package]\nname = "lib"\nversion.workspace = true\n',
        "lib/src/lib.rs": LIB,
    }
    root = tree(files)
    both_builds(root, tmp_path)
    before = skeleton_of(root).digest
    for name in ("Cargo.toml", "app/Cargo.toml"):
        (root / name).write_text(files[name].replace('"1.0', '"2.0'))
    oracle.cargo("update", "--offline", "--workspace", cwd=root)
    assert skeleton_of(root).digest == before
    done = oracle.build(root, tmp_path / "target")
    assert done.compiled == {"app 2.0.0", "lib 2.0.0"}
    program = subprocess.run(
        [tmp_path / "target" / "debug" / "app"], capture_output=True, text=True, check=True
    )
    assert program.stdout == "2.0.0\n"


def test_an_old_time_of_a_source(tree: Tree, tmp_path: Path) -> None:
    """A source older than the stub's artifacts is compiled all the same."""
    # cargo #7181, #9312: the stub's artifact was newer, and so the program did nothing. cargo goes by times to this
    # day, unless a nightly one is told otherwise; it is the stub's version that keeps the artifacts apart.
    root = tree(
        {
            "Cargo.toml": package("app", '\n[dependencies]\ngamma = "0.3"\n'),
            "src/main.rs": 'fn main() { println!("real") }\n',
        }
    )
    for path in (root / "src" / "main.rs", root / "Cargo.toml"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    _, second = both_builds(root, tmp_path)
    assert second.compiled == {"app 0.1.0"}
    program = subprocess.run(
        [tmp_path / "target" / "debug" / "app"], capture_output=True, text=True, check=True
    )
    assert program.stdout == "real\n"


def test_a_binary_that_needs_features(tree: Tree, tmp_path: Path) -> None:
    """With the features it requires, a binary's optional dependencies are compiled from the skeleton too."""
    # cargo-chef, open: a binary with required-features was no target, or was one without its dependencies.
    files = {
        "Cargo.toml": package("gated", '\n[[bin]]\nname = "gated"\npath = "src/main.rs"\nrequired-features = ["cli"]\n\n'
        '[dependencies]\nbeta = { version = "1", optional = true }\n\n[features]\ncli = ["dep:beta"]\n'),
        "src/main.rs": "fn main() { beta::beta(); }\n",
    }  # fmt: skip
    first, second = both_builds(tree(files), tmp_path, Wanted(bins=("gated",)), ("--features", "cli"))
    assert "beta 1.0.0" in first.compiled & second.fresh


def test_a_package_of_which_only_tests_need_much(tree: Tree, tmp_path: Path) -> None:
    """For a plain build, what only tests need is compiled in neither build."""
    # crane's check simple-only-tests.
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["tested", "suite"]\nresolver = "2"\n',
        "tested/Cargo.toml": package("tested"), "tested/src/lib.rs": LIB,
        "suite/Cargo.toml": package("suite", '\n[dependencies]\nbeta = "1"\n'), "suite/tests/all.rs": "",
    }  # fmt: skip
    first, second = both_builds(tree(files), tmp_path)
    assert {item.split()[0] for item in first.compiled} == {"tested"}
    assert second.compiled == {"tested 0.1.0"}


def test_a_package_without_a_library_that_another_names(tree: Tree, tmp_path: Path) -> None:
    """A program that a member depends on, as cargo allows with a warning, gets its own dependencies compiled."""
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["app", "checks"]\nresolver = "2"\n',
        "app/Cargo.toml": package("app", '\n[dependencies]\nbeta = "1"\n'),
        "app/src/main.rs": "fn main() { beta::beta(); }\n",
        "checks/Cargo.toml": package("checks", '\n[dev-dependencies]\napp = { path = "../app" }\n'),
        "checks/src/lib.rs": LIB,
    }
    first, second = both_builds(tree(files), tmp_path)
    assert {"alpha 1.1.0", "beta 1.0.0"} <= first.compiled & second.fresh


def test_a_workspace_hack(tree: Tree, tmp_path: Path) -> None:
    """A member that only unifies features does so from the skeleton as well."""
    # crane's check workspace-hack.
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["app", "hack"]\nresolver = "2"\n',
        "app/Cargo.toml": package("app", '\n[dependencies]\nhack = { path = "../hack" }\n'
        'beta = { version = "1", default-features = false }\n'),
        "app/src/main.rs": "fn main() { beta::beta(); }\n",
        "hack/Cargo.toml": package("hack", '\n[dependencies]\nbeta = { version = "1", features = ["slow"] }\n'),
        "hack/src/lib.rs": "",
    }  # fmt: skip
    _, second = both_builds(tree(files), tmp_path)
    assert {item.split()[0] for item in second.compiled} == {"app", "hack"}


def test_two_packages_of_one_name(tree: Tree, tmp_path: Path) -> None:
    """A member may be named as a dependency from a registry is; the lock file tells the two apart."""
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["alpha", "app"]\nresolver = "2"\n',
        "alpha/Cargo.toml": package(
            "alpha", '\n[dependencies]\nreal = { package = "alpha", version = "1" }\n'
        ),
        "alpha/src/lib.rs": "pub fn it() -> u32 { real::alpha() }\n",
        "app/Cargo.toml": package("app", '\n[dependencies]\nalpha = { path = "../alpha" }\nbeta = "1"\n'),
        "app/src/main.rs": "fn main() { alpha::it(); beta::beta(); }\n",
    }
    root = tree(files)
    first, second = both_builds(root, tmp_path)
    assert {"alpha 1.1.0", "beta 1.0.0"} <= first.compiled & second.fresh
    flags = skeleton_of(root).selection(Wanted(packages=("alpha",)))
    assert flags == ("--package", "alpha@0.0.0-skeleton", "--lib")
    oracle.build(tmp_path / "skeleton", tmp_path / "target", flags)


def test_an_excluded_package_below_a_member(tree: Tree, tmp_path: Path) -> None:
    """A package that `exclude` keeps out below a member's folder stays out in the skeleton too."""
    # cargo #6745: an entry of `members` outweighs `exclude` for everything below it, but a pattern does not.
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["app*"]\nexclude = ["app/vendored"]\nresolver = "2"\n',
        "app/Cargo.toml": package("app", '\n[dependencies]\nvendored = { path = "vendored" }\n'),
        "app/src/main.rs": "fn main() { vendored::it() }\n",
        "app/vendored/Cargo.toml": package("vendored"),
        "app/vendored/src/lib.rs": LIB,
    }
    root = tree(files)
    workspace = RustWorkspace.load(root)
    laid = oracle.lay(workspace.skeleton(), workspace, tmp_path / "laid")
    assert [item.name for item in oracle.facts_of_cargo(laid)] == ["app"]
    both_builds(root, tmp_path)


def test_files_of_examples_in_folders_of_members(tree: Tree) -> None:
    """A package that stays real below the folder of a stub is not taken for an example of the stub."""
    files = {
        "Cargo.toml": package(
            "app",
            '\n[workspace]\nexclude = ["examples"]\n\n[dependencies]\nshown = { path = "examples/shown" }\n',
        ),
        "src/main.rs": MAIN,
        "examples/shown/Cargo.toml": package("shown"),
        "examples/shown/src/lib.rs": LIB,
        "examples/shown/main.rs": MAIN,
    }
    skeleton = skeleton_of(tree(files))
    assert skeleton.sources == ("examples/shown/main.rs", "examples/shown/src/lib.rs")
    assert tomli.loads(skeleton.files["Cargo.toml"])["package"]["autoexamples"] is False


def test_artifact_dependencies(tree: Tree, tmp_path: Path) -> None:
    """A binary that another member depends on as an artifact is in the skeleton by its name."""
    # crane #258, #262, #312, #444 and its check bindeps; cargo knows these dependencies on nightly only.
    if (
        shutil.which("rustup") is None
        or subprocess.run(
            ["rustup", "run", "nightly", "cargo", "-V"], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("there is no nightly toolchain")
    files = {
        "Cargo.toml": '[workspace]\nmembers = ["tool", "user"]\nresolver = "2"\n',
        ".cargo/config.toml": "[unstable]\nbindeps = true\n",
        "tool/Cargo.toml": package("tool", '\n[dependencies]\ngamma = "0.3"\n'),
        "tool/src/bin/first.rs": "fn main() { gamma::gamma(); }\n", "tool/src/bin/second.rs": MAIN,
        "user/Cargo.toml": package("user", '\n[build-dependencies]\ntool = { path = "../tool", artifact = "bin:first" }\n'),
        "user/src/lib.rs": LIB, "user/build.rs": 'fn main() { std::env::var("CARGO_BIN_FILE_TOOL_first").unwrap(); }\n',
    }  # fmt: skip
    root = tree(files)
    env = {"RUSTUP_TOOLCHAIN": "nightly"}
    oracle.cargo("generate-lockfile", "--offline", cwd=root, env=env)
    workspace = RustWorkspace.load(root)
    skeleton = workspace.skeleton()
    laid = oracle.lay(skeleton, workspace, tmp_path / "skeleton")
    flags = ("build", "--offline", "--locked", *skeleton.selection(Wanted()))
    oracle.cargo(*flags, cwd=laid, target_dir=tmp_path / "target", env=env)
    output = oracle.cargo(
        "build",
        "--offline",
        "--locked",
        "--message-format=json",
        cwd=root,
        target_dir=tmp_path / "target",
        env=env,
    )
    assert not [line for line in output.splitlines() if '"gamma"' in line and '"fresh":false' in line]


def test_a_long_chain_of_packages(tree: Tree) -> None:
    """Packages that depend on each other in a long row are followed to the end."""
    files = {
        "Cargo.toml": package("p0", '\n[workspace]\n\n[dependencies]\np1 = { path = "p1" }\n'),
        "src/lib.rs": LIB,
    }
    for number in range(1, 1500):
        rest = f'\n[dependencies]\np{number + 1} = {{ path = "../p{number + 1}" }}\n' if number < 1499 else ""
        files |= {f"p{number}/Cargo.toml": package(f"p{number}", rest), f"p{number}/src/lib.rs": ""}
    workspace = RustWorkspace.load(tree(files))
    assert len(workspace.packages) == 1500
    assert len([name for name in workspace.skeleton().files if name.endswith("Cargo.toml")]) == 1500


@pytest.mark.parametrize(("edition", "kept"), [("2021", {}), ("2024", {"default-features": False})])
def test_default_features_turned_off_by_a_member(tree: Tree, edition: str, kept: dict[str, bool]) -> None:
    """A member turns off the default features of a dependency it inherits since the 2024 edition, not before."""
    # Rust RFC 3945, in cargo from 1.99 on; until then cargo rejects this in the 2024 edition.
    spec = "\n[dependencies]\nbeta = { workspace = true, default-features = false }\n"
    root = tree(
        {
            "Cargo.toml": '[workspace]\nmembers = ["a"]\nresolver = "2"\n[workspace.dependencies]\nbeta = "1"\n',
            "a/Cargo.toml": package("a", spec, edition=edition),
            "a/src/lib.rs": LIB,
        }
    )
    manifest = tomli.loads(skeleton_of(root).files["a/Cargo.toml"])
    assert manifest["dependencies"]["beta"] == {"version": "1", **kept}


def test_git_dependencies(tree: Tree) -> None:
    """A git dependency keeps everything that says what is fetched, in the manifest and in the lock file."""
    # cargo-chef #250 is about how much of such a repository is fetched, which is cargo's affair.
    spec = '{ git = "https://example.invalid/r.git", rev = "0123abc", features = ["b", "a"] }'
    source = "git+https://example.invalid/r.git?rev=0123abc#0123abc0000000000000000000000000000000000"
    lock = f'version = 4\n\n[[package]]\nname = "app"\nversion = "0.1.0"\ndependencies = ["r"]\n\n[[package]]\nname = "r"\nversion = "1.0.0"\nsource = "{source}"\n'
    root = tree(
        {
            "Cargo.toml": package("app", f"\n[dependencies]\nr = {spec}\n"),
            "src/lib.rs": LIB,
            "Cargo.lock": lock,
        }
    )
    files = skeleton_of(root).files
    assert tomli.loads(files["Cargo.toml"])["dependencies"]["r"] == {
        "git": "https://example.invalid/r.git", "rev": "0123abc", "features": ["a", "b"],
    }  # fmt: skip
    assert source in files["Cargo.lock"]


def test_real_manifests_are_never_touched(tree: Tree) -> None:
    """Loading a workspace and making its skeleton writes nothing."""
    root = tree({"Cargo.toml": package("app"), "src/lib.rs": LIB})
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    skeleton_of(root)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_an_error_names_the_place_in_another_manifest(tree: Tree) -> None:
    """A path in `[workspace.dependencies]` that leads nowhere is named where a member inherits it."""
    root = tree(
        {
            "Cargo.toml": '[workspace]\nmembers = ["a"]\n[workspace.dependencies]\nb = { path = "b" }\n',
            "a/Cargo.toml": package("a", "\n[dependencies]\nb.workspace = true\n"), "a/src/lib.rs": LIB,
        }
    )  # fmt: skip
    with pytest.raises(WorkspaceError) as caught:
        RustWorkspace.load(root)
    assert (caught.value.file, caught.value.line) == (root / "a" / "Cargo.toml", 7)
