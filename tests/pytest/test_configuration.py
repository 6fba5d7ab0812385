"""Tests of settings as pytest reads them: what the header shows, and what is said of mistakes at the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.pytest import program

if TYPE_CHECKING:
    from tests.pytest.conftest import Project

ANY_TEST = "def test_any():\n    pass\n"
RUNNER_HOST = "_EXPERIMENTAL_DAGGER_RUNNER_HOST"


def header_of(project: Project, *arguments: str) -> str:
    """Run pytest on a test that needs no build, and give the plugin's line in the header."""
    result = project.pytest(*arguments, any=ANY_TEST)
    result.assert_outcomes(passed=1)
    lines = [line for line in result.outlines if line.startswith("dagger-rust: ")]
    return lines[0] if lines else ""


def test_the_header_shows_defaults_with_verbosity(
    bare_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing configured there is no line; with -v: image, workspace, profile, engine, each called a default."""
    monkeypatch.delenv(RUNNER_HOST, raising=False)
    monkeypatch.delenv("PYTEST_DAGGER_RUST_BUILDER_IMAGE", raising=False)
    monkeypatch.delenv("PYTEST_DAGGER_RUST_RUNTIME_IMAGE", raising=False)
    bare_project.write(program.FILES)
    assert header_of(bare_project) == ""
    assert header_of(bare_project, "-v") == (
        "dagger-rust: image=rust:1-trixie (default), workspace=. (default), profile=dev (default), "
        "engine=started by the dagger CLI (default)"
    )


def test_the_header_says_where_each_value_comes_from(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option, a variable, the ini file, a fixture and Dagger's own variable are told apart."""
    monkeypatch.setenv("PYTEST_DAGGER_RUST_FEATURES", "one two")
    monkeypatch.setenv("PYTEST_DAGGER_RUST_BUILDER_IMAGE", "rust:other")
    monkeypatch.setenv(RUNNER_HOST, "unix:///engine.sock")
    project.write({"conftest.py": "def rust_workspace():\n    pass\n"})
    line = header_of(project, "--dagger-rust-profile=release", "-odagger_rust_offline=yes")
    for part in (
        "image=rust:other (PYTEST_DAGGER_RUST_BUILDER_IMAGE)",
        "workspace by fixture rust_workspace (conftest.py)",
        "profile=release (--dagger-rust-profile)",
        f"engine=unix:///engine.sock ({RUNNER_HOST})",
        "features=one,two (PYTEST_DAGGER_RUST_FEATURES)",
        "offline=True (pytest.ini)",
    ):
        assert part in line


def test_the_header_follows_the_toolchain_file(
    bare_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default image is the one that will be used, and the file it follows is its source."""
    monkeypatch.delenv("PYTEST_DAGGER_RUST_BUILDER_IMAGE", raising=False)
    bare_project.write({**program.FILES, "rust-toolchain.toml": '[toolchain]\nchannel = "1.80.0"\n'})
    assert "image=rust:1.80.0-bookworm (rust-toolchain file)" in header_of(bare_project)


def test_there_is_no_header_without_a_workspace(
    bare_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project that has nothing to do with Rust is not told about it."""
    monkeypatch.delenv("PYTEST_DAGGER_RUST_BUILDER_IMAGE", raising=False)
    monkeypatch.delenv("PYTEST_DAGGER_RUST_RUNTIME_IMAGE", raising=False)
    assert header_of(bare_project) == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dagger-rust-connect-timeout=0"], "-connect-timeout is '0'; it takes a number of seconds"),
        (["--dagger-rust-on-missing-engine=cry"], "it takes fail or skip."),
        (["--dagger-rust-profile="], "--dagger-rust-profile is empty; it takes one name."),
        (["--dagger-rust-workspace=gone"], "--dagger-rust-workspace is 'gone', but there is no folder"),
        (
            ["--dagger-rust-proflie=dev"],
            "no option --dagger-rust-proflie. Did you mean --dagger-rust-profile?",
        ),
        (
            ["-odagger_rust_proflie=dev"],
            "no ini option dagger_rust_proflie. Did you mean dagger_rust_profile?",
        ),
        (["-odagger_rust_locked=perhaps"], "ini option dagger_rust_locked: *; it takes true or false."),
    ],
)
def test_a_mistake_stops_pytest_at_its_start(project: Project, arguments: list[str], words: str) -> None:
    """One line of a usage error, before anything is collected or connected."""
    assert_refused(project, arguments, words)


def assert_refused(project: Project, arguments: list[str], words: str) -> None:
    """Pytest stops with a usage error of ours that has these words, and no traceback."""
    result = project.pytest(*arguments, any=ANY_TEST)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: pytest-dagger-rust: *{words}*"])
    assert "Traceback" not in result.stderr.str()


def test_an_unknown_environment_variable(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is nearly a setting's is not passed over in silence."""
    monkeypatch.setenv("PYTEST_DAGGER_RUST_PROFILES", "dev")
    words = "no environment variable PYTEST_DAGGER_RUST_PROFILES. Did you mean PYTEST_DAGGER_RUST_PROFILE?"
    assert_refused(project, [], words)


@pytest.mark.parametrize(
    ("table", "value", "words"),
    [
        ("pytest.ini_options", 'dagger_rust_profile = ["a", "b"]', "it takes one name"),
        ("pytest.ini_options", 'dagger_rust_locked = "perhaps"', "it takes true or false"),
        ("pytest.ini_options", 'dagger_rust_features = ["a b"]', "'a b', which is not a name cargo takes"),
        ("pytest.ini_options", "dagger_rust_profiles = 1", "Did you mean dagger_rust_profile?"),
    ],
)
def test_a_mistake_in_pyproject_toml(bare_project: Project, table: str, value: str, words: str) -> None:
    """A value of the wrong type and an unknown name are usage errors, too."""
    (bare_project.folder / "pytest.ini").unlink()
    bare_project.write({"pyproject.toml": f"[tool.{table}]\n{value}\n"})
    assert_refused(bare_project, [], words)


CLASHING = 'def pytest_addoption(parser):\n    parser.addoption("--dagger-rust-profile")\n'


@pytest.mark.skipif(
    pytest.version_tuple < (9,), reason="pytest 8.4 finds the clash outside of all hooks, in its own words"
)
@pytest.mark.parametrize(
    ("file", "arguments"), [("conftest.py", []), ("other.py", ["-p", "other"])], ids=["after", "before"]
)
def test_options_of_two_plugins_that_clash(
    project: Project, monkeypatch: pytest.MonkeyPatch, file: str, arguments: list[str]
) -> None:
    """Whichever is loaded first, the option is named, and what to do."""
    monkeypatch.setenv("PYTHONPATH", str(project.folder))
    project.write({file: CLASHING})
    assert_refused(
        project, arguments, "an option --dagger-rust-profile as well. Rename it there, or leave one"
    )


@pytest.mark.parametrize(
    ("fixture", "body", "words"),
    [
        ("cached_rust_build", "return None", "returned None; it must return a RustBuild"),
        ("cached_rust_build_factory", "return 1", "must return a RustBuildFactory"),
        ("dagger_client", "return None", "must return a Client"),
        ("rust_builder_container", "return 'rust'", "returned 'rust'; it must return a Container"),
        ("rust_builder_image", "return 1.85", "returned 1.85; it must return a str"),
        ("rust_cargo_options", "return {'profile': 'dev'}", "must return a CargoOptions"),
        ("rust_runtime_container", "yield None", "returned None; it must return a Container"),
        ("rust_runtime_image", "return None", "must return a str"),
        ("rust_source_excludes", "return '*.py'", "returned '*.py'; it must return a sequence of str"),
        ("rust_workspace", "return '.'", "returned '.'; it must return a RustWorkspace"),
    ],
)
def test_an_override_that_gives_something_else(
    bare_project: Project, fixture: str, body: str, words: str
) -> None:
    """Said once, at the fixture, with its name, file and line; the next test meets the same error."""
    text = f'import pytest\n\n@pytest.fixture(scope="session")\ndef {fixture}():\n    {body}\n'
    bare_project.write({**program.FILES, "conftest.py": text})
    source = "".join(f"def test_{number}({fixture}):\n    pass\n" for number in "ab")
    result = bare_project.pytest(any=source)
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            f"ConfigurationError: conftest.py:3: the fixture {fixture} *{words}.",
            "  and 1 more test with the same error",
        ]
    )


def test_an_override_that_is_a_coroutine_function(bare_project: Project) -> None:
    """What to write instead is said, and no warning about a coroutine is added."""
    text = 'import pytest\n\n@pytest.fixture(scope="session")\nasync def rust_workspace():\n    pass\n'
    bare_project.write({"conftest.py": text})
    result = bare_project.pytest(any="def test_any(rust_workspace):\n    pass\n")
    result.stdout.fnmatch_lines(
        ["*conftest.py:3: the fixture rust_workspace is a coroutine function*write `def`*"]
    )
    assert "never awaited" not in result.stdout.str()


def test_a_mistake_made_in_an_override(bare_project: Project) -> None:
    """The line of the user's own code that made it follows the message."""
    text = """
        import pytest
        from pytest_dagger_rust import CargoOptions

        @pytest.fixture(scope="session")
        def rust_cargo_options():
            return CargoOptions(features="one")
    """
    bare_project.pytester.makeconftest(text)
    result = bare_project.pytest(any="def test_any(rust_cargo_options):\n    pass\n")
    result.stdout.fnmatch_lines(
        [
            "ConfigurationError: CargoOptions: features takes a list of names, not 'one'.",
            "  at conftest.py:6, in rust_cargo_options",
        ]
    )
