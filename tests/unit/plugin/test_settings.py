"""Tests of where a setting's value comes from and what is said of a wrong one."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dagger_rust.builds.agent_report import Record
from pytest_dagger_rust.builds.options import CargoOptions
from pytest_dagger_rust.errors import ConfigurationError
from pytest_dagger_rust.plugin import marks
from pytest_dagger_rust.plugin.settings import SETTINGS, check_names, resolve
from pytest_dagger_rust.run.running import RunRequest
from pytest_dagger_rust.run.setup import Setup, check_setup
from pytest_dagger_rust.rust_tests.build import RustTestBinary
from pytest_dagger_rust.rust_tests.job_files import Program

if TYPE_CHECKING:
    from collections.abc import Callable


def test_defaults_describe_a_plain_cargo_build() -> None:
    """With nothing configured the options are those of `cargo build` in the rootdir."""
    settings = resolve({}, {}, {})
    assert settings["workspace"] == Path()
    assert settings.cargo_options() == CargoOptions()
    assert not settings.sources


def test_an_option_beats_the_environment_beats_the_ini_file() -> None:
    """The first of option, environment variable and ini option that is given wins, and its source is kept."""
    given_in = {
        "options": {"profile": "one"},
        "environ": {"PYTEST_DAGGER_RUST_PROFILE": "two"},
        "ini": {"profile": "three"},
    }
    for place, value, source in (
        ("options", "one", "--dagger-rust-profile"),
        ("environ", "two", "PYTEST_DAGGER_RUST_PROFILE"),
        ("ini", "three", "ini option dagger_rust_profile"),
    ):
        settings = resolve(given_in.get("options", {}), given_in.get("environ", {}), given_in["ini"])
        assert settings["profile"] == value
        assert settings.sources["profile"] == source
        del given_in[place]


def test_every_setting_reaches_the_cargo_options() -> None:
    """A variable is split like a shell splits it, switches take words, build_env takes pairs."""
    ini: dict[str, Any] = {"features": ["tls", "json"], "all_features": False, "build_env": ["A=1", "B=x=y"]}
    environ = {"PYTEST_DAGGER_RUST_LOCKED": "Yes", "PYTEST_DAGGER_RUST_BINS": "one two"}
    options = resolve({"packages": ["a", "b"]}, environ, ini).cargo_options()
    assert options.packages == ("a", "b")
    assert options.features == ("tls", "json")
    assert options.bins == ("one", "two")
    assert options.locked is True
    assert dict(options.env) == {"A": "1", "B": "x=y"}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("all_features", "maybe", "takes true or false"),
        ("profile", " ", "is empty"),
        ("connect_timeout", "-1", "seconds above 0"),
        ("connect_timeout", "soon", "seconds above 0"),
        ("connect_timeout", "inf", "seconds above 0"),
        ("connect_timeout", "nan", "seconds above 0"),
        ("on_missing_engine", "panic", "takes fail or skip"),
        ("build_env", "A=1 NOVALUE", ": item 2 is not NAME=VALUE"),
        ("packages", '"open', "takes names"),
        ("profile", "my profile", "takes one name"),
        ("builder_image", "rust 1", "takes the name of an image"),
        ("workspace", "", "takes the path of a folder"),
        ("features", "a --evil", "'--evil', which is not a name cargo takes"),
        ("build_env", "CARGO_HOME=/x", "may not set CARGO_HOME"),
    ],
)
def test_a_wrong_value_is_told_with_its_source(name: str, value: str, words: str) -> None:
    """The message names where the value was set and what the setting takes."""
    variable = f"PYTEST_DAGGER_RUST_{name.upper()}"
    with pytest.raises(ConfigurationError, match=variable) as error:
        resolve({}, {variable: value}, {})
    assert words in str(error.value)


@pytest.mark.parametrize("place", ["options", "ini"])
def test_items_of_a_list_are_not_split(place: str) -> None:
    """A regular expression keeps its backslash, and a variable its spaces, where each item is one already."""
    items = ["RE=\\d+", "RUSTFLAGS=-C target-cpu=native", "Q='x"]
    given_in: dict[str, Any] = {"options": {}, "ini": {}, place: {"build_env": items}}
    options = resolve(given_in["options"], {}, given_in["ini"]).cargo_options()
    assert dict(options.env) == {"RE": "\\d+", "RUSTFLAGS": "-C target-cpu=native", "Q": "'x"}


def test_an_old_name_counts_as_the_new_one() -> None:
    """It is read in all three places, is the weaker in each, and is reported with the new name."""
    old, new = "PYTEST_DAGGER_RUST_ENV", "PYTEST_DAGGER_RUST_BUILD_ENV"
    settings = resolve({"tests": "true"}, {old: "A=1"}, {"shell": True, "report": "x.html"})
    assert settings["collect_rust_tests"] is settings["shell_on_failure"] is True
    assert (settings["build_env"], settings["html_report"]) == (("A=1",), Path("x.html"))
    assert settings.renamed == {
        "--dagger-rust-tests": "--dagger-rust-collect-rust-tests",
        old: new,
        "ini option dagger_rust_shell": "dagger_rust_shell_on_failure",
        "ini option dagger_rust_report": "dagger_rust_html_report",
    }
    settings = resolve({}, {old: "A=1", new: "A=2"}, {"code_quality": "x"})
    assert settings["build_env"] == ("A=2",)
    assert settings.sources["gitlab_report"] == "ini option dagger_rust_code_quality"
    assert old not in settings.renamed


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
@pytest.mark.parametrize("value", ["", [], 3, ["a", 3]], ids=repr)
def test_no_type_of_an_ini_file_ends_in_another_error(setting: Any, value: Any) -> None:
    """What a TOML file may hold is read, or refused as a configuration error."""
    with contextlib.suppress(ConfigurationError):
        assert setting.name in resolve({}, {}, {setting.name: value}).sources


@pytest.mark.parametrize(
    ("name", "words"),
    [("proflie", "Did you mean profile?"), ("xyz", "There are: profile, target.")],
)
def test_the_nearest_name_is_suggested(name: str, words: str) -> None:
    """A name that is near one there is gets that, any other the whole list."""
    with pytest.raises(ConfigurationError, match=f"there is no option {name}") as error:
        check_names("option", [name], ["target", "profile"])
    assert words in str(error.value)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda s: s.name)
def test_every_setting_has_one_name_in_three_forms(setting: Any) -> None:
    """Option, environment variable and ini option differ in their form only."""
    assert setting.option == f"--dagger-rust-{setting.name}".replace("_", "-")
    assert setting.env == f"PYTEST_DAGGER_RUST_{setting.name}".upper()
    assert setting.ini == f"dagger_rust_{setting.name}"
    assert setting.help


@given(st.sampled_from([s.name for s in SETTINGS]), st.text())
def test_any_text_is_read_or_refused_as_a_configuration_error(name: str, value: str) -> None:
    """No value of an environment variable ends in another exception."""
    variable = f"PYTEST_DAGGER_RUST_{name.upper()}"
    with contextlib.suppress(ConfigurationError):
        assert variable in resolve({}, {variable: value}, {}).sources.values()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"packages": "app"}, "takes a list of names, not 'app'"),
        ({"packages": ["--evil"]}, "is not a name cargo takes"),
        ({"features": ["a b"]}, "is not a name cargo takes"),
        ({"profile": ""}, "is not a name cargo takes"),
        ({"target": "x y"}, "is not a name cargo takes"),
        ({"all_features": "yes"}, "takes True or False"),
        ({"env": {"A": 1}}, "variable A must be str, not int"),
        ({"env": ["A=1"]}, "must map names to values"),
        ({"env": {"A": "a\0b"}}, "variable A holds a null character"),
        ({"env": {"A": "\udc80"}}, "one that UTF-8 cannot encode"),
        ({"env": {"": "1"}}, "the name of variable 1"),
        ({"env": {1: "1"}}, "variable 1: its name must be str, not int"),
        ({"env": {"A B": "1"}}, "not a name for an environment variable"),
        ({"env": {"CARGO_TARGET_DIR": "/x"}}, "may not set CARGO_TARGET_DIR"),
    ],
)
def test_options_cargo_could_not_take_are_refused(arguments: dict[str, Any], words: str) -> None:
    """CargoOptions checks what it is given, because it ends up on a command line."""
    with pytest.raises(ConfigurationError) as error:
        CargoOptions(**arguments)
    assert words in str(error.value)


def test_options_become_cargo_flags() -> None:
    """Each option is the flag of cargo's that has its name."""
    options = CargoOptions(
        packages=("a",),
        bins=("b",),
        examples=("c",),
        features=("d", "a/e"),
        all_features=True,
        no_default_features=True,
        profile="release",
        target="x86_64-unknown-linux-musl",
        locked=True,
        offline=True,
    )
    assert options.selection_flags() == ("--package", "a", "--bin", "b", "--example", "c")
    assert options.build_flags() == (
        *("--profile", "release", "--features", "d,a/e", "--target", "x86_64-unknown-linux-musl"),
        *("--all-features", "--no-default-features", "--locked", "--offline"),
    )
    assert CargoOptions(locked=False).build_flags() == CargoOptions().build_flags() == ("--profile", "dev")


def test_equal_options_are_one_key() -> None:
    """Options are compared by value, lists and dictionaries included, so equal ones share a build."""
    lists: Any = ["x"]
    one, other = (CargoOptions(features=value, env={"A": "1"}) for value in (("x",), lists))
    assert {one: 1}[other] == 1
    assert one != CargoOptions(features=("x",), env={"A": "2"})
    assert one.describe() == "A=... --features x"
    assert CargoOptions().describe() == ""


def test_a_description_has_the_words_that_differ_from_a_plain_build() -> None:
    """A package or a profile is named whatever other words are equal to cargo's own."""
    assert CargoOptions(packages=("a",), profile="release").describe() == "--package a --profile release"
    assert CargoOptions(packages=("dev",)).describe() == "--package dev"


def test_values_of_variables_are_not_shown() -> None:
    """They may be secrets: descriptions and representations have names alone, or nothing."""
    options = CargoOptions(env={"TOKEN": "hunter2"})
    assert "hunter2" not in options.describe() + repr(options)
    assert "hunter2" not in repr(RunRequest(command=("app",), env={"TOKEN": "hunter2"}))
    assert marks.parameter_id({"env": {"TOKEN": "hunter2"}}) == "env=TOKEN"


def _refusal(call: Callable[[], object]) -> str:
    try:
        call()
    except ConfigurationError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "value",
    [
        "hunter2",
        "A=1 hunter2",
        "A=hun -ter2=hunter2",
        "CARGO_HOME=hunter2",
        "'hunter2",
        "A=hunter2\0",
        "-A=hunter2",
    ],
)
@pytest.mark.parametrize("given_in", ["options", "environ", "ini"])
@pytest.mark.parametrize("name", ["build_env", "env"])
def test_no_message_has_a_value_of_a_variable(value: str, given_in: str, name: str) -> None:
    """Whatever is wrong with it, a value for `build_env` may be a secret: the message has the place alone."""
    places: dict[str, dict[str, Any]] = {"options": {}, "environ": {}, "ini": {}}
    place, key, one = {
        "options": (f"--dagger-rust-{name.replace('_', '-')}", name, [value]),
        "environ": (f"PYTEST_DAGGER_RUST_{name.upper()}", f"PYTEST_DAGGER_RUST_{name.upper()}", value),
        "ini": (f"ini option dagger_rust_{name}", name, [value]),
    }[given_in]
    places[given_in][key] = one
    message = _refusal(lambda: resolve(**places))
    # Only the one text of the environment is split into words.
    assert place in message or (value.startswith("A=") and given_in != "environ")
    assert "hun" not in message
    assert "ter2" not in message


@pytest.mark.parametrize(
    "env",
    [
        {"A": b"hunter2"},
        ["hunter2"],
        "A=hunter2",
        {"A=hunter2": ""},
        {"A": "hunter2\0"},
        {"CARGO_HOME": "hunter2"},
    ],
    ids=repr,
)
def test_no_message_about_options_has_a_value_of_a_variable(env: Any) -> None:
    """Not of one in CargoOptions, of a marker, or of a parameter, whatever it is."""
    mark = pytest.mark.rust_build(env=env).mark
    program: Any = env
    for call in (
        lambda: CargoOptions(env=env),
        lambda: marks._options([mark]),
        lambda: marks._options([pytest.mark.rust_build({"env": env}).mark]),
        lambda: marks.requested([{"env": env}], {}),
        lambda: check_setup(Setup(command=("app",), env=program)),
    ):
        assert "hunter2" not in _refusal(call)
    assert "hunter2" not in str(marks.parameter_id({"env": env}))


def test_options_of_a_marker_are_shown_without_values() -> None:
    """`pytest --setup-show` prints the parameters of fixtures."""
    parameter = marks._Parameter({"env": {"TOKEN": "hunter2"}, "features": ["tls"]})
    assert repr(parameter) == "env=TOKEN,features=tls"
    assert parameter == {"env": {"TOKEN": "hunter2"}, "features": ["tls"]}


def test_no_representation_of_a_test_binary_has_a_value_of_a_variable() -> None:
    """The environment that `cargo test` runs it with has the build's variables in it."""
    env = {"TOKEN": "hunter2"}
    binary = RustTestBinary(
        "app", "app", "lib", "src/lib.rs", harness=True, executable="/app", folder="/", env=env
    )
    record = Record("/app", "/", env)
    assert "hunter2" not in repr((binary, record, Program("/", env, ("/app",))))
