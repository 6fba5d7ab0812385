"""Workspaces of every shape, each small: what the model is compared on and skeletons are built from.

The sources compile, with the packages on the shelf as dependencies. A name that starts with `*` is the place to
load, where that is not the root of the tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LIB = "pub fn it() {}\n"
MAIN = "fn main() {}\n"
NO_STD = "#![no_std]\npub fn it() {}\n"
MACRO = (
    "extern crate proc_macro;\n#[proc_macro]\n"
    "pub fn nothing(_: proc_macro::TokenStream) -> proc_macro::TokenStream { Default::default() }\n"
)


def package(name: str, rest: str = "", *, version: str = "0.1.0", edition: str = "2021") -> str:
    """Return a manifest; `rest` follows the keys of its [package]."""
    return f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "{edition}"\n{rest}'


def _workspace(members: str = '"crates/*"', rest: str = 'resolver = "2"\n') -> str:
    return f"[workspace]\nmembers = [{members}]\n{rest}"


_FIVE_KINDS = {
    "src/lib.rs": LIB,
    "src/main.rs": MAIN,
    "src/bin/tool.rs": MAIN,
    "src/bin/other/main.rs": MAIN,
    "src/bin/other/part.rs": "",
    "src/bin/.hidden.rs": "broken",
    "src/bin/notes.txt": "",
    "tests/works.rs": "#[test]\nfn works() {}\n",
    "tests/deep/main.rs": "",
    "tests/deep/helper.rs": "",
    "tests/common/mod.rs": "",
    "examples/shown.rs": MAIN,
    "examples/large/main.rs": MAIN,
    "benches/fast.rs": "",
    "build.rs": MAIN,
}

LAYOUTS: Mapping[str, Mapping[str, str]] = {
    "all kinds found": {"Cargo.toml": package("all-kinds"), **_FIVE_KINDS},
    "nothing looked for": {
        "Cargo.toml": package(
            "explicit",
            "autolib = false\nautobins = false\nautoexamples = false\nautotests = false\nautobenches = false\n"
            'build = false\n\n[[bin]]\nname = "only"\npath = "src/main.rs"\n',
        ),
        **_FIVE_KINDS,
    },
    "2015, a declared binary turns the search off": {
        "Cargo.toml": package("old", '\n[[bin]]\nname = "tool"\n\n[[test]]\nname = "works"\n', edition="2015"),
        **_FIVE_KINDS,
    },
    "2015, old places": {
        "Cargo.toml": package("old-places", '\n[lib]\nname = "legacy"\n\n[[bin]]\nname = "odd"\n', edition="2015"),
        "src/legacy.rs": LIB,
        "src/main.rs": MAIN,
    },
    "2018, a declared binary leaves the search on": {
        "Cargo.toml": package("newer", '\n[[bin]]\nname = "tool"\ntest = false\n', edition="2018"),
        **_FIVE_KINDS,
    },
    "a binary declared under another name": {
        "Cargo.toml": package("app", '\n[[bin]]\nname = "other-name"\npath = "./src/main.rs"\n'),
        "src/main.rs": MAIN,
    },
    "a binary named as the package, with src/bin beside it": {
        "Cargo.toml": package("app", 'default-run = "app"\n\n[[bin]]\nname = "app"\n'),
        "src/main.rs": MAIN,
        "src/bin/helper.rs": MAIN,
    },
    "a binary found in its folder": {
        "Cargo.toml": package("app", '\n[[bin]]\nname = "deep"\n'),
        "src/lib.rs": LIB,
        "src/bin/deep/main.rs": MAIN,
    },
    "a test without harness, a benchmark too": {
        "Cargo.toml": package(
            "plain",
            '\n[[test]]\nname = "own"\nharness = false\n\n[[bench]]\nname = "own"\nharness = false\n',
        ),
        "src/lib.rs": LIB,
        "tests/own.rs": MAIN,
        "benches/own.rs": MAIN,
    },
    "hyphens": {
        "Cargo.toml": package("with-hyphens", '\n[lib]\nname = "without_any"\n'),
        "src/lib.rs": LIB,
        "src/bin/with-hyphen.rs": MAIN,
    },
    "library of several kinds": {
        "Cargo.toml": package("many", '\n[lib]\ncrate-type = ["cdylib", "rlib", "staticlib"]\n'),
        "src/lib.rs": LIB,
        "src/main.rs": MAIN,
    },
    "library for other languages, and a binary": {
        "Cargo.toml": package("foreign", '\n[lib]\ncrate-type = ["cdylib"]\n'),
        "src/lib.rs": LIB,
        "src/main.rs": MAIN,
    },
    "library to be loaded": {
        "Cargo.toml": package("loaded", '\n[lib]\ncrate-type = ["dylib"]\n'),
        "src/lib.rs": LIB,
    },
    "static library without std": {
        "Cargo.toml": package(
            "firmware",
            '\n[lib]\ncrate-type = ["staticlib"]\n\n[profile.dev]\npanic = "abort"\n\n'
            '[profile.release]\npanic = "abort"\nlto = true\n',
        ),
        "src/lib.rs": "#![no_std]\n#[panic_handler]\n"
        "fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }\n",
    },
    "procedural macro": {
        "Cargo.toml": package("macros", '\n[lib]\nproc-macro = true\n\n[dependencies]\ngamma = "0.3"\n'),
        "src/lib.rs": MACRO,
    },
    "procedural macro by its crate type": {
        "Cargo.toml": package("macros", '\n[lib]\ncrate-type = ["proc-macro"]\n'),
        "src/lib.rs": MACRO,
    },
    "procedural macro in the old spelling": {
        "Cargo.toml": package("macros", "\n[lib]\nproc_macro = true\n"),
        "src/lib.rs": MACRO,
    },
    "example libraries": {
        "Cargo.toml": package("shown", '\n[[example]]\nname = "plugin"\ncrate-type = ["staticlib"]\n'),
        "src/lib.rs": LIB,
        "examples/plugin.rs": "",
    },
    "required features": {
        "Cargo.toml": package(
            "gated",
            '\n[[bin]]\nname = "gated"\npath = "src/main.rs"\nrequired-features = ["cli", "beta/slow"]\n\n'
            '[dependencies]\nbeta = { version = "1", optional = true }\ngamma = { version = "0.3", optional = true }\n\n'
            '[features]\ncli = ["dep:beta", "gamma"]\n',
        ),
        "src/lib.rs": LIB,
        "src/main.rs": "fn main() { beta::beta(); gamma::gamma(); }\n",
    },
    "only tests": {
        "Cargo.toml": package("only-tests", '\n[dependencies]\nbeta = "1"\n'),
        "tests/first.rs": "#[test]\nfn first() { beta::beta(); }\n",
    },
    "only examples": {"Cargo.toml": package("only-examples"), "examples/one.rs": MAIN},
    "sources in another place": {
        "Cargo.toml": package(
            "elsewhere",
            'build = "build/main.rs"\n\n[lib]\npath = "lib/root.rs"\n\n[[bin]]\nname = "tool"\npath = "tools/tool.rs"\n',
        ),
        "lib/root.rs": LIB,
        "tools/tool.rs": MAIN,
        "build/main.rs": MAIN,
    },
    "one file for two targets": {
        "Cargo.toml": package(
            "shared",
            '\n[[bin]]\nname = "one"\npath = "src/main.rs"\n\n[[bin]]\nname = "two"\npath = "src/main.rs"\n',
        ),
        "src/main.rs": MAIN,
    },
    "one file for targets of two members": {
        "Cargo.toml": _workspace(),
        "crates/a/Cargo.toml": package("a", '\n[[bin]]\nname = "a"\npath = "../../shared/main.rs"\n'),
        "crates/b/Cargo.toml": package("b", '\n[[bin]]\nname = "b"\npath = "../../shared/main.rs"\n'),
        "shared/main.rs": MAIN,
    },
    "an edition for one target": {
        "Cargo.toml": package("mixed", '\n[[bin]]\nname = "old"\npath = "src/old.rs"\nedition = "2015"\n'),
        "src/old.rs": MAIN,
    },
    "no version": {
        "Cargo.toml": '[package]\nname = "unversioned"\nedition = "2021"\n\n[dependencies]\ngamma = "0.3"\n',
        "src/lib.rs": LIB,
    },
    "no edition": {"Cargo.toml": '[package]\nname = "unedited"\nversion = "1.0.0"\n', "src/lib.rs": LIB},
    "[project]": {
        "Cargo.toml": '[project]\nname = "ancient"\nversion = "1.0.0"\nauthors = []\n',
        "src/main.rs": MAIN,
    },
    "old spellings of dependencies": {
        "Cargo.toml": package(
            "spelled",
            '\n[dev_dependencies]\ngamma = "0.3"\n\n[build_dependencies]\n'
            'beta = { version = "1", default_features = false }\n',
            edition="2018",
        ),
        "src/lib.rs": LIB,
        "build.rs": "fn main() { beta::beta(); }\n",
    },
    "inherited everything": {
        "Cargo.toml": _workspace(
            rest='resolver = "2"\n\n[workspace.package]\nversion = "3.2.1"\nedition = "2021"\n'
            'authors = ["Somebody"]\nlicense = "MIT"\nrust-version = "1.70"\nreadme = "README.md"\n\n'
            '[workspace.lints.rust]\nunsafe_code = "forbid"\nmissing_docs = "deny"\n\n'
            '[workspace.dependencies]\nbeta = { version = "1", default-features = false }\n'
            'alpha = "1"\nlibrary = { path = "crates/library", version = "3" }\n'
        ),
        "README.md": "",
        "crates/library/Cargo.toml": '[package]\nname = "library"\nversion.workspace = true\n'
        "edition.workspace = true\nauthors.workspace = true\nreadme.workspace = true\nlicense = { workspace = true }\n"
        "rust-version.workspace = true\n\n[lints]\nworkspace = true\n\n[dependencies]\n"
        'beta = { workspace = true, features = ["slow"], default-features = true }\n',
        "crates/library/src/lib.rs": "//! Documented.\n\n/// Documented.\npub fn it() { beta::beta(); }\n",
        "crates/app/Cargo.toml": '[package]\nname = "app"\nversion.workspace = true\nedition.workspace = true\n\n'
        "[dependencies]\nlibrary.workspace = true\nalpha = { workspace = true, optional = true }\n\n"
        "[target.'cfg(unix)'.dependencies]\nbeta.workspace = true\n",
        "crates/app/src/main.rs": "fn main() { library::it(); beta::beta(); }\n",
    },
    "members by list, pattern and exclusion": {
        "Cargo.toml": _workspace(
            '"tools/*", "one", "./two/", "deep/**/leaf", "[xy]-?", "tools/excluded"',
            'exclude = ["tools/out", "tools/excluded"]\nresolver = "2"\n',
        ),
        **{
            f"{folder}/{name}": text
            for folder, label in {
                "tools/in": "in-it", "tools/out": "out", "tools/excluded": "kept", "one": "one", "two": "two",
                "deep/a/leaf": "leaf-a", "deep/a/b/leaf": "leaf-b", "x-1": "x1", "y-2": "y2",
            }.items()
            for name, text in {"Cargo.toml": package(label), "src/lib.rs": LIB}.items()
        },
        "tools/README.md": "a file that the pattern matches",
        "z-3/Cargo.toml": "not read: [",
    },
    "a pattern that matches a hidden folder": {
        "Cargo.toml": _workspace(),
        "crates/.hidden/Cargo.toml": package("hidden"),
        "crates/.hidden/src/lib.rs": LIB,
    },
    "members found by their paths only": {
        "Cargo.toml": package("top", '\n[workspace]\n\n[dependencies]\nmiddle = { path = "libs/middle" }\n'),
        "src/main.rs": "fn main() { middle::it(); }\n",
        "libs/middle/Cargo.toml": package(
            "middle",
            '\n[dependencies]\nnested = { path = "nested" }\n\n[dev-dependencies]\nfor-tests = { path = "../for-tests" }\n'
            '\n[build-dependencies]\nfor-build = { path = "../for-build" }\n',
        ),
        "libs/middle/src/lib.rs": "pub fn it() { nested::it() }\n",
        "libs/middle/nested/Cargo.toml": package("nested"),
        "libs/middle/nested/src/lib.rs": LIB,
        "libs/for-tests/Cargo.toml": package("for-tests"),
        "libs/for-tests/src/lib.rs": LIB,
        "libs/for-build/Cargo.toml": package("for-build"),
        "libs/for-build/src/lib.rs": LIB,
        "libs/stranger/Cargo.toml": "not read: [",
    },
    "rooted workspace with default members": {
        "Cargo.toml": package(
            "rooted", '\n[workspace]\nmembers = ["a", "b"]\ndefault-members = ["a", "."]\n', edition="2018"
        ),
        "src/lib.rs": LIB,
        "a/Cargo.toml": package("a"),
        "a/src/main.rs": MAIN,
        "b/Cargo.toml": package("b"),
        "b/src/main.rs": MAIN,
    },
    "virtual workspace with default members by pattern": {
        "Cargo.toml": _workspace('"crates/*"', 'default-members = ["crates/a*"]\nresolver = "2"\n'),
        "crates/aa/Cargo.toml": package("aa"),
        "crates/aa/src/lib.rs": LIB,
        "crates/ab/Cargo.toml": package("ab"),
        "crates/ab/src/lib.rs": LIB,
        "crates/b/Cargo.toml": package("b"),
        "crates/b/src/lib.rs": LIB,
    },
    "a member that is beside its root": {
        "*": "app",
        "app/Cargo.toml": package("app", '\n[workspace]\nmembers = ["../library"]\n\n[dependencies]\n'
        'library = { path = "../library" }\n'),
        "app/src/main.rs": "fn main() { library::it() }\n",
        "library/Cargo.toml": package("library", 'workspace = "../app"\n\n[dependencies]\ngamma = "0.3"\n'),
        "library/src/lib.rs": "pub fn it() { gamma::gamma(); }\n",
    },
    "a workspace below another": {
        "*": "inner",
        "Cargo.toml": _workspace('"outer"', 'exclude = ["inner"]\nresolver = "2"\n'),
        "outer/Cargo.toml": package("outside"),
        "outer/src/lib.rs": LIB,
        "inner/Cargo.toml": _workspace('"a"'),
        "inner/a/Cargo.toml": package("a"),
        "inner/a/src/lib.rs": LIB,
    },
    "loaded from a member": {
        "*": "crates/a",
        "Cargo.toml": _workspace(),
        "crates/a/Cargo.toml": package("a"),
        "crates/a/src/lib.rs": LIB,
        "crates/b/Cargo.toml": package("b"),
        "crates/b/src/lib.rs": LIB,
    },
    "a package outside the workspace": {
        "*": "main",
        "main/Cargo.toml": package("app", '\n[dependencies]\nshared = { path = "../shared" }\n'),
        "main/src/main.rs": "fn main() { shared::it() }\n",
        "shared/Cargo.toml": package("shared", '\n[dependencies]\ngamma = "0.3"\nfurther = { path = "../further" }\n'),
        "shared/src/lib.rs": "mod part;\npub fn it() { gamma::gamma(); further::it(); part::it() }\n",
        "shared/src/part.rs": LIB,
        "shared/tests/not_needed.rs": "",
        "further/Cargo.toml": package("further"),
        "further/src/lib.rs": LIB,
    },
    "a package outside that inherits from its own workspace": {
        "*": "main",
        "main/Cargo.toml": package("app", '\n[dependencies]\nshared = { path = "../other/shared" }\n'),
        "main/src/main.rs": 'fn main() { println!("{}", shared::VERSION) }\n',
        "other/Cargo.toml": _workspace(
            '"shared"', 'resolver = "2"\n\n[workspace.package]\nversion = "7.0.0"\n\n[workspace.dependencies]\nalpha = "1"\n'
        ),
        "other/shared/Cargo.toml": '[package]\nname = "shared"\nversion.workspace = true\nedition = "2021"\n\n'
        "[dependencies]\nalpha.workspace = true\n",
        "other/shared/src/lib.rs": 'pub const VERSION: &str = env!("CARGO_PKG_VERSION");\n',
    },
    "an excluded package that a member needs": {
        "Cargo.toml": _workspace('"crates/*"', 'exclude = ["crates/app/vendored"]\nresolver = "2"\n'),
        "crates/app/Cargo.toml": package("app", '\n[dependencies]\nvendored = { path = "vendored" }\n'),
        "crates/app/src/main.rs": "fn main() { vendored::it() }\n",
        "crates/app/vendored/Cargo.toml": package("vendored", '\n[dependencies]\nalpha = "2"\n'),
        "crates/app/vendored/src/lib.rs": LIB,
    },
    "renamed and platform dependencies": {
        "Cargo.toml": package(
            "platforms",
            '\n[dependencies]\nfirst = { package = "alpha", version = "1" }\nsecond = { package = "alpha", version = "2" }\n'
            "\n[target.'cfg(unix)'.dependencies]\ngamma = \"0.3\"\n"
            "\n[target.'cfg(all(windows, not(target_env = \"msvc\")))'.dependencies]\nbeta = \"1\"\n"
            "\n[target.x86_64-unknown-linux-gnu.build-dependencies]\nbeta = \"1\"\n"
            "\n[target.'cfg(any())'.dev-dependencies]\nderive = \"1\"\n",
        ),
        "src/lib.rs": "pub fn it() -> u32 { first::alpha() + second::alpha() + gamma::gamma() }\n",
        "build.rs": "fn main() { beta::beta(); }\n",
    },
    "a patch with a package of the repository": {
        "Cargo.toml": package(
            "patched",
            '\n[dependencies]\nouter = "1"\n\n[patch.crates-io]\ninner = { path = "forks/inner" }\n',
        ),
        "src/main.rs": "fn main() { assert_eq!(outer::outer(), 9) }\n",
        "forks/inner/Cargo.toml": package("inner", version="1.0.5"),
        "forks/inner/src/lib.rs": "pub fn inner() -> u32 { 9 }\n",
    },
    "a patch with a member that others need": {
        "Cargo.toml": package(
            "patched",
            '\n[workspace]\nmembers = ["inner", "base"]\n\n[dependencies]\nouter = "1"\ninner = "1.0"\n'
            '\n[patch.crates-io]\ninner = { path = "inner" }\n',
        ),
        "src/main.rs": "fn main() { assert_eq!(outer::outer(), inner::inner()) }\n",
        "inner/Cargo.toml": package("inner", '\n[dependencies]\nbase = { path = "../base" }\n', version="1.2.0"),
        "inner/src/lib.rs": "pub fn inner() -> u32 { base::it(); 9 }\n",
        "base/Cargo.toml": package("base"),
        "base/src/lib.rs": LIB,
    },
    "a patch with a member that only members need": {
        "Cargo.toml": package(
            "patched",
            '\n[workspace]\nmembers = ["alpha"]\n\n[dependencies]\nalpha = "1.5"\n'
            '\n[patch.crates-io]\nalpha = { path = "alpha" }\n',
        ),
        "src/main.rs": "fn main() { alpha::it() }\n",
        "alpha/Cargo.toml": package("alpha", '\n[dependencies]\ngamma = "0.3"\n', version="1.5.2"),
        "alpha/src/lib.rs": LIB,
    },
    "a replacement": {
        "Cargo.toml": package(
            "replaced",
            '\n[dependencies]\nouter = "1"\n\n[replace]\n"inner:1.0.0" = { path = "inner" }\n',
            edition="2018",
        ),
        "src/main.rs": "fn main() { assert_eq!(outer::outer(), 9) }\n",
        "inner/Cargo.toml": package("inner", version="1.0.0"),
        "inner/src/lib.rs": "pub fn inner() -> u32 { 9 }\n",
    },
    "build scripts": {
        "Cargo.toml": _workspace(),
        "crates/native/Cargo.toml": package(
            "native", 'links = "native"\n\n[build-dependencies]\nbeta = "1"\n'
        ),
        "crates/native/src/lib.rs": LIB,
        "crates/native/build.rs": 'fn main() { beta::beta(); println!("cargo:root=here"); }\n',
        "crates/user/Cargo.toml": package(
            "user", '\n[dependencies]\nnative = { path = "../native" }\nscripted = "1"\n'
        ),
        "crates/user/src/main.rs": 'fn main() { println!("{}", env!("ROOT")) }\n',
        "crates/user/build.rs": "fn main() { let root = std::env::var(\"DEP_NATIVE_ROOT\").unwrap();"
        ' println!("cargo:rustc-env=ROOT={root}"); std::env::var("DEP_SCRIPTED_WORD").unwrap(); }\n',
    },
    "development dependencies that go round": {
        "Cargo.toml": _workspace(),
        "crates/a/Cargo.toml": package(
            "a", '\n[dev-dependencies]\nb = { path = "../b" }\na = { path = ".", features = ["more"] }\n\n[features]\nmore = []\n'
        ),
        "crates/a/src/lib.rs": LIB,
        "crates/b/Cargo.toml": package("b", '\n[dependencies]\na = { path = "../a" }\n'),
        "crates/b/src/lib.rs": "pub fn it() { a::it() }\n",
    },
    "names of the standard library": {
        "Cargo.toml": _workspace('"core", "std", "test"'),
        "core/Cargo.toml": package("core", '\n[lib]\nname = "my_core"\n'),
        "core/src/lib.rs": LIB,
        "std/Cargo.toml": package("std", '\n[lib]\nname = "my_std"\n\n[dependencies]\ncore = { path = "../core" }\n'),
        "std/src/lib.rs": LIB,
        "test/Cargo.toml": package("test", '\n[lib]\nname = "my_test"\n\n[dependencies]\nstd = { path = "../std" }\n'),
        "test/src/lib.rs": LIB,
    },
    "no_std": {
        "Cargo.toml": _workspace('"firmware", "parts"'),
        "parts/Cargo.toml": package("parts", '\n[features]\nstd = []\n\n[dependencies]\ngamma = "0.3"\n'),
        "parts/src/lib.rs": '#![cfg_attr(not(feature = "std"), no_std)]\npub fn it() {}\n',
        "firmware/Cargo.toml": package(
            "firmware", '\n[[bin]]\nname = "firmware"\npath = "src/main.rs"\ntest = false\n\n[dependencies]\nparts = { path = "../parts" }\n'
            '\n[features]\ndefault = []\nhosted = []\n'
        ),
        "firmware/src/main.rs": "#![no_std]\n#![no_main]\nextern crate std;\nuse parts as _;\n"
        "#[no_mangle]\npub extern \"C\" fn main() -> i32 { 0 }\n",
    },
    "resolver by edition": {
        "Cargo.toml": package("modern", '\n[dependencies]\nbeta = "1"\n', edition="2024"),
        "src/lib.rs": LIB,
    },
    "feature unification over members": {
        "Cargo.toml": _workspace('"a", "b"', 'resolver = "1"\n'),
        "a/Cargo.toml": package("a", '\n[dependencies]\nbeta = { version = "1", default-features = false }\n'),
        "a/src/lib.rs": LIB,
        "b/Cargo.toml": package("b", '\n[dev-dependencies]\nbeta = { version = "1", features = ["slow"] }\n'),
        "b/src/lib.rs": LIB,
    },
    "invalid manifests in folders of test data": {
        "Cargo.toml": _workspace('"app"'),
        "app/Cargo.toml": package("app"),
        "app/src/main.rs": MAIN,
        "app/tests/data/broken/Cargo.toml": "this is [not TOML",
        "data/Cargo.toml/": "",
    },
    "TOML 1.1": {
        "Cargo.toml": package("newer-toml", "\n[package.metadata]\nvalue = {\n  a = 1,\n  b = 2,\n}\n"),
        "src/lib.rs": LIB,
    },
    "a byte order mark": {"Cargo.toml": "\ufeff" + package("marked"), "src/lib.rs": LIB},
    "lines that end as on Windows": {"Cargo.toml": package("returned").replace("\n", "\r\n"), "src/lib.rs": LIB},
    "letters of other alphabets": {
        "Cargo.toml": package("größe", '\n[lib]\nname = "size"\n'),
        "src/lib.rs": LIB,
        "src/bin/übung.rs": MAIN,
    },
}  # fmt: skip
