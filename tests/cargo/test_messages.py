"""Tests of what is read from cargo's JSON messages, against the machine's own cargo."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.builds.messages import CargoMessages, parse

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = '[package]\nname = "demo"\nversion = "1.2.3"\nedition = "2021"\n'


def cargo(folder: Path, source: str) -> CargoMessages:
    """Build a one-file package with the machine's own cargo and read what it says."""
    (folder / "src").mkdir(exist_ok=True)
    (folder / "Cargo.toml").write_text(MANIFEST)
    if not (folder / "src/main.rs").exists():
        (folder / "src/main.rs").write_text(source)
    command = ["cargo", "build", "--offline", "--message-format=json-diagnostic-rendered-ansi"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return parse(done.stdout.splitlines())


def test_a_build_names_its_executable_and_what_was_compiled(tmp_path: Path) -> None:
    """A first build reports the package compiled, a second one reports it fresh, and both name the binary."""
    first, second = (cargo(tmp_path, "fn main() {}") for _ in range(2))
    assert (first.compiled, first.fresh, first.success) == (("demo",), (), True)
    assert (second.compiled, second.fresh, second.success) == ((), ("demo",), True)
    for messages in (first, second):
        (artifact,) = messages.executables
        assert (artifact.name, artifact.version, artifact.kind) == ("demo", "1.2.3", ("bin",))
        assert artifact.executable is not None
        assert artifact.executable.endswith("debug/demo")


def test_a_compile_error_keeps_rustcs_rendering_and_place(tmp_path: Path) -> None:
    """A diagnostic has rustc's own text with and without colours, its code, and its primary span."""
    messages = cargo(tmp_path, 'fn main() {\n    let number: i32 = "text";\n}\n')
    error = next(d for d in messages.diagnostics if d.level == "error")
    assert messages.success is False
    assert error.code == "E0308"
    assert error.package == "demo"
    assert [(span.file, span.line, span.column) for span in error.spans] == [("src/main.rs", 2, 23)]
    assert "\x1b[" in error.rendered
    assert error.text.startswith("error[E0308]: mismatched types\n --> src/main.rs:2:23")


@pytest.mark.parametrize("layout", ["false", "true"])
def test_a_library_that_only_others_are_linked_with_is_not_put_in_place(tmp_path: Path, layout: str) -> None:
    """Cargo names its files as it does those of one that was asked for, in each layout of the build folder."""
    library = '[lib]\ncrate-type = ["cdylib", "staticlib", "rlib"]\n'
    rest = 'library = { path = "library" }\n[workspace]\nmembers = ["library"]\n'
    for folder, file, manifest in (
        (tmp_path, "main.rs", f"{MANIFEST}[dependencies]\n{rest}"),
        (tmp_path / "library", "lib.rs", f"{MANIFEST.replace('demo', 'library')}{library}"),
    ):
        (folder / "src").mkdir(parents=True)
        (folder / "src" / file).write_text("fn main() {}\n" if file == "main.rs" else "")
        (folder / "Cargo.toml").write_text(manifest)
    env = {**os.environ, "RUSTC_BOOTSTRAP": "1", "CARGO_UNSTABLE_BUILD_DIR_NEW_LAYOUT": layout}

    def libraries(*flags: str) -> dict[str, tuple[str, ...]]:
        command = ["cargo", "build", "--offline", "--message-format=json", *flags]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
        return {artifact.name: artifact.libraries for artifact in parse(done.stdout.splitlines()).artifacts}

    assert libraries() == {"library": (), "demo": ()}
    assert libraries("--workspace") == {"library": ("liblibrary.so", "liblibrary.a"), "demo": ()}
