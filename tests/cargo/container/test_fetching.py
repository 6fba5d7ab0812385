"""Packages are fetched by an exec of its own; on this machine's cargo, from a registry on this machine."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.cargo.container.workshop import AgentError, Workshop
from tests.registry import Registry, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PUBLIC = "registry+https://github.com/rust-lang/crates.io-index"
PACKAGE = (
    '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n\n'
    '[dependencies]\nopen = "1"\nclosed = { version = "1", registry = "own" }\n'
)
LOCK = 'version = 4\n\n[[package]]\nname = "app"\nversion = "0.1.0"\ndependencies = ["closed", "open"]\n'
MAIN = 'fn main() { println!("{} {}", open::WORD, closed::WORD); }\n'


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry with two packages; it stands for crates.io, and for one of the workspace's own."""
    with serving() as registry:
        yield registry


@dataclass
class Project:
    """A workspace with the volume of its own, beside one that all share."""

    workshop: Workshop
    registry: Registry

    def __post_init__(self) -> None:
        index = self.registry.address
        checksums = {name: self.publish(name) for name in ("open", "closed")}
        sources = {"open": PUBLIC, "closed": index}
        packages = [
            f'\n[[package]]\nname = "{name}"\nversion = "1.0.0"\nsource = "{sources[name]}"\nchecksum = "{checksum}"\n'
            for name, checksum in sorted(checksums.items())
        ]
        config = (
            f'[source.crates-io]\nreplace-with = "mirror"\n[source.mirror]\nregistry = "{index}"\n'
            f'[registries.own]\nindex = "{index}"\n'
        )
        files = {"Cargo.toml": PACKAGE, "Cargo.lock": LOCK + "".join(packages), "src/main.rs": MAIN}
        self.workshop.write({**files, ".cargo/config.toml": config})

    def publish(self, name: str, word: str = "right") -> str:
        """Publish a package under its one version."""
        return self.registry.add(name, "1.0.0", {"src/lib.rs": f'pub const WORD: &str = "{word}";\n'})

    def fetch(self, shared: Path) -> list[str]:
        """Fetch what the workspace needs, and return what was downloaded."""
        home = self.workshop.folder / "home"
        subprocess.run(["rm", "-rf", str(home), str(self.packages)], check=True)
        self.packages.mkdir()
        packed = self.workshop.pack()
        command = [str(self.workshop.agent), "fetch", "--volume", str(self.own), "--shared", str(shared)]
        command += ["--out", str(self.packages), "--archive", str(packed.path), "--digest", packed.digest]
        command += ["--root", ".", "--lock", "Cargo.lock", "--", "--locked"]
        env = {**self.workshop.environment(), "CARGO_NET_OFFLINE": "false"}
        self.registry.requests.clear()
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise AgentError(done)
        subprocess.run(["rm", "-rf", str(home)], check=True)
        return sorted(self.registry.downloads())

    @property
    def packages(self) -> Path:
        """What left the fetch."""
        return self.workshop.folder / "packages"

    @property
    def own(self) -> Path:
        """The workspace's own volume."""
        return self.workshop.folder / "own"


@pytest.fixture
def project(workshop: Workshop, registry: Registry) -> Project:
    """A workspace of which nothing was ever fetched."""
    return Project(workshop, registry)


@pytest.fixture
def other(project: Project, tmp_path: Path) -> Project:
    """Another one on the same engine, with the same lock file."""
    (tmp_path / "other").mkdir()
    return Project(Workshop(project.workshop.agent, tmp_path / "other"), project.registry)


def archives(folder: Path) -> dict[str, Path]:
    """Return the archives in a folder like cargo's home, by name."""
    return {path.name: path for path in folder.glob("registry/cache/*/*.crate")}


def test_what_is_fetched_is_whole_and_built_without_a_network(project: Project, tmp_path: Path) -> None:
    """Unpacked, with the parts of the index and the lock file; links to the volumes are not among it."""
    assert project.fetch(tmp_path / "shared") == ["closed-1.0.0.crate", "open-1.0.0.crate"]
    assert project.workshop.output() == "right right\n"
    assert {path.name for path in project.packages.glob("registry/src/*/*")} == {"closed-1.0.0", "open-1.0.0"}
    assert not [path for path in project.packages.rglob("*") if path.is_symlink()]
    assert project.fetch(tmp_path / "shared") == [], "the volume keeps what was downloaded"


def test_only_what_is_public_is_shared(project: Project, other: Project, tmp_path: Path) -> None:
    """Another workspace takes the archive of crates.io; that of another registry it has to ask for itself."""
    shared = tmp_path / "shared"
    project.fetch(shared)
    assert {path.name for path in shared.rglob("*") if path.is_file()} == {"open-1.0.0.crate"}
    assert other.fetch(shared) == ["closed-1.0.0.crate"]
    assert other.workshop.output() == "right right\n"


@pytest.mark.parametrize("damage", ["content", "link", "folder", "empty"])
def test_what_a_lock_file_contradicts_is_not_taken(
    project: Project, other: Project, tmp_path: Path, damage: str
) -> None:
    """Whatever lies in a volume in the place of an archive: it is downloaded again, and given back right."""
    shared = tmp_path / "shared"
    project.fetch(shared)
    (tmp_path / "evil").write_text("evil")
    for place in (archives(shared)["open-1.0.0.crate"], archives(project.own)["closed-1.0.0.crate"]):
        place.unlink()
        if damage == "folder":
            place.mkdir()
        elif damage == "link":
            place.symlink_to(tmp_path / "evil")
        else:
            place.write_text("evil" if damage == "content" else "")
    assert "open-1.0.0.crate" in other.fetch(shared)
    assert other.workshop.output() == "right right\n"
    assert project.fetch(shared) == ["closed-1.0.0.crate"]
    assert project.workshop.output() == "right right\n"
    place = archives(shared)["open-1.0.0.crate"]
    assert place.is_file()
    assert place.read_bytes() == project.registry.files["/open-1.0.0.crate"]


def test_another_archive_from_the_registry_is_refused(project: Project, tmp_path: Path) -> None:
    """Cargo itself compares it with the lock file, and says so."""
    project.registry.files.clear()
    for name in ("open", "closed"):
        project.publish(name, "evil")
    with pytest.raises(AgentError, match="checksum"):
        project.fetch(tmp_path / "shared")
