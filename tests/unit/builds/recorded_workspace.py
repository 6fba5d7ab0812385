"""The workspace whose builds by several cargo versions are recorded in `recorded/`.

Each recording is the agent's report, as the host gets it, of two builds: one that compiles everything, and one after a
line of the library was changed.
"""

from __future__ import annotations

from pathlib import Path

RECORDED = Path(__file__).parent / "recorded"

_MACRO = "#[proc_macro]\npub fn nothing(_: proc_macro::TokenStream) -> proc_macro::TokenStream { Default::default() }\n"

FILES = {
    "Cargo.toml": '[workspace]\nmembers = ["program", "library", "macros"]\nresolver = "2"\n',
    "program/Cargo.toml": (
        '[package]\nname = "program"\nversion = "0.1.0"\nedition = "2021"\n'
        "[features]\nloud = []\ndefault = []\n"
        '[dependencies]\nlibrary = { path = "../library" }\n'
    ),
    "program/src/main.rs": "fn main() { let unused = 1; library::it(); }\n",
    "program/src/bin/with-a-dash.rs": "fn main() {}\n",
    "library/Cargo.toml": (
        '[package]\nname = "library"\nversion = "1.2.3"\nedition = "2021"\n'
        '[lib]\ncrate-type = ["rlib", "cdylib"]\n'
        '[dependencies]\nmacros = { path = "../macros" }\n'
    ),
    "library/src/lib.rs": "macros::nothing!();\npub fn it() {}\n",
    "library/build.rs": 'fn main() { println!("cargo:rerun-if-changed=build.rs"); }\n',
    "macros/Cargo.toml": '[package]\nname = "macros"\nversion = "0.1.0"\nedition = "2021"\n[lib]\nproc-macro = true\n',
    "macros/src/lib.rs": _MACRO,
}
EDITED = ("library/src/lib.rs", "pub fn it() { let _ = 2; }\n")
