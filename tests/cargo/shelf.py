"""Tiny packages as a registry would serve them, made on the spot, so that builds need no network and no time."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CHECKSUM = hashlib.sha256(b"").hexdigest()

# Each package with its manifest's rest and its sources; features and dependencies between them are what counts.
PACKAGES: Mapping[tuple[str, str], tuple[str, Mapping[str, str]]] = {
    ("alpha", "1.0.0"): ("[features]\nextra = []\n", {"src/lib.rs": "pub fn alpha() -> u32 { 1 }\n"}),
    ("alpha", "1.1.0"): ("[features]\nextra = []\n", {"src/lib.rs": "pub fn alpha() -> u32 { 11 }\n"}),
    ("alpha", "2.0.0"): ("", {"src/lib.rs": "pub fn alpha() -> u32 { 2 }\n"}),
    ("beta", "1.0.0"): (
        '[dependencies]\nalpha = "1"\n\n[features]\ndefault = ["fast"]\nfast = []\nslow = ["alpha/extra"]\n',
        {"src/lib.rs": "pub fn beta() -> u32 { alpha::alpha() + 1 }\n"},
    ),
    ("gamma", "0.3.0"): ("", {"src/lib.rs": "pub fn gamma() -> u32 { 3 }\n"}),
    ("scripted", "1.0.0"): (
        'links = "scripted"\n',
        {
            "src/lib.rs": 'pub const TOLD: &str = env!("TOLD");\n',
            "build.rs": 'fn main() { println!("cargo:rustc-env=TOLD=yes"); println!("cargo:word=said"); }\n',
        },
    ),
    ("derive", "1.0.0"): (
        "[lib]\nproc-macro = true\n",
        {
            "src/lib.rs": "extern crate proc_macro;\n#[proc_macro]\n"
            "pub fn nothing(_: proc_macro::TokenStream) -> proc_macro::TokenStream { Default::default() }\n"
        },
    ),
    # Needs a package that a workspace may put its own member in the place of.
    ("outer", "1.0.0"): (
        '[dependencies]\ninner = "1"\n',
        {"src/lib.rs": "pub fn outer() -> u32 { inner::inner() }\n"},
    ),
    ("inner", "1.0.0"): ("", {"src/lib.rs": "pub fn inner() -> u32 { 0 }\n"}),
}


def fill(folder: Path) -> Path:
    """Write all packages below `folder`, as a directory that cargo takes for a registry."""
    for (name, version), (rest, sources) in PACKAGES.items():
        package = folder / f"{name}-{version}"
        head = f'[package]\nname = "{name}"\nversion = "{version}"\nedition = "2021"\n'
        for path, text in {**sources, "Cargo.toml": head + rest}.items():
            (package / path).parent.mkdir(parents=True, exist_ok=True)
            (package / path).write_text(text)
        checksum = json.dumps({"files": {}, "package": CHECKSUM})
        (package / ".cargo-checksum.json").write_text(checksum)
    return folder


def configuration(folder: Path | str) -> str:
    """Return the configuration that makes cargo take every package from `folder`."""
    return f'[source.crates-io]\nreplace-with = "shelf"\n\n[source.shelf]\ndirectory = "{folder}"\n'
