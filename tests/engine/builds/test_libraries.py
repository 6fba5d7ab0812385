"""Tests of libraries for other languages: taken out of a build, loaded by Python, linked by C."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import dagger

    from tests.engine.scenario import Scenario

FILES = {
    "Cargo.toml": """
[package]
name = "twice-as-much"
version = "1.0.0"
edition = "2021"

[lib]
name = "twice"
crate-type = ["cdylib", "staticlib", "rlib"]

[[bin]]
name = "twice"
path = "main.rs"
""",
    "Cargo.lock": 'version = 3\n\n[[package]]\nname = "twice-as-much"\nversion = "1.0.0"\n',
    "src/lib.rs": '#[no_mangle]\npub extern "C" fn twice(n: i32) -> i32 {\n    n * 2\n}\n',
    "main.rs": 'fn main() {\n    println!("{}", twice::twice(21));\n}\n',
}
PROGRAM = '#include <stdio.h>\nint twice(int);\nint main(void) { printf("%d\\n", twice(21)); return 0; }\n'


def test_libraries_leave_the_build_fresh(
    make_scenario: Callable[[Mapping[str, str]], Scenario], tmp_path: Path, dagger_client: dagger.Client
) -> None:
    """Python loads the shared one after each edit, a C program is linked with the static one; both go by file name."""
    scenario = make_scenario(FILES)
    build = scenario.build()
    assert sorted(build.libraries) == ["libtwice.a", "libtwice.so"]
    assert list(build.binaries) == ["twice"]
    shared = build.blocking.export("libtwice.so", tmp_path / "out" / "first.so")
    assert ctypes.CDLL(str(shared)).twice(21) == 42
    linker = scenario.builder.with_file("/c/libtwice.a", build.file("libtwice.a")).with_new_file(
        "/c/main.c", PROGRAM
    )
    linked = linker.with_exec(
        ["cc", "-o", "/c/main", "/c/main.c", "/c/libtwice.a", "-lpthread", "-ldl", "-lm"]
    ).with_exec(["/c/main"])
    assert build.blocking.wait(linked.stdout) == "42\n"

    scenario.replace("src/lib.rs", "n * 2", "n * 20")
    shared = scenario.build().blocking.export("libtwice.so", tmp_path / "out" / "second.so")
    assert ctypes.CDLL(str(shared)).twice(21) == 420
    with pytest.raises(ConfigurationError, match=r"It has: libtwice.a, libtwice.so, twice\.$"):
        build.file("libthrice.so")


def test_a_library_that_only_others_are_linked_with_stays(
    make_scenario: Callable[[Mapping[str, str]], Scenario],
) -> None:
    """Nobody asked for it: it is not among the libraries, nor is it copied."""
    app = '[package]\nname = "app"\nversion = "1.0.0"\nedition = "2021"\n'
    files = {f"twice/{name}": text for name, text in FILES.items() if name != "Cargo.lock"}
    scenario = make_scenario(
        {
            **files,
            "Cargo.toml": '[workspace]\nmembers = ["app", "twice"]\nresolver = "2"\n',
            "app/Cargo.toml": f'{app}[dependencies]\ntwice-as-much = {{ path = "../twice" }}\n',
            "app/src/main.rs": 'fn main() {\n    println!("{}", twice::twice(21));\n}\n',
        }
    )
    build = scenario.build(packages=("app",))
    assert dict(build.libraries) == {}
    assert build.blocking.wait(build.artifacts.directory("lib").entries) == []
    assert build.blocking.run("app", check=True).stdout == "42\n"
