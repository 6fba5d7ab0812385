"""A workspace whose program tells everything it was built from, and the ways in which that can change."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.engine.scenario import Scenario

# Every text that can change is named here, and told by the program under that name.
ROOT = """\
[workspace]
members = ["app", "library", "macros"]
resolver = "2"
"""

LOCK = """\
version = 3

[[package]]
name = "telltale"
version = "{version}"
dependencies = [
 "telltale-library",
 "telltale-macros",
]

[[package]]
name = "telltale-library"
version = "0.1.0"

[[package]]
name = "telltale-macros"
version = "0.1.0"
"""

MANIFEST = """\
[package]
name = "telltale"
version = "{version}"
edition = "2021"

[dependencies]
telltale-library = {{ path = "../library" }}
telltale-macros = {{ path = "../macros" }}

[features]
loud = []
"""

MEMBER = '[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n{rest}'

MAIN = """\
mod extra;
fn main() {{
    let profile = if cfg!(debug_assertions) {{ "dev" }} else {{ "release" }};
    println!("main={main}");
    println!("library={{}}", telltale_library::word());
    println!("macro={{}}", telltale_macros::word!());
    println!("input={{}}", env!("INPUT").trim());
    println!("data={{}}", include_str!("../../shared data/data.txt").trim());
    println!("extra={{}}", extra::WORD);
    println!("version={{}}", env!("CARGO_PKG_VERSION"));
    println!("profile={{profile}}");
    println!("loud={{}}", cfg!(feature = "loud"));
    println!("variable={{}}", env!("VARIABLE_SEEN"));
    println!("toolchain={{}}", env!("TOOLCHAIN"));
}}
"""

# It names the file it reads, and neither the variable nor the toolchain.
SCRIPT = """\
fn main() {
    println!("cargo:rerun-if-changed=inputs");
    println!("cargo:rustc-env=INPUT={}", std::fs::read_to_string("inputs/input.txt").unwrap().trim());
    println!("cargo:rustc-env=VARIABLE_SEEN={}", std::env::var("VARIABLE").unwrap_or_default());
    let said = std::process::Command::new(std::env::var("RUSTC").unwrap()).arg("--version").output().unwrap();
    let version = String::from_utf8(said.stdout).unwrap();
    println!("cargo:rustc-env=TOOLCHAIN={}", version.split(' ').nth(1).unwrap());
}
"""

MACRO = """\
use proc_macro::TokenStream;
#[proc_macro]
pub fn word(_: TokenStream) -> TokenStream {{
    "\\"{macro}\\"".parse().unwrap()
}}
"""

EDITABLE: Mapping[str, str] = {
    "app/Cargo.toml": MANIFEST,
    "Cargo.lock": LOCK,
    "app/src/main.rs": MAIN,
    "app/inputs/input.txt": "{input}\n",
    "shared data/data.txt": "{data}\n",
    "library/src/lib.rs": "mod word;\npub use word::word;\n",
    "library/src/word.rs": 'pub fn word() -> &\'static str {{\n    "{library}"\n}}\n',
    "macros/src/lib.rs": MACRO,
}
FIXED: Mapping[str, str] = {
    "Cargo.toml": ROOT,
    "app/build.rs": SCRIPT,
    "library/Cargo.toml": MEMBER.format(name="telltale-library", rest=""),
    "macros/Cargo.toml": MEMBER.format(name="telltale-macros", rest="[lib]\nproc-macro = true\n"),
}
TAGS = ("main", "library", "macro", "input", "data", "extra")

Times = str
DATES = {"epoch": 1.0, "2006": 1_136_073_600.0, "future": time.time() + 10 * 365 * 86_400}


@dataclass
class Telltale:
    """The workspace on disk, the options of its next build, and what its program has to say."""

    scenario: Scenario
    times: Times = "now"
    tags: dict[str, str] = field(default_factory=lambda: dict.fromkeys(TAGS, "000001"))
    version: str = "1.0.100"
    extra_file: str = "app/src/extra.rs"
    profile: str = "dev"
    loud: bool = False
    variable: str = ""
    toolchain: str = ""
    count: int = 1
    padding: dict[str, int] = field(default_factory=dict[str, int])

    def write_all(self) -> None:
        """Write every file, as a checkout does."""
        self.scenario.write(FIXED)
        for name in (*EDITABLE, self.extra_file):
            self.write(name)

    def write(self, name: str) -> None:
        """Write one file with the present tags, dated as `times` says."""
        text = EDITABLE.get(name, 'pub const WORD: &str = "{extra}";\n')
        text = text.format(**self.tags, version=self.version)
        path = self.scenario.root / name
        before = path.stat() if path.exists() else None
        if self.times == "equal time":
            # Another size than before, whatever that was.
            self.padding[name] = 1 + self.padding.get(name, 0) % 50
        text += "\n" * self.padding.get(name, 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if self.times in DATES:
            os.utime(path, (DATES[self.times], DATES[self.times]))
        elif self.times.startswith("equal") and before is not None:
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        if self.times == "equal time and size" and before is not None:
            assert path.stat().st_size == before.st_size

    def edit(self, *names: str) -> None:
        """Return new tags, of the same length as the old ones, to the files that have them."""
        self.count += 1
        for name in names:
            self.tags[name] = f"{self.count:06}"
        files = {name for name, text in EDITABLE.items() if any(f"{{{tag}}}" in text for tag in names)}
        for name in sorted(files | ({self.extra_file} if "extra" in names else set())):
            self.write(name)

    def expected(self) -> dict[str, str]:
        """Return what a program built from the present state says."""
        return {
            **self.tags,
            "version": self.version,
            "profile": self.profile,
            "loud": str(self.loud).lower(),
            "variable": self.variable,
            "toolchain": self.toolchain,
        }

    def changes(self) -> dict[str, object]:
        """Return the options of the next build."""
        env = {"VARIABLE": self.variable} if self.variable else {}
        return {"profile": self.profile, "features": ("loud",) if self.loud else (), "env": env}

    def told(self) -> dict[str, str]:
        """Build, run the program, and give what it says."""
        output = self.scenario.output("telltale", **self.changes())
        return dict(line.split("=", 1) for line in output.splitlines())


def revert(telltale: Telltale) -> None:
    """A, B, and A again, each built."""
    first = dict(telltale.tags)
    telltale.edit("main", "library")
    assert telltale.told() == telltale.expected()
    _restore(telltale, first)


def revert_around_a_flag(telltale: Telltale) -> None:
    """A, B with another feature, and A again without it."""
    first = dict(telltale.tags)
    telltale.loud = not telltale.loud
    telltale.edit("main", "data")
    assert telltale.told() == telltale.expected()
    telltale.loud = not telltale.loud
    _restore(telltale, first)


def switch_branches(telltale: Telltale) -> None:
    """Another branch has everything otherwise, is built, and left again."""
    first, version = dict(telltale.tags), telltale.version
    telltale.edit(*TAGS)
    bump(telltale)
    assert telltale.told() == telltale.expected()
    telltale.version = version
    _restore(telltale, first)
    _write_version(telltale)


def _restore(telltale: Telltale, tags: dict[str, str]) -> None:
    telltale.tags = tags
    telltale.count += 1
    for name in (*EDITABLE, telltale.extra_file):
        telltale.write(name)


def delete_a_file(telltale: Telltale) -> None:
    """The module's file is gone, and another one takes its place."""
    old = telltale.extra_file
    telltale.extra_file = {
        "app/src/extra.rs": "app/src/extra/mod.rs",
        "app/src/extra/mod.rs": "app/src/extra.rs",
    }[old]
    telltale.edit("extra")
    telltale.scenario.remove(old)


def bump(telltale: Telltale) -> None:
    """The package's version, in the manifest and in the lock file."""
    telltale.version = f"1.0.{int(telltale.version.rpartition('.')[2]) + 1}"
    _write_version(telltale)


def _write_version(telltale: Telltale) -> None:
    telltale.write("app/Cargo.toml")
    telltale.write("Cargo.lock")


def switch_profiles(telltale: Telltale) -> None:
    """Between dev and release, with an edit."""
    telltale.profile = "release" if telltale.profile == "dev" else "dev"
    telltale.edit("library")


def toggle_a_feature(telltale: Telltale) -> None:
    """On or off, with an edit."""
    telltale.loud = not telltale.loud
    telltale.edit("main")


def change_a_variable(telltale: Telltale) -> None:
    """A variable that the build script reads and does not name, and nothing else."""
    telltale.count += 1
    telltale.variable = f"{telltale.count:06}"


MODIFICATIONS: Mapping[str, Callable[[Telltale], None]] = {
    "edit": lambda telltale: telltale.edit("main"),
    "revert": revert,
    "revert around a flag": revert_around_a_flag,
    "branch switch": switch_branches,
    "file deleted": delete_a_file,
    "build script's input": lambda telltale: telltale.edit("input"),
    "included data": lambda telltale: telltale.edit("data"),
    "procedural macro": lambda telltale: telltale.edit("macro"),
    "shared library": lambda telltale: telltale.edit("library"),
    "version bump": bump,
    "profile switch": switch_profiles,
    "feature toggle": toggle_a_feature,
    "variable": change_a_variable,
}
TIMES: tuple[Times, ...] = ("epoch", "2006", "now", "future", "equal time", "equal time and size")
