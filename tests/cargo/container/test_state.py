"""A volume's state on another machine: a build goes on from it as from its own, and never with what is not the same."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cargo.container.workshop import AgentError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cargo.container.workshop import Workshop

MEMBER = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'
MAIN = """\
mod extra;
fn main() {
    println!("main=one");
    println!("library={}", library::WORD);
    println!("data={}", include_str!("../../data.txt"));
    println!("extra={}", extra::WORD);
    println!("inputs={}", env!("INPUTS"));
    println!("variable={}", env!("VARIABLE_SEEN"));
}
"""
SCRIPT = """\
fn main() {
    println!("cargo:rerun-if-changed=inputs");
    let mut names: Vec<_> = std::fs::read_dir("inputs").unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    let texts: Vec<_> = names.iter().map(|name| std::fs::read_to_string(name).unwrap()).collect();
    println!("cargo:rustc-env=INPUTS={}", texts.join("+"));
    println!("cargo:rustc-env=VARIABLE_SEEN={}", std::env::var("VARIABLE").unwrap_or_default());
}
"""
WORD = 'pub const WORD: &str = "one";\n'
FILES = {
    "Cargo.toml": '[workspace]\nmembers = ["app", "library"]\nresolver = "2"\n',
    "app/Cargo.toml": MEMBER.format("app") + '[dependencies]\nlibrary = { path = "../library" }\n',
    "app/build.rs": SCRIPT,
    "app/src/main.rs": MAIN,
    "app/src/extra.rs": WORD,
    "app/inputs/a": "one",
    "app/inputs/b": "one",
    "library/Cargo.toml": MEMBER.format("library"),
    "library/src/lib.rs": WORD,
    "data.txt": "one",
}
FIRST = dict.fromkeys(("main", "library", "data", "extra"), "one") | {"inputs": "one+one", "variable": ""}


def copy_out(workshop: Workshop) -> Path:
    """Copy the volume's state out, and forget the volume."""
    state = workshop.folder / "state"
    state.mkdir(exist_ok=True)
    options = [f"--volume={workshop.volume}", f"--out={state}", "--run-id=x"]
    command = [str(workshop.agent), "state", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AgentError(done)
    return state


@pytest.fixture
def state(workshop: Workshop) -> Path:
    """The state of a build, whose volume is gone."""
    workshop.write(FILES)
    workshop.build()
    state = copy_out(workshop)
    workshop.forget_volume()
    return state


def move_extra(workshop: Workshop) -> None:
    """Have another file be the module."""
    (workshop.root / "app/src/extra.rs").unlink()
    workshop.write({"app/src/extra/mod.rs": WORD.replace("one", "two")})


def edit(name: str) -> Callable[[Workshop], None]:
    """Return what changes a file, and gives it an old time."""

    def change(workshop: Workshop) -> None:
        workshop.replace(name, "one", "two")
        os.utime(workshop.root / name, (1, 1))

    return change


def set_variable(workshop: Workshop) -> None:
    """Set a variable that the build script reads and does not name."""
    workshop.variables, workshop.env = "other", {"VARIABLE": "two"}


def nothing(_: Workshop) -> None:
    """Change nothing."""


def delete_input(workshop: Workshop) -> None:
    """Delete a file of a folder that the build script reads."""
    (workshop.root / "app/inputs/b").unlink()


@pytest.mark.parametrize(
    ("change", "told", "compiled"),
    [
        (nothing, {}, set[str]()),
        (edit("app/src/main.rs"), {"main": "two"}, {"app"}),
        (edit("library/src/lib.rs"), {"library": "two"}, {"app", "library"}),
        (edit("data.txt"), {"data": "two"}, {"app"}),
        (edit("app/inputs/a"), {"inputs": "two+one"}, {"app"}),
        (delete_input, {"inputs": "one"}, {"app"}),
        (move_extra, {"extra": "two"}, {"app"}),
        (set_variable, {"variable": "two"}, {"app", "build-script-build"}),
    ],
    ids=["nothing", "main", "library", "data", "input", "input deleted", "module moved", "variable"],
)
def test_only_what_differs_is_compiled(
    workshop: Workshop,
    state: Path,
    change: Callable[[Workshop], object],
    told: dict[str, str],
    compiled: set[str],
) -> None:
    """The program tells what is in the tree now; the next build goes on as on any volume, and can be copied again."""
    change(workshop)
    report = workshop.build(f"--state={state}")
    lines = dict(line.split("=", 1) for line in workshop.run().splitlines())
    assert lines == FIRST | told
    assert (report["volume"], workshop.compiled(report)) == ("pulled", compiled)
    report = workshop.build(f"--state={state}")
    assert (report["volume"], workshop.compiled(report)) == ("kept", set())
    workshop.write({"data.txt": "three"})
    workshop.build()
    assert "data=three\n" in workshop.run()


def damage_records(state: Path, _: Path) -> None:
    """Cut off the index."""
    (state / "index").write_bytes((state / "index").read_bytes()[:-9])


def damage_proofs(state: Path, _: Path) -> None:
    """Have proofs lead elsewhere."""
    (state / "proofs").write_text("0 ../../elsewhere\n")


def be_ahead(state: Path, _: Path) -> None:
    """Have a file be from the future."""
    time = 4_102_444_800
    os.utime(next((state / "target").rglob("*.d")), (time, time))


def change_link(_: Path, root: Path) -> None:
    """Have a link lead elsewhere."""
    (root / "link").unlink()
    (root / "link").symlink_to("app/src")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (damage_records, "its records are damaged"),
        (damage_proofs, "its proofs are damaged"),
        (be_ahead, "the clock of the machine that it comes from is ahead"),
        (change_link, "symbolic links differ"),
    ],
)
def test_what_cannot_be_gone_on_from_is_refused(
    workshop: Workshop, change: Callable[[Path, Path], None], why: str
) -> None:
    """The agent says why, and leaves the volume as it was: the next build begins on an empty one."""
    workshop.write({name: FILES[name] for name in ("library/Cargo.toml", "library/src/lib.rs")})
    workshop.write({"Cargo.toml": '[workspace]\nmembers = ["library"]\nresolver = "2"\n'})
    (workshop.root / "link").symlink_to("library/src")
    workshop.build()
    state = copy_out(workshop)
    workshop.forget_volume()
    change(state, workshop.root)
    with pytest.raises(AgentError) as error:
        workshop.build(f"--state={state}")
    assert (error.value.code, error.value.said) == (97, [why])
    report = workshop.build()
    assert (report["volume"], workshop.compiled(report)) == ("new", {"library"})


def test_an_interrupted_build_leaves_no_state(workshop: Workshop) -> None:
    """Nor does a volume on which nothing was built."""
    workshop.volume.mkdir()
    with pytest.raises(AgentError, match="not that of a build that has ended"):
        copy_out(workshop)
    shutil.rmtree(workshop.volume)
    workshop.write({"Cargo.toml": MEMBER.format("app"), "src/main.rs": "fn main() {}\n"})
    workshop.build()
    (workshop.volume / "running").touch()
    with pytest.raises(AgentError, match="not that of a build that has ended"):
        copy_out(workshop)
