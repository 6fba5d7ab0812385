"""The dependency build, what restores it, and when a build does without it; on this machine's cargo."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cargo.container.workshop import AgentError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cargo.container.workshop import Workshop

PACKAGE = '[package]\nname = "{}"\nversion = "0.1.0"\nedition = "2021"\n'
FILES = {
    "Cargo.toml": PACKAGE.format("app") + '[dependencies]\nlibrary = { path = "library" }\n',
    "src/main.rs": 'fn main() {\n    println!("{}", library::WORD);\n}\n',
    "library/Cargo.toml": PACKAGE.format("library"),
    "library/src/lib.rs": 'pub const WORD: &str = "one";\n',
}


def dependencies(workshop: Workshop, name: str, *more: str) -> Path:
    """Make a dependency build of this name, and return the folder of what it has handed out."""
    report = workshop.build("--build-id", name, *more, subcommand="dependencies")
    assert report["build_id"] == name
    place = workshop.folder / f"restored-{name}"
    shutil.copytree(workshop.out, place, symlinks=True, copy_function=shutil.copy2)
    return place


def test_what_was_compiled_is_restored_once_and_not_compiled_again(workshop: Workshop) -> None:
    """On an empty volume; its report is in that of the build, and its lock file is used."""
    workshop.write(FILES)
    restored = dependencies(workshop, "a")
    assert sorted(path.name for path in restored.iterdir()) == [
        "Cargo.lock",
        "build-id",
        "index",
        "report.json",
        "target",
    ]
    workshop.forget_volume()
    report = workshop.build("--restored", str(restored))
    assert report["volume"] == "new"
    assert workshop.compiled(report) == {"app"}, "the library was compiled from the same sources"
    assert report["dependencies"]["build_id"] == "a"
    assert report["dependencies"]["target_size"] > 0
    (restored / "target").rename(restored / "not used")
    report = workshop.build("--restored", str(restored))
    assert (report["volume"], workshop.compiled(report)) == ("kept", set())


def test_a_local_package_of_other_sources_is_compiled_again(workshop: Workshop) -> None:
    """Only one that is the same in both builds is taken over, and an edit of that has it compiled again."""
    workshop.write(FILES)
    restored = dependencies(workshop, "a")
    workshop.forget_volume()
    workshop.write({"library/src/lib.rs": 'pub const WORD: &str = "two";\n'})
    report = workshop.build("--restored", str(restored))
    assert workshop.compiled(report) == {"app", "library"}
    assert workshop.run() == "two\n"
    workshop.forget_volume()
    workshop.write(FILES)
    assert workshop.compiled(workshop.build("--restored", str(restored))) == {"app"}
    assert workshop.run() == "one\n"
    for word in ("six", "one"):
        workshop.write({"library/src/lib.rs": f'pub const WORD: &str = "{word}";\n'})
        report = workshop.build("--restored", str(restored))
        assert workshop.compiled(report) == {"app", "library"}
        assert workshop.run() == f"{word}\n"


def test_a_volume_holds_a_limited_number_of_dependency_builds(workshop: Workshop) -> None:
    """With one more, it starts anew, and says so."""
    workshop.write(FILES)
    restored = dependencies(workshop, "0")
    states: list[str] = []
    for number in range(1, 10):
        (restored / "build-id").write_text(str(number))
        states.append(workshop.build("--restored", str(restored))["volume"])
    assert states == [*["kept"] * 7, "emptied: it held 8 sets of dependencies", "kept"]


def test_a_build_that_was_interrupted_is_not_mixed_with_a_dependency_build(workshop: Workshop) -> None:
    """What cargo may have left half written goes before other files come beside it."""
    workshop.write(FILES)
    restored = dependencies(workshop, "a")
    (restored / "build-id").write_text("b")
    (workshop.volume / "running").write_text("")
    assert workshop.build("--restored", str(restored))["volume"] == "emptied: a build had been interrupted"
    assert workshop.run() == "one\n"


def test_a_dependency_build_is_skipped_where_there_is_something_to_start_from(workshop: Workshop) -> None:
    """On an empty volume, after an interruption, and where there is no room, the agent says that it is needed."""
    workshop.write(FILES)
    with pytest.raises(AgentError, match="there are no compiled dependencies to start from") as caught:
        workshop.build("--skipped", "a")
    assert caught.value.code == 97
    workshop.build()
    assert workshop.compiled(workshop.build("--skipped", "a")) == set()
    (workshop.volume / "running").write_text("")
    with pytest.raises(AgentError, match="the target directory does not take these dependencies"):
        workshop.build("--skipped", "b")
    assert workshop.compiled(workshop.build("--skipped", "a")) == set()


def test_cargos_own_lock_file_is_kept_and_the_users_comes_first(workshop: Workshop) -> None:
    """Without one cargo makes it, and it stays; the user's is what a build begins with."""
    workshop.write(FILES)
    made = workshop.build()["lock"]
    assert 'name = "library"' in made
    assert workshop.build()["rewritten"] == []
    users = made.replace("version = 4", "version = 3")
    assert users != made
    workshop.write({"Cargo.lock": users})
    assert workshop.build()["lock"] == users
    (workshop.volume / "files/Cargo.lock").write_text(made)
    assert workshop.build()["lock"] == users


def test_a_failure_is_kept_for_the_host_to_read(workshop: Workshop) -> None:
    """By the id of the build, and for no other."""
    workshop.write({**FILES, "src/main.rs": "fn main() { 1 + }\n"})
    with pytest.raises(AgentError):
        workshop.build("--build-id", "this")
    workshop.failure("this").check_returncode()
    failure = json.loads((workshop.folder / "failure.json").read_text())
    assert failure["signal"] is None
    assert "error: could not compile `app`" in failure["stderr"]
    assert "Building [" not in failure["stderr"]
    done = workshop.failure("other")
    assert (done.returncode, "another build has failed since" in done.stderr) == (94, True)


@pytest.mark.parametrize("words", [[], ["nonsense"], ["build", "--nonsense", "1"], ["build"], ["run", "x"]])
def test_a_command_line_that_is_none_is_named(workshop: Workshop, words: list[str]) -> None:
    """With an exit code of its own."""
    done = subprocess.run([workshop.agent, *words], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("pytest-dagger-rust: ")
    assert len(done.stderr.splitlines()) == 1
