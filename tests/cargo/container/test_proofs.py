"""Proofs at scale, and of what they are made: with a cargo that says what the test has it say."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from tests.cargo.container.workshop import AgentError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.cargo.container.workshop import Workshop

# Says what stands in a file, and writes anew the files it calls compiled.
CARGO = """\
#!/bin/sh
mkdir -p {target}
cp {infos}/* {target}
cat {said}
while read -r path; do echo "$$" >"$path"; done <{written}
"""


class Cargo:
    """A cargo that compiles nothing."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.folder = workshop.folder / "cargo"
        self.infos = self.folder / "infos"
        self.folder.mkdir()
        program = self.folder / "cargo"
        self.infos.mkdir()
        target = workshop.volume / "target/debug"
        names = {name: self.folder / name for name in ("said", "written", "infos")}
        program.write_text(CARGO.format(target=target, **names))
        program.chmod(0o755)
        workshop.env["PATH"] = f"{self.folder}:{workshop.environment()['PATH']}"

    def says(self, names: Sequence[str], *, fresh: bool) -> None:
        """Let it call the libraries of these names fresh, or compiled."""
        messages = [json.dumps(self.message(name, fresh=fresh)) for name in names]
        (self.folder / "said").write_text(
            "\n".join([*messages, '{"reason":"build-finished","success":true}', ""])
        )
        (self.folder / "written").write_text("".join(f"{self.file(name)}\n" for name in names if not fresh))

    def file(self, name: str) -> Path:
        """Return the library of a name."""
        return self.workshop.volume / f"target/debug/lib{name}.rlib"

    def message(self, name: str, *, fresh: bool) -> dict[str, Any]:
        """Return cargo's message for a library."""
        tree = self.workshop.volume / "files"
        source = f"{tree}/{name}/src/lib.rs"
        return {
            "reason": "compiler-artifact",
            "package_id": f"path+file://{tree}/{name}#0.1.0",
            "manifest_path": f"{tree}/{name}/Cargo.toml",
            "target": {
                "name": name,
                "kind": ["lib"],
                "crate_types": ["lib"],
                "src_path": source,
                "doctest": True,
            },
            "profile": {"test": False},
            "features": [],
            "filenames": [str(self.file(name))],
            "executable": None,
            "fresh": fresh,
        }

    def dep_info(self, name: str, *inputs: str) -> None:
        """Write what a library was made from."""
        (self.infos / f"lib{name}.d").write_text(f"{self.file(name)}: {' '.join(inputs)}\n")


def seconds_of_proofs(workshop: Workshop, artifacts: int, paths: int) -> list[float]:
    """Compile libraries, change as many paths that are none of theirs, and return the seconds of the next proofs."""
    cargo = Cargo(workshop)
    names = [f"library{number}" for number in range(artifacts)]
    for name in names:
        cargo.dep_info(name, *(f"{name}/src/file{number}.rs" for number in range(20)))
    workshop.write({f"data/{number}": "one" for number in range(paths)})
    cargo.says(names, fresh=False)
    workshop.build()
    workshop.write({f"data/{number}": "two" for number in range(paths)})
    cargo.says(names, fresh=True)
    reports = [workshop.build(), workshop.build()]
    return [dict(report["steps"])["verify"] for report in reports]


def test_many_artifacts_and_many_changes_are_proved_in_linear_time(
    workshop: Workshop, tmp_path: Path
) -> None:
    """Twice as many of both take about twice as long, and the proofs are renewed."""
    small = seconds_of_proofs(workshop, 300, 2000)
    (tmp_path / "large").mkdir()
    large = seconds_of_proofs(type(workshop)(workshop.agent, tmp_path / "large"), 600, 4000)
    assert min(small) < 1
    assert min(large) < 3.5 * min(small)


def test_a_proof_is_renewed_where_it_holds(workshop: Workshop) -> None:
    """So that no later build looks at changes from before."""
    cargo = Cargo(workshop)
    cargo.dep_info("a", "a/src/lib.rs")
    workshop.write({"other": "one"})
    cargo.says(["a"], fresh=False)
    workshop.build()
    workshop.write({"other": "two"})
    cargo.says(["a"], fresh=True)
    workshop.build()
    generation = json.loads((workshop.volume / "state.json").read_text())["generation"]
    assert (workshop.volume / "proofs").read_text().startswith(f"{generation} ")
    workshop.build()
    assert (workshop.volume / "changes").read_text() == ""


@pytest.mark.parametrize(
    ("inputs", "changed", "holds"),
    [
        (("a/src/lib.rs",), "a/src/other.rs", True),
        (("a/src/lib.rs",), "a/src/lib.rs", False),
        (("a/data",), "a/data/deep/file", False),
        (("a/data",), "a/data2", True),
        (("a/data\\ file",), "a/data file", False),
        (("a/../b/x",), "b/x", False),
        (("/elsewhere/b/x",), "b/x", True),
        (("a/b/c",), "a/b", False),
    ],
)
def test_an_input_that_has_changed_breaks_a_proof(
    workshop: Workshop, inputs: tuple[str, ...], changed: str, *, holds: bool
) -> None:
    """A file, a folder, a path that goes up; and nothing else."""
    cargo = Cargo(workshop)
    cargo.dep_info("a", *inputs)
    workshop.write({"keep": ""})
    cargo.says(["a"], fresh=False)
    workshop.build()
    workshop.write({changed: "new"})
    cargo.says(["a"], fresh=True)
    if holds:
        workshop.build()
        return
    with pytest.raises(AgentError, match="could not be proved") as caught:
        workshop.build()
    assert caught.value.code == 96
    assert caught.value.said[0] == f"cargo calls debug/liba.rlib fresh, but {changed} has changed since"


def test_a_claim_of_having_compiled_is_compared_with_the_file(workshop: Workshop) -> None:
    """One that was not written since cargo began was not compiled."""
    cargo = Cargo(workshop)
    cargo.dep_info("a", "a/src/lib.rs")
    workshop.write({"a/src/lib.rs": "one"})
    cargo.says(["a"], fresh=False)
    workshop.build()
    workshop.write({"a/src/lib.rs": "two"})
    (cargo.folder / "written").write_text("")
    with pytest.raises(AgentError, match="could not be proved"):
        workshop.build()


def test_a_cargo_that_is_killed_is_kept_as_such(workshop: Workshop) -> None:
    """By the number of the signal."""
    cargo = Cargo(workshop)
    (cargo.folder / "cargo").write_text("#!/bin/sh\nkill -9 $$\n")
    workshop.write({"keep": ""})
    with pytest.raises(AgentError):
        workshop.build()
    assert json.loads((workshop.volume / "failed.json").read_text())["signal"] == 9


def test_without_cargo_it_is_said_so(workshop: Workshop) -> None:
    """In one line that names what is missing."""
    workshop.write({"keep": ""})
    workshop.env["PATH"] = "/nowhere"
    with pytest.raises(
        AgentError, match=r"cargo cannot be started: .* The builder image needs cargo on its PATH"
    ):
        workshop.build()


def test_two_builds_of_one_volume_wait_for_each_other(workshop: Workshop) -> None:
    """The second one says that it waits."""
    cargo = Cargo(workshop)
    (cargo.folder / "cargo").write_text("#!/bin/sh\nsleep 1\n")
    workshop.write({"keep": ""})
    workshop.folder.joinpath("home").mkdir()
    command = workshop.command(workshop.pack())
    both = [
        subprocess.Popen(command, env=workshop.environment(), stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted("waiting for another build" in text for text in said) == [False, True]
