"""Tests of several builds in one session: by factory, by parameter, by marker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pytest.conftest import Project, lay_out

if TYPE_CHECKING:
    from pathlib import Path

WORKSPACE = {
    "Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n[features]\nloud = []\npolite = []\n',
    "Cargo.lock": 'version = 4\n\n[[package]]\nname = "app"\nversion = "0.1.0"\n',
    "src/main.rs": """
fn main() {
    let optimised = if cfg!(debug_assertions) { "" } else { " optimised" };
    let polite = if cfg!(feature = "polite") { " polite" } else { "" };
    println!("{}{polite}{optimised}", if cfg!(feature = "loud") { "loud" } else { "quiet" });
}
""",
}


@pytest.fixture(scope="session")
def shared_workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with features, whose builds are made once."""
    return lay_out(tmp_path_factory.mktemp("features"), WORKSPACE)


MARKED = """
import asyncio
import pytest

SETUPS = []

def said(build):
    return build.blocking.run("app").stdout.strip()

@pytest.fixture(scope="session")
def greeting(cached_rust_build):
    SETUPS.append(cached_rust_build)
    return said(cached_rust_build)

def test_without_marker(greeting):
    assert greeting == "quiet"

@pytest.mark.rust_build(features=["loud"])
def test_function(cached_rust_build, greeting):
    assert said(cached_rust_build) == greeting == "loud"

@pytest.mark.rust_build(features=["loud"])
async def test_coroutine(cached_rust_build, greeting):
    assert (await cached_rust_build.run("app")).stdout == "loud\\n"

@pytest.mark.rust_build(features=["polite"])
class TestClass:
    def test_of_the_class(self, cached_rust_build):
        assert said(cached_rust_build) == "quiet polite"

    @pytest.mark.rust_build(profile="release")
    @pytest.mark.parametrize("number", [1, 2])
    def test_of_both(self, cached_rust_build, number):
        assert said(cached_rust_build) == "quiet polite optimised"

    def test_without_build(self):
        pass

def test_without_marker_again(greeting, cached_rust_build, cached_rust_build_factory):
    assert greeting == "quiet"
    assert cached_rust_build_factory.blocking() is cached_rust_build
    assert cached_rust_build_factory.blocking(features=["loud"]) in SETUPS

@pytest.mark.parametrize("cached_rust_build", [{}, {"features": ["loud", "polite"]}], indirect=True)
def test_matrix(cached_rust_build, request):
    assert said(cached_rust_build) in ("quiet", "loud polite")

async def test_at_once(cached_rust_build_factory):
    one, two, three = await asyncio.gather(
        cached_rust_build_factory(features=["loud"], profile="release"),
        cached_rust_build_factory(features=["polite"], profile="release"),
        cached_rust_build_factory(features=["loud"], profile="release"),
    )
    assert one is three
    assert (await one.run("app")).stdout == "loud optimised\\n"
    assert (await two.run("app")).stdout == "quiet polite optimised\\n"
"""


@pytest.mark.parametrize("arguments", [[], ["-n2"]], ids=" ".join)
def test_each_test_has_the_build_it_asks_for(project: Project, arguments: list[str]) -> None:
    """By marker on functions, coroutines and classes, by parameter, by factory; fixtures on top follow."""
    result = project.pytest("--strict-markers", "-v", *arguments, marked=MARKED)
    result.assert_outcomes(passed=11)
    for name in (
        "test_function",
        "test_of_both[[]1[]]",
        "test_matrix[[]features=loud+polite[]]",
        "test_matrix[[]default[]]",
    ):
        result.stdout.fnmatch_lines([f"*::{name} *"])


OVERRIDES = """
import pytest

@pytest.fixture(scope="session")
def cached_rust_build(cached_rust_build):
    cached_rust_build.note = "wrapped"
    return cached_rust_build
"""

WRAPPED = """
import pytest

@pytest.mark.rust_build(features=["loud"])
def test_wrapped(cached_rust_build):
    assert cached_rust_build.note == "wrapped"
    assert cached_rust_build.blocking.run("app").stdout == "loud\\n"

def test_plain(cached_rust_build):
    assert cached_rust_build.blocking.run("app").stdout == "quiet\\n"
"""


def test_an_override_keeps_the_marker_working(project: Project) -> None:
    """Where it asks for the original build."""
    project.write({"conftest.py": OVERRIDES})
    project.pytest(wrapped=WRAPPED).assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("mark", "words"),
    [
        (
            "(feature=['loud'])",
            "test_it.py:3: rust_build on test_it: CargoOptions has no feature. Did you mean features?",
        ),
        ("(features='loud')", "test_it.py:3: *features takes a list of names, not 'loud'."),
        ("('loud')", "test_it.py:3: *takes options by name only*"),
    ],
)
def test_a_wrong_marker_is_an_error_of_collection(project: Project, mark: str, words: str) -> None:
    """With file and line of the test, the option, and what there is."""
    source = f"import pytest\n\n@pytest.mark.rust_build{mark}\ndef test_it(cached_rust_build):\n    pass\n"
    result = project.pytest(it=source)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([words])


UNUSED = """
import pytest

@pytest.fixture(scope="session")
def cached_rust_build(cached_rust_build_factory):
    return cached_rust_build_factory.blocking(features=["polite"])

@pytest.mark.rust_build(features=["loud"])
def test_it({argument}):
    pass
"""


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("", "*:8: *the test requests neither rust_build nor cached_rust_build."),
        ("cached_rust_build", "*:8: *your `cached_rust_build` does not request the original fixture."),
    ],
)
def test_a_marker_without_use_is_told(project: Project, argument: str, words: str) -> None:
    """On a test without a build, and where an override has other ideas."""
    result = project.pytest(it=UNUSED.format(argument=argument))
    result.stdout.fnmatch_lines([words])


LATE = """
import pytest

@pytest.mark.parametrize("number", [pytest.param(1, marks=pytest.mark.rust_build(features=["loud"]))])
def test_it(cached_rust_build, number):
    pass

@pytest.mark.parametrize("cached_rust_build", [7], indirect=True)
def test_number(cached_rust_build):
    pass
"""


def test_markers_and_parameters_that_cannot_be(project: Project) -> None:
    """A marker on a parameter comes too late, and a parameter has to have options in it."""
    result = project.pytest(it=LATE)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["ConfigurationError: The marker rust_build cannot be put on a parameter*"])
    result.stdout.fnmatch_lines(
        ["ConfigurationError: cached_rust_build has a parameter of type int; it takes cargo options*"]
    )


BLOCKING = """
import pytest
from pytest_dagger_rust import ConfigurationError, mark_rust_build

def test_plain(rust_build, cached_rust_build):
    assert rust_build.run("app").stdout == "loud polite\\n"
    assert rust_build.build is cached_rust_build
    assert rust_build.exec(["/usr/local/bin/app"], check=True).stdout == "loud polite\\n"
    with pytest.raises(ConfigurationError, match="Did you mean stdin"):
        rust_build.run("app", input="")

@mark_rust_build(features=["loud"])
def test_marked(rust_build):
    assert rust_build.run("app").stdout == "loud\\n"

@pytest.mark.parametrize("cached_rust_build", [{"features": ["polite"]}], indirect=True)
def test_matrix(cached_rust_build, rust_build):
    assert rust_build.run("app").stdout == "quiet polite\\n"

def test_other_workspace(cached_rust_build_factory):
    other = cached_rust_build_factory.for_workspace("tools")
    assert other is cached_rust_build_factory.for_workspace("tools")
    build = other.blocking()
    assert build is other.blocking()
    assert build.blocking.run("tool").stdout == "tool\\n"
    assert build.report.diagnostics == ()

@pytest.mark.parametrize("rust_build", [{}], indirect=True)
def test_parameter_of_its_own(rust_build):
    pass
"""

TOOL = {
    "tools/Cargo.toml": '[package]\nname = "tool"\nversion = "0.1.0"\nedition = "2021"\n',
    "tools/src/main.rs": 'fn main() {\n    println!("tool");\n}\n',
}


def test_plain_tests_have_a_build_of_their_own(project: Project) -> None:
    """rust_build follows marker and parameters; another workspace is in the summary, without the first one's features."""
    project.write(TOOL)
    ini = (project.folder / "pytest.ini").read_text()
    project.write({"pytest.ini": f"{ini}dagger_rust_features = polite loud\n"})
    result = project.pytest(blocking=BLOCKING)
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*rust_build takes no parameters: parametrize cached_rust_build instead.",
            "cargo build --manifest-path tools/*",
        ]
    )
