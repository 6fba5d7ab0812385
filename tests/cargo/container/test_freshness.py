"""Freshness on this machine's cargo: whatever times say and whatever was interrupted, the program is of these sources."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.cargo.container.workshop import AgentError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cargo.container.workshop import Workshop

PACKAGE = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'
MAIN = 'fn main() {\n    println!("one {}", include_str!("../data file.txt"));\n}\n'
FILES = {"Cargo.toml": PACKAGE, "src/main.rs": MAIN, "data file.txt": "first"}


def test_content_decides_whatever_the_times_say(workshop: Workshop) -> None:
    """Edits with old, equal and future times, and back again."""
    workshop.write(FILES)
    assert workshop.output() == "one first\n"
    for word, time in (("two", 1), ("six", 1), ("ten", 4_102_444_800), ("one", 1)):
        workshop.write({**FILES, "src/main.rs": MAIN.replace("one", word)})
        os.utime(workshop.root / "src/main.rs", (time, time))
        assert workshop.output() == f"{word} first\n"
    workshop.write({"data file.txt": "other"})
    assert workshop.output() == "one other\n"


def set_back(folder: Path, minutes: int) -> None:
    """Date all in a folder as if the clock had been so much slower when it was written."""
    # Some have several names.
    for path in {path.lstat().st_ino: path for path in (folder, *folder.rglob("*"))}.values():
        found = path.lstat()
        time = found.st_mtime_ns - minutes * 60 * 10**9
        os.utime(path, ns=(time, time), follow_symlinks=False)


def set_proofs_back(volume: Path, minutes: int) -> None:
    """Change the times in the proofs likewise: an artifact is known by its file's."""
    stamps = re.compile(r"(?<=-)\d+(?=\.\d{9}$)", re.MULTILINE)
    text = (volume / "proofs").read_text()
    (volume / "proofs").write_text(stamps.sub(lambda found: str(int(found[0]) - minutes * 60), text))


@pytest.mark.parametrize("minutes", [-10, 10])
@pytest.mark.parametrize("on_host", [-10, 0, 10])
def test_clocks_that_are_minutes_apart_decide_nothing(workshop: Workshop, minutes: int, on_host: int) -> None:
    """That of the machine that compiled was slow or fast, and that of the host is something else again."""
    library = {"library.rs": 'pub fn word() -> &\'static str { "first" }\n'}
    main = 'mod library;\nfn main() { println!("one {}", library::word()); }\n'
    workshop.write({"Cargo.toml": PACKAGE, "src/main.rs": main})
    for word in ("first", "other", "first"):
        for name, text in library.items():
            workshop.write({f"src/{name}": text.replace("first", word)})
        set_back(workshop.root, on_host)
        assert workshop.output() == f"one {word}\n"
        set_proofs_back(workshop.volume, minutes)
        set_back(workshop.volume, minutes)
    report = workshop.build()
    # Where time has gone backwards, what was compiled in the future is no longer there to be compared with.
    assert workshop.compiled(report) == (set() if minutes > 0 else {"app"})
    assert report["volume"] == ("kept" if minutes > 0 else "emptied: the clock went back")
    assert workshop.compiled(workshop.build()) == set()


def test_what_is_unchanged_is_not_compiled(workshop: Workshop) -> None:
    """Touching everything compiles nothing, and the report has a time for each step and each message."""
    workshop.write(FILES)
    report = workshop.build()
    assert workshop.compiled(report) == {"app"}
    assert report["volume"] == "new"
    assert [name for name, _ in report["steps"]] == ["lock", "update", "restore", "cargo", "verify", "copy"]
    assert [name for name, _ in report["starts"]] == ["app"]
    ends = dict(zip([m["reason"] for m in report["messages"]], report["ends"], strict=True))
    assert report["starts"][0][1] <= ends["compiler-artifact"] <= ends["build-finished"]
    os.utime(workshop.root / "src/main.rs")
    report = workshop.build()
    assert workshop.compiled(report) == set()
    assert (report["volume"], report["rewritten"]) == ("kept", [])
    assert report["sizes"] == {"bin/app": (workshop.out / "bin/app").stat().st_size}
    assert [message["target"]["name"] for message in report["before"]] == ["app"]


def test_names_with_blanks_quotes_and_line_breaks_are_only_names(workshop: Workshop) -> None:
    """Files, folders and a package in a folder that a shell would stumble over."""
    folder = 'it\'s a "folder" $(exit) *'
    root = f"[workspace]\nmembers = ['''{folder}''']\nresolver = '2'\n"
    workshop.write({"Cargo.toml": root, f"{folder}/Cargo.toml": PACKAGE, f"{folder}/src/main.rs": MAIN})
    workshop.write({f"{folder}/data file.txt": "first"})
    assert workshop.output() == "one first\n"
    workshop.write({f"{folder}/data file.txt": "other", f"{folder}/-rf": "", "back\\slash": ""})
    assert workshop.output() == "one other\n"
    assert (workshop.volume / "files" / folder / "-rf").exists()


def test_a_file_becomes_a_folder_and_a_link_and_a_file_again(workshop: Workshop) -> None:
    """Each in the place of the other; what is seen through a link is compiled anew."""
    main = 'mod words;\nfn main() { println!("{}", words::WORD); }\n'
    one, two = ('pub const WORD: &str = "one";', 'pub const WORD: &str = "two";')
    workshop.write({"Cargo.toml": PACKAGE, "src/main.rs": main, "src/words.rs": one})
    assert workshop.output() == "one\n"
    (workshop.root / "src/words.rs").unlink()
    workshop.write({"src/words/mod.rs": two})
    assert workshop.output() == "two\n"
    (workshop.root / "src/words/mod.rs").unlink()
    (workshop.root / "src/words").rmdir()
    workshop.write({"shelf/one/mod.rs": one, "shelf/two/mod.rs": two})
    for name in ("one", "two", "one"):
        link = workshop.root / "src/words"
        link.unlink(missing_ok=True)
        link.symlink_to(f"../shelf/{name}")
        assert workshop.output() == f"{name}\n"
    link.unlink()
    workshop.write({"src/words.rs": two})
    assert workshop.output() == "two\n"


def test_a_link_to_everything_is_left_alone(workshop: Workshop) -> None:
    """What a link shows outside of the tree is not walked through, and not dated anew."""
    workshop.write(FILES)
    outside = workshop.folder / "outside"
    outside.write_text("")
    os.utime(outside, (1, 1))
    links = {"root": "/", "up": "../../..", "proc": "/proc/self", "loop": "loop", "file": str(outside)}
    for name, to in links.items():
        (workshop.root / name).symlink_to(to)
    assert workshop.output() == "one first\n"
    assert outside.stat().st_mtime == 1


def test_an_interrupted_sync_is_made_good(workshop: Workshop) -> None:
    """The tree has what no index claims, and the index claims what the tree has no more."""
    workshop.write(FILES)
    assert workshop.output() == "one first\n"
    files = workshop.volume / "files"
    (workshop.volume / "syncing").write_text("")
    (files / "src/main.rs").write_text("garbage")
    (files / "src/bin").mkdir()
    (files / "src/bin/evil.rs").write_text("fn main() {}")
    (files / "data file.txt").unlink()
    assert workshop.output() == "one first\n"
    assert sorted(path.name for path in (files / "src").iterdir()) == ["main.rs"]


def test_after_another_start_of_the_machine_the_tree_is_read_again(workshop: Workshop) -> None:
    """What had not been written to the disk when it went down is written now."""
    workshop.write(FILES)
    assert workshop.output() == "one first\n"
    state = workshop.volume / "state.json"
    text = state.read_text()
    start = text.index('"boot":"') + len('"boot":"')
    state.write_text(text[:start] + "another" + text[start:])
    (workshop.volume / "files/data file.txt").write_text("lost")
    assert workshop.output() == "one first\n"


GARBAGE = {
    "state.json": ["", "{", "[]", '{"generation":1e99}', "\0" * 100],
    "index": ["x", "0" * 64 + " - ../../outside\n", "\n"],
    "changes": ["x\n", "99999999999999999999 src/main.rs\n", "1 /etc/passwd\n", "1 x"],
    "proofs": ["x\n", "4503599627370495 1-2-3\n", "-1 1-2-3\n"],
}


@pytest.mark.parametrize(
    ("name", "content"), [(name, text) for name, texts in GARBAGE.items() for text in texts]
)
def test_records_that_make_no_sense_are_thrown_away(workshop: Workshop, name: str, content: str) -> None:
    """What a build script may have left there: all is compiled once more, and the report says why."""
    workshop.write(FILES)
    assert workshop.output() == "one first\n"
    (workshop.volume / name).write_text(content)
    report = workshop.build()
    assert report["volume"] == "emptied: its records were damaged"
    assert workshop.compiled(report) == {"app"}
    assert workshop.build()["volume"] == "kept"


PLACES = (
    *("state.json", "index", "changes", "proofs", "lock", "clock", "clock.now", "target", "before", "work"),
    *("running", "syncing", "failed.json"),
)


@pytest.mark.parametrize("kind", ["folder", "link", "pipe"])
def test_anything_in_the_place_of_anything_is_removed(workshop: Workshop, kind: str) -> None:
    """A folder, a dangling link or a pipe: the build neither fails nor waits, and is right."""
    workshop.write(FILES)
    assert workshop.output() == "one first\n"
    for number, name in enumerate(PLACES):
        place = workshop.volume / name
        if place.is_dir():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        if kind == "folder":
            (place / "in").mkdir(parents=True)
        elif kind == "link":
            place.symlink_to("/nowhere")
        else:
            os.mkfifo(place)
        workshop.write({"src/main.rs": MAIN.replace("one", f"{number:03}")})
        assert workshop.output() == f"{number:03} first\n", name


def test_a_clock_that_went_back_has_everything_compiled(workshop: Workshop) -> None:
    """Outputs that are newer than new sources would look fresh."""
    workshop.write(FILES)
    assert workshop.output() == "one first\n"
    os.utime(workshop.volume / "clock", (4_102_444_800, 4_102_444_800))
    report = workshop.build()
    assert report["volume"] == "emptied: the clock went back"
    assert workshop.compiled(report) == {"app"}


def test_a_volume_is_cleared_once_for_each_request(workshop: Workshop) -> None:
    """And then kept, until another request."""
    workshop.write(FILES)
    workshop.build()
    assert [workshop.build("--clear", word)["volume"] for word in "aab"] == ["cleared", "kept", "cleared"]


def test_sources_that_are_not_what_was_sent_are_refused(workshop: Workshop) -> None:
    """By an exit code of its own: the host sends all once more."""
    workshop.write(FILES)
    workshop.build()
    with pytest.raises(AgentError, match="the sources arrived changed") as caught:
        workshop.build("--digest", "0" * 64)
    assert caught.value.code == 95


def test_variables_run_build_scripts_again_and_configuration_compiles_all(workshop: Workshop) -> None:
    """Those that a script does not name, and configuration that an older cargo does not look at."""
    main = 'fn main() { println!("{}", env!("SEEN")); }\n'
    script = 'fn main() { println!("cargo:rerun-if-changed=build.rs"); println!("cargo:rustc-env=SEEN={}", std::env::var("WORD").unwrap()); }\n'
    workshop.write({"Cargo.toml": PACKAGE, "src/main.rs": main, "build.rs": script})
    for word in ("one", "two", "one"):
        workshop.env["WORD"] = workshop.variables = word
        assert workshop.output() == f"{word}\n"


def test_a_deleted_file_runs_a_build_script_that_names_none_again(workshop: Workshop) -> None:
    """Cargo looks for the newest file of the package only: its manifest is one from then on."""
    main = 'fn main() { println!("{}", env!("COUNT")); }\n'
    script = (
        'fn main() { println!("cargo:rustc-env=COUNT={}", std::fs::read_dir("data").unwrap().count()); }\n'
    )
    workshop.write(
        {"Cargo.toml": PACKAGE, "src/main.rs": main, "build.rs": script, "data/a": "", "data/b": ""}
    )
    assert workshop.output() == "2\n"
    (workshop.root / "data/a").unlink()
    assert workshop.output() == "1\n"
