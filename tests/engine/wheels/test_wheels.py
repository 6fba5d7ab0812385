"""Tests of wheels: imported here, installed elsewhere, made anew after an edit, and what is said where none can be."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust import (
    CargoOptions,
    ConfigurationError,
    DaggerRustError,
    RustBuildFactory,
    RustWorkspace,
)
from pytest_dagger_rust.report.build_log import BuildLog
from pytest_dagger_rust.report.facts import facts_of
from pytest_dagger_rust.report.progress import Progress
from tests.images import python_image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import dagger

    from pytest_dagger_rust import Engine

FILES = {
    "Cargo.toml": '[workspace]\nmembers = ["words", "plain"]\nresolver = "2"\n',
    "words/Cargo.toml": """
[package]
name = "fast-words"
version = "1.2.0"
edition = "2021"

[lib]
name = "fast_words"
crate-type = ["cdylib"]

[dependencies]
pyo3 = "0.26"
""",
    "words/pyproject.toml": """
[build-system]
requires = ["maturin>=1.9,<2"]
build-backend = "maturin"

[project]
name = "fast-words"
version = "1.2.0"

[tool.maturin]
features = ["pyo3/extension-module"]
""",
    "words/src/lib.rs": """
use pyo3::prelude::*;

#[pyfunction]
fn count(text: &str) -> usize {
    text.split_whitespace().count()
}

#[pymodule]
fn fast_words(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(count, module)?)
}
""",
    "plain/Cargo.toml": '[package]\nname = "plain"\nversion = "1.0.0"\nedition = "2021"\n',
    "plain/src/lib.rs": "",
}
HERE = f"3{sys.version_info.minor}"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a Python module and a library that is none."""
    folder = tmp_path_factory.mktemp("workspace")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="module")
def make_factory(
    engine: Engine, root: Path, rust_builder_image: str, rust_runtime_container: dagger.Container
) -> Callable[..., RustBuildFactory]:
    """Return a function that makes a factory, which knows of no build made before."""

    def make(observer: BuildLog | None = None) -> RustBuildFactory:
        builder = engine.client.container().from_(rust_builder_image)
        workspace = RustWorkspace.load(root)
        runtime, options = rust_runtime_container, CargoOptions()
        return RustBuildFactory(
            engine, engine.client, workspace, options, builder=builder, runtime=runtime, observer=observer
        )

    return make


def counted(folder: Path) -> str:
    """Import the module in a process of its own, and give what it counts."""
    program = "import fast_words; print(fast_words.count('one two'))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_running_interpreter_imports_it_fresh(
    make_factory: Callable[..., RustBuildFactory], root: Path, tmp_path: Path
) -> None:
    """Without installing it; the next wheel has the next content. The summary has a row for it."""
    log = BuildLog(Progress(lambda: None))
    wheel = make_factory(log).blocking.wheel("fast-words")
    assert wheel.name.startswith(f"fast_words-1.2.0-cp{HERE}-cp{HERE}-")
    assert counted(wheel.unpack(tmp_path / "first")) == "2\n"
    (facts,) = map(facts_of, log.builds)
    assert facts.name == f"wheel fast-words for Python 3.{sys.version_info.minor}"
    assert (facts.compiled[-1], facts.state) == ("fast-words", "partly rebuilt" if facts.fresh else "rebuilt")
    assert [what for what, _ in log.waits] == [f"building the {facts.name.replace('wheel', 'wheel of')}"]
    source = root / "words/src/lib.rs"
    source.write_text(source.read_text().replace(".count()", ".count() * 10"))
    assert counted(make_factory().blocking.wheel("fast-words").unpack(tmp_path / "second")) == "20\n"


@pytest.mark.asyncio
async def test_another_python_installs_it_in_a_container(
    make_factory: Callable[[], RustBuildFactory], engine: Engine, tmp_path: Path
) -> None:
    """By pip, in an image of that version; here it is refused in one sentence."""
    factory = make_factory()
    wheel = await factory.wheel("fast-words", python="3.13")
    assert wheel is await factory.wheel("fast-words", python="3.13")
    python = engine.client.container().from_(python_image()).with_file(f"/{wheel.name}", wheel.file)
    installed = python.with_exec(
        ["pip", "install", "--break-system-packages", "--no-index", f"/{wheel.name}"]
    )
    counted = installed.with_exec(["python3", "-c", "import fast_words; print(fast_words.count('a b c'))"])
    assert await counted.stdout() in {"3\n", "30\n"}
    if sys.version_info.minor != 13:
        with pytest.raises(
            ConfigurationError,
            match=rf"is for cp313-cp313, and this is Python 3.{HERE[1:]} \(cp{HERE}-\w+\).\n  Leave",
        ):
            wheel.unpack(tmp_path)


def test_what_is_no_python_module_is_said_so(make_factory: Callable[[], RustBuildFactory]) -> None:
    """A package without a cdylib, one that is not there, and a version that is none."""
    factory = make_factory()
    with pytest.raises(ConfigurationError, match=r"^wheel: the package 'plain' is not a Python module"):
        factory.blocking.wheel("plain")
    with pytest.raises(
        ConfigurationError, match=r"there is no package 'words'. The workspace has: fast-words, plain"
    ):
        factory.blocking.wheel("words")
    with pytest.raises(ConfigurationError, match=r"python must be a version such as '3.13': got 'three'"):
        factory.blocking.wheel("fast-words", python="three")


def test_a_project_maturin_refuses_is_told_in_its_words(
    make_factory: Callable[[], RustBuildFactory], root: Path
) -> None:
    """What maturin says is what helps."""
    project = root / "words/pyproject.toml"
    text = project.read_text()
    project.write_text(text.replace('version = "1.2.0"', 'version = "one"'))
    try:
        with pytest.raises(
            DaggerRustError, match=r"maturin could not make a wheel of fast-words:\n(.*\n)*.*version"
        ):
            make_factory().blocking.wheel("fast-words")
    finally:
        project.write_text(text)
