"""Published packages as test input: what a few applications are made of, laid out by `cargo vendor`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

MANIFEST = """\
[package]
name = "corpus"
version = "0.0.0"
edition = "2021"

[lib]
path = "lib.rs"

[dependencies]
axum = "=0.7.9"
bindgen = "=0.70.1"
clap = { version = "=4.5.20", features = ["derive"] }
criterion = "=0.5.1"
fd-find = "=10.2.0"
hyperfine = "=1.19.0"
insta = "=1.41.1"
proptest = "=1.5.0"
rayon = "=1.10.0"
ripgrep = "=14.1.1"
serde_json = "=1.0.132"
tokio = { version = "=1.41.1", features = ["full"] }
"""


def cache_folder() -> Path:
    """Return the folder that the packages are kept in between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pytest-dagger-rust" / "corpus"


def vendored(cache: Path) -> Path:
    """Return the folder with the vendored packages, after fetching them if they are not there yet."""
    key = hashlib.sha256(MANIFEST.encode()).hexdigest()[:12]
    place = cache / key
    if not (place / "complete").exists():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        (place / "Cargo.toml").write_text(MANIFEST)
        (place / "lib.rs").touch()
        command = ["cargo", "vendor", "--quiet", "--versioned-dirs", "vendor"]
        subprocess.run(command, cwd=place, check=True, capture_output=True, timeout=600)
        (place / "complete").touch()
    return place / "vendor"


def packages(vendor: Path) -> list[Path]:
    """Return the folders of all vendored packages, in order."""
    return sorted(path.parent for path in vendor.glob("*/Cargo.toml"))


def copy_layout(package: Path, place: Path, manifest: str = "Cargo.toml") -> Path:
    """Copy a package's manifest, and its Rust files with next to no content, to `place`."""
    for source in package.rglob("*.rs"):
        target = place / source.relative_to(package)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("fn main() {}\n")
    place.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(package / manifest, place / "Cargo.toml")
    return place
