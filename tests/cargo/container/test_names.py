"""Programs that are called as the tools that build them, and a configuration that swaps or renames those tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cargo.container.workshop import Workshop

NAMES = ("agent", "cargo", "rustc", "sh")
PACKAGE = '[package]\nname = "rustc"\nversion = "0.1.0"\nedition = "2021"\n'
# Cargo has commands of these names, and passes over the aliases.
CONFIG = """\
[build]
rustc = "tools/rustc"
rustc-wrapper = "tools/wrapper"

[alias]
build = "run --bin sh"
fetch = "run --bin sh"
rustc = "run --bin rustc"
"""
# A wrapper is called with the compiler before its arguments.
TOOLS = {"rustc": '#!/bin/sh\nexec rustc "$@"\n', "wrapper": '#!/bin/sh\nexec "$@"\n'}


def source(name: str, number: int) -> str:
    """Return a program that prints its name and a number."""
    return f'fn main() {{ println!("{name} {number}"); }}\n'


def test_programs_called_as_the_tools_that_build_them(workshop: Workshop) -> None:
    """Each is built and handed out as it is, and none is called instead of the tool, also when it is built again."""
    workshop.write({"Cargo.toml": PACKAGE, ".cargo/config.toml": CONFIG})
    workshop.write({f"tools/{name}": text for name, text in TOOLS.items()})
    for name in TOOLS:
        (workshop.root / "tools" / name).chmod(0o755)
    for number in (1, 2):
        workshop.write({f"src/bin/{name}.rs": source(name, number) for name in NAMES})
        workshop.build()
        assert sorted(path.name for path in (workshop.out / "bin").iterdir()) == sorted(NAMES)
        assert [workshop.run(name) for name in NAMES] == [f"{name} {number}\n" for name in NAMES]
