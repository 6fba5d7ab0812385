"""What build scripts and macros do that they should not: none of it is in a later build, and none of it is believed."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.skeleton.stubs import STUB_MARKER
from tests.cargo.container.workshop import AgentError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cargo.container.workshop import Workshop

PACKAGE = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'
MAIN = 'fn main() {\n    println!("one");\n}\n'
# What it does stands in a file: it is compiled once.
SCRIPT = """\
use std::{fs, process::Command};
fn main() {
    println!("cargo:rerun-if-changed=do.sh");
    let out = std::env::var("OUT_DIR").unwrap();
    let status = Command::new("sh").arg("do.sh").env("OUT", out).status().unwrap();
    assert!(status.success());
    let _ = fs::metadata("do.sh");
}
"""
FILES = {"Cargo.toml": PACKAGE, "src/main.rs": MAIN, "build.rs": SCRIPT, "do.sh": "true\n"}


def test_what_a_build_script_has_written_is_taken_back(workshop: Workshop) -> None:
    """An edited source, a new program, a removed file: told in the report, and in no later build."""
    workshop.write({**FILES, "data/keep": "", "do.sh": "sed -i s/one/EDITED/ src/main.rs\n"})
    report = workshop.build()
    assert workshop.run() == "EDITED\n"
    assert report["rewritten"] == ["src/main.rs"]
    workshop.write(
        {"do.sh": "mkdir -p src/bin && cp src/main.rs src/bin/evil.rs; rm -r data; ln -s / root\n"}
    )
    assert workshop.output() == "one\n"
    workshop.write({"do.sh": "true\n"})
    report = workshop.build()
    assert workshop.run() == "one\n"
    assert report["rewritten"] == []
    files = workshop.volume / "files"
    assert sorted(path.name for path in files.rglob("*")) == sorted(
        [*(path.name for path in workshop.root.rglob("*")), "Cargo.lock"]
    )
    assert [path.name for path in (workshop.out / "bin").iterdir()] == ["app"]


def test_what_a_build_script_generates_into_the_sources_is_made_again(workshop: Workshop) -> None:
    """A module that only the script writes is there in each build, though nothing of it is kept."""
    main = 'mod made;\nfn main() { println!("{}", made::WORD); }\n'
    do = """echo 'pub const WORD: &str = "made";' >src/made.rs\n"""
    workshop.write({**FILES, "src/main.rs": main, "do.sh": do})
    for number in range(3):
        workshop.write({"src/main.rs": main + f"// {number}\n"})
        assert workshop.build()["rewritten"] == ["src/made.rs"]
        assert workshop.run() == "made\n"


def test_a_build_script_that_writes_what_is_there_changes_nothing(workshop: Workshop) -> None:
    """Generated sources that are checked in: another time, the same content."""
    do = "cp src/main.rs copy && cat copy >src/main.rs && rm copy\n"
    workshop.write({**FILES, "do.sh": do})
    assert workshop.build()["rewritten"] == []
    assert workshop.run() == "one\n"


def test_a_failed_build_leaves_nothing_in_the_sources_either(workshop: Workshop) -> None:
    """What the script has written before cargo failed is taken back at once."""
    workshop.write({**FILES, "do.sh": "echo garbage >src/main.rs\n"})
    with pytest.raises(AgentError) as caught:
        workshop.build()
    assert caught.value.code == 101
    assert (workshop.volume / "files/src/main.rs").read_text() == MAIN
    kept = json.loads((workshop.volume / "failed.json").read_text())
    assert "could not compile `app`" in kept["stderr"]
    compiler = [m["message"] for m in kept["messages"] if m["reason"] == "compiler-message"]
    assert compiler[0]["level"] == "error"


def test_what_is_left_running_ends_with_cargo(workshop: Workshop) -> None:
    """A daemon in a session of its own that holds the output open, and would write later."""
    late = workshop.folder / "late"
    workshop.write(
        {**FILES, "do.sh": f"setsid sh -c '(sleep 20; echo late >{late}) & sleep 600' >/dev/null 2>&1 &\n"}
    )
    began = time.monotonic()
    assert workshop.output() == "one\n"
    assert time.monotonic() - began < 20
    assert not late.exists()


def test_what_is_put_into_the_results_is_not_there(workshop: Workshop) -> None:
    """Whatever a script leaves in the folder for results, links into it or puts in its place."""
    out = workshop.out
    do = f"mkdir -p {out}/bin/new && ln -s /etc/passwd {out}/report.json && ln -s /etc/passwd {out}/bin/app\n"
    workshop.write({**FILES, "do.sh": do})
    assert workshop.output() == "one\n"
    assert sorted(path.name for path in out.rglob("*")) == ["app", "bin", "examples", "lib", "report.json"]
    assert not (out / "report.json").is_symlink()


def macro(line: str) -> dict[str, str]:
    """A macro that prints a line where cargo prints its messages."""
    source = f'use proc_macro::TokenStream;\n#[proc_macro]\npub fn say(_: TokenStream) -> TokenStream {{\n    println!("{{}}", r###"{line}"###);\n    TokenStream::new()\n}}\n'
    return {
        "Cargo.toml": f'{PACKAGE}[dependencies]\nsay = {{ path = "say" }}\n[workspace]\nmembers = ["say"]\n',
        "say/Cargo.toml": PACKAGE.replace("app", "say") + "[lib]\nproc-macro = true\n",
        "say/src/lib.rs": source,
        "src/main.rs": f"say::say!();\n{MAIN}",
    }


def forged(workshop: Workshop, **changes: object) -> str:
    """A message of cargo's own form about a program that cargo has never made."""
    tree, target = workshop.volume / "files", workshop.volume / "target"
    message: dict[str, object] = {
        "reason": "compiler-artifact",
        "package_id": f"path+file://{tree}#app@0.1.0",
        "manifest_path": f"{tree}/Cargo.toml",
        "target": {
            "kind": ["bin"],
            "crate_types": ["bin"],
            "name": "app",
            "src_path": f"{tree}/src/main.rs",
            "edition": "2021",
            "doctest": False,
            "test": True,
        },
        "profile": {
            "opt_level": "0",
            "debuginfo": 2,
            "debug_assertions": True,
            "overflow_checks": True,
            "test": False,
        },
        "features": [],
        "filenames": [f"{target}/debug/app"],
        "executable": f"{target}/debug/app",
        "fresh": False,
    }
    message["target"] = {**message["target"], **changes.pop("target", {})}  # type: ignore[dict-item]
    return json.dumps({**message, **changes})


@pytest.mark.parametrize("case", ["name", "path", "outside", "library"])
def test_a_forged_message_hands_out_nothing(workshop: Workshop, case: str) -> None:
    """A name that leads elsewhere, a file of another name or from elsewhere, a library that cargo never made."""
    target = workshop.volume / "target"
    library = {"kind": ["cdylib"], "name": "app"}
    line = {
        "name": forged(workshop, target={"name": "../../app"}),
        "path": forged(workshop, executable=f"{target}/debug/build/evil"),
        "outside": forged(workshop, executable="/bin/app", filenames=["/bin/app"]),
        "library": forged(workshop, target=library, filenames=["/etc/libapp.so"], executable=None),
    }[case]
    workshop.write(macro(line))
    with pytest.raises(AgentError):
        workshop.build()
    assert not (workshop.out / "report.json").exists()
    assert not (workshop.folder / "app").exists()


@pytest.mark.parametrize(
    "line",
    [
        '{"reason":"compiler-artifact"}',
        '{"a":' + "[" * 100_000,
        '{"reason":"compiler-message","x":"\\ud800"}',
        '{"reason":"x","n":' + "1" * 5000 + "}",
        "{",
        "",
        "\\u001b",
    ],
    ids=["no target", "deep", "half a surrogate", "long number", "cut", "empty", "escape"],
)
def test_what_is_no_message_of_cargos_does_no_harm(workshop: Workshop, line: str) -> None:
    """The report is JSON that any reader can read, whatever a macro prints."""
    workshop.write(macro(line))
    report = workshop.build()
    assert workshop.run() == "one\n"
    assert report["messages"][-1] == {"reason": "build-finished", "success": True}


def test_a_forged_claim_that_something_was_compiled_is_no_proof(workshop: Workshop) -> None:
    """A file that was not written since cargo began has not been compiled, whatever a message says."""
    said = workshop.folder / "said"
    said.write_text("{}\n")
    source = 'fn main() { println!("cargo:rerun-if-changed=do.sh"); }\n'
    workshop.write({**FILES, "build.rs": source})
    # In the place of a macro, which would be compiled with the program: a wrapper of cargo's.
    wrapper = workshop.folder / "bin/cargo"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nPATH=${{PATH#*:}}\n[ "$1" = -V ] || cat {said}\ncargo "$@"\n')
    wrapper.chmod(0o755)
    workshop.env["PATH"] = f"{wrapper.parent}:{workshop.environment()['PATH']}"
    assert workshop.output() == "one\n"
    said.write_text(forged(workshop) + "\n")
    # Cargo is deceived by an old date.
    workshop.write({"src/main.rs": MAIN.replace("one", "two")})
    deceive(workshop, wrapper)
    assert workshop.output() == "two\n"


def deceive(workshop: Workshop, wrapper: Path) -> None:
    """Date the sources to 2006 before cargo looks at them for the first time."""
    once = workshop.folder / "once"
    once.write_text("")
    tree = workshop.volume / "files"
    text = wrapper.read_text()
    wrapper.write_text(
        text.replace(
            "PATH=$",
            f"[ ! -e {once} ] || {{ rm {once}; find {tree} -type f -exec touch -d 2006-01-01 {{}} +; }}\nPATH=$",
            1,
        )
    )


def test_a_program_that_cargo_wrongly_calls_fresh_is_built_anew(workshop: Workshop) -> None:
    """New content with an old date: cargo is deceived, the proof is not."""
    workshop.write(FILES)
    wrapper = workshop.folder / "bin/cargo"
    wrapper.parent.mkdir()
    wrapper.write_text('#!/bin/sh\nPATH=${PATH#*:}\ncargo "$@"\n')
    wrapper.chmod(0o755)
    workshop.env["PATH"] = f"{wrapper.parent}:{workshop.environment()['PATH']}"
    assert workshop.output() == "one\n"
    workshop.write({"src/main.rs": MAIN.replace("one", "two")})
    deceive(workshop, wrapper)
    assert workshop.output() == "two\n"


@pytest.mark.parametrize("kind", ["bin", "cdylib", "staticlib"])
def test_a_stub_is_refused(workshop: Workshop, kind: str) -> None:
    """A program, a shared and a static library with a stub's marker in it."""
    text = f'static MARKER: [u8; {len(STUB_MARKER)}] = *b"{STUB_MARKER}";'
    if kind == "bin":
        workshop.write(
            {"Cargo.toml": PACKAGE, "src/main.rs": f'fn main() {{ println!("{STUB_MARKER}"); }}\n'}
        )
    else:
        manifest = f'{PACKAGE}[lib]\ncrate-type = ["{kind}"]\n'
        workshop.write({"Cargo.toml": manifest, "src/lib.rs": f"#[no_mangle]\npub {text}\n"})
    with pytest.raises(AgentError, match="is a stub, not the program") as caught:
        workshop.build()
    assert caught.value.code == 96


def test_libraries_are_handed_out(workshop: Workshop) -> None:
    """Those that cargo puts in place for others."""
    manifest = f'{PACKAGE}[lib]\nname = "the_app"\ncrate-type = ["cdylib", "staticlib", "rlib"]\n'
    workshop.write(
        {"Cargo.toml": manifest, "src/lib.rs": '#[no_mangle]\npub extern "C" fn one() -> i32 { 1 }\n'}
    )
    report = workshop.build()
    assert set(report["sizes"]) == {"lib/libthe_app.a", "lib/libthe_app.so"}
    assert sorted(path.name for path in (workshop.out / "lib").iterdir()) == ["libthe_app.a", "libthe_app.so"]
