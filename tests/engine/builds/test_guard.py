"""Tests that the guards fire: what they are there for is brought about by hand."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import DaggerRustError, StaleBinaryError
from pytest_dagger_rust.builds import archive, base_archive
from pytest_dagger_rust.builds.caches import Caches
from pytest_dagger_rust.builds.execs import VOLUME
from pytest_dagger_rust.skeleton.stubs import STUB_MARKER
from tests.engine.accidents import another_session
from tests.engine.volume import in_volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from tests.engine.scenario import Scenario

    MakeScenario = Callable[[Mapping[str, str]], Scenario]

PACKAGE = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'
MAIN = 'fn main() {\n    println!("one {}", include_str!("../data file.txt"));\n}\n'


def workspace(main: str = MAIN, data: str = "first") -> dict[str, str]:
    """One program, and a file it includes by a path that goes up."""
    return {"Cargo.toml": PACKAGE, "src/main.rs": main, "data file.txt": data}


# Dates sources to 2006 when it is called for the first time in a container.
DATING_CARGO = """\
#!/bin/sh
PATH=${{PATH#*/cargo/bin:}}
[ -e /tmp/dated ] || [ ! -d {folder} ] || find {folder} -type f -exec touch -d 2006-01-01 {{}} +
: >/tmp/dated
exec cargo "$@"
"""


def with_old_dates(scenario: Scenario, folder: str = "") -> None:
    """Date what lies below a folder of the tree to 2006 before cargo looks at it, so that it cannot see an edit."""
    cargo = DATING_CARGO.format(folder=f"{VOLUME}/files/{folder}")
    scenario.builder = scenario.builder.with_new_file("/usr/local/cargo/bin/cargo", cargo, permissions=0o755)


@pytest.mark.parametrize("path", ["src/main.rs", "data file.txt"])
def test_a_binary_cargo_wrongly_calls_fresh_is_built_anew(make_scenario: MakeScenario, path: str) -> None:
    """New content with an old date in the volume: cargo is deceived, the proof is not, and all is built again."""
    scenario = make_scenario(workspace())
    with_old_dates(scenario)
    assert scenario.output() == "one first\n"
    old, new = ("one", "two") if path == "src/main.rs" else ("first", "other")
    scenario.replace(path, old, new)
    assert scenario.output() == "one first\n".replace(old, new)


def test_a_library_cargo_wrongly_calls_fresh_is_built_anew(make_scenario: MakeScenario) -> None:
    """A binary that was just linked is no proof: it may have been linked to an old library."""
    scenario = make_scenario(
        {
            "Cargo.toml": f'{PACKAGE}[dependencies]\nlibrary = {{ path = "library" }}\n',
            "src/main.rs": 'fn main() {\n    println!("one {}", library::word());\n}\n',
            "library/Cargo.toml": PACKAGE.replace("app", "library"),
            "library/src/lib.rs": "mod word;\npub use word::word;\n",
            "library/src/word.rs": 'pub fn word() -> &\'static str {\n    "first"\n}\n',
        }
    )
    with_old_dates(scenario, "library")
    assert scenario.output() == "one first\n"
    scenario.replace("src/main.rs", "one", "two")
    scenario.replace("library/src/word.rs", "first", "other")
    assert scenario.output() == "two other\n"


BOTH = {
    **workspace('fn main() {\n    println!("one {}", app::word());\n}\n'),
    "src/lib.rs": 'pub fn word() -> &\'static str {\n    include_str!("../data file.txt")\n}\n',
}


def test_a_library_is_not_taken_for_the_program_of_its_name(make_scenario: MakeScenario) -> None:
    """An edit of the program is none of the library beside it: cargo is right to call that one fresh."""
    scenario = make_scenario(BOTH)
    assert scenario.output() == "one first\n"
    library = f"stat -c %y {VOLUME}/target/debug/libapp.rlib"
    compiled = in_volume(scenario, library)
    scenario.replace("src/main.rs", "one", "two")
    assert scenario.output() == "two first\n"
    assert in_volume(scenario, library) == compiled


def test_a_program_is_not_taken_for_the_library_of_its_name(make_scenario: MakeScenario) -> None:
    """What the library alone has included is looked at, also where cargo cannot see that it has changed."""
    scenario = make_scenario(BOTH)
    with_old_dates(scenario)
    assert scenario.output() == "one first\n"
    scenario.replace("data file.txt", "first", "other")
    assert scenario.output() == "one other\n"


def test_a_program_beside_its_tests_is_not_believed_either(make_scenario: MakeScenario) -> None:
    """Where tests are built, cargo writes no dep-info beside the program they call: rustc's has what it included."""
    member = f'{PACKAGE}[[bin]]\nname = "app"\npath = "src/main.rs"\ntest = false\n'
    scenario = make_scenario(
        {
            "Cargo.toml": '[workspace]\nmembers = ["member"]\nresolver = "2"\n',
            "member/Cargo.toml": member,
            "member/src/main.rs": MAIN.replace("../", "../../"),
            "member/tests/all.rs": 'const _: &str = env!("CARGO_BIN_EXE_app");\n',
            "data file.txt": "first",
        }
    )
    with_old_dates(scenario)
    assert scenario.build_tests().report.compiled == ("app",)
    scenario.replace("data file.txt", "first", "other")
    assert scenario.build_tests().report.compiled == ("app",)


def test_a_binary_of_other_flags_proves_nothing(make_scenario: MakeScenario) -> None:
    """The proof is of one file: that a build with other flags is fresh says nothing of this one."""
    features = "[features]\nother = []\n"
    main = MAIN.replace("}\n", '    if cfg!(feature = "other") { println!("other"); }\n}\n')
    scenario = make_scenario({**workspace(main), "Cargo.toml": PACKAGE + features})
    with_old_dates(scenario)
    assert scenario.output() == "one first\n"
    scenario.replace("src/main.rs", "one", "two")
    assert scenario.output(features=("other",)) == "two first\nother\n"
    assert scenario.output() == "two first\n"


def test_a_stub_is_never_handed_out(make_scenario: MakeScenario) -> None:
    """A program with the marker of a stub in it is refused, whoever has put it there."""
    main = f'fn main() {{\n    println!("{STUB_MARKER}");\n}}\n'
    with pytest.raises(StaleBinaryError, match=r"debug/app is a stub, not the program"):
        make_scenario(workspace(main)).build()


def test_what_can_never_be_proved_is_an_error(make_scenario: MakeScenario) -> None:
    """Where the second build cannot be proved either, there is an error and no binary."""
    scenario = make_scenario(workspace())
    scenario.builder = scenario.builder.with_new_file(
        "/usr/local/cargo/bin/cargo", DECEIVING_CARGO, permissions=0o755
    )
    with pytest.raises(StaleBinaryError, match="could not be proved to come from the current sources"):
        scenario.build()


# Calls everything fresh, whatever it did.
DECEIVING_CARGO = """\
#!/bin/sh
PATH=${PATH#*/cargo/bin:}
cargo "$@" | sed 's/"fresh":false/"fresh":true/'
"""


def test_sources_changed_on_the_way_are_an_error(
    make_scenario: MakeScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive that is not what the host packed is not built."""
    pack = archive.pack

    def tampering(entries: Iterable[archive.Entry], folder: Path) -> archive.Archive:
        packed = pack(entries, folder)
        wrong = packed.path.rename(packed.path.with_name(f"{'0' * 64}.tar"))
        return dataclasses.replace(packed, path=wrong, digest="0" * 64)

    monkeypatch.setattr(archive, "pack", tampering)
    with pytest.raises(DaggerRustError, match="sources arrived changed"):
        make_scenario(workspace()).build()


def test_a_tree_that_a_machine_lost_is_mended(make_scenario: MakeScenario) -> None:
    """After another start of the machine, a file that is not what the index says is written again."""
    scenario = make_scenario(workspace())
    assert scenario.output() == "one first\n"
    in_volume(
        scenario,
        f"""cd {VOLUME}; sed -i 's/"boot":"/&another/' state.json; : >files/src/main.rs; touch files/unknown""",
    )
    scenario.replace("data file.txt", "first", "other")
    assert scenario.output() == "one other\n"
    assert in_volume(scenario, f"cd {VOLUME}/files; ls") == "Cargo.lock\nCargo.toml\ndata file.txt\nsrc\n"


def test_a_damaged_base_archive_is_replaced(make_scenario: MakeScenario, tmp_path: Path) -> None:
    """What was kept on this machine is no longer what it was: all is sent once more, and the build is right."""
    scenario = make_scenario(workspace())
    (scenario.root / "large").write_bytes(b"x" * base_archive.SMALL)
    scenario.caches = Caches(tmp_path / "cache")
    assert scenario.output() == "one first\n"
    (base,) = tmp_path.glob("cache/sent-*/*.tar")
    content = base.read_bytes()
    base.write_bytes(content.replace(b"first", b"worse"))
    scenario.replace("src/main.rs", "one", "two")
    # Another session, with another volume: this one's engine has the base archive as it was.
    with another_session(scenario) as other:
        assert other.scenario.output() == "two first\n"
    assert not base.exists()


def test_an_edit_sends_only_what_changed(make_scenario: MakeScenario, tmp_path: Path) -> None:
    """On top of a base archive: edited, removed and new files, and back to what the base has."""
    scenario = make_scenario(workspace())
    (scenario.root / "large").write_bytes(b"x" * base_archive.SMALL)
    scenario.caches = Caches(tmp_path / "cache")
    assert scenario.output() == "one first\n"
    scenario.replace("src/main.rs", "one", "two")
    scenario.remove("data file.txt")
    scenario.write({"data file.txt": "second", "src/unused.rs": ""})
    assert scenario.output() == "two second\n"
    scenario.write(workspace())
    assert scenario.output() == "one first\n"
    assert len(list(tmp_path.glob("cache/sent-*/*.tar"))) == 1


def test_another_configuration_compiles_own_crates_again(make_scenario: MakeScenario) -> None:
    """A variable that cargo's configuration sets is in the binary, whichever version of cargo looks at it."""
    scenario = make_scenario(workspace('fn main() {\n    println!("{}", env!("WORD"));\n}\n'))
    scenario.write({".cargo/config.toml": '[env]\nWORD = "one"\n'})
    assert scenario.output() == "one\n"
    scenario.replace(".cargo/config.toml", "one", "two")
    assert scenario.output() == "two\n"
