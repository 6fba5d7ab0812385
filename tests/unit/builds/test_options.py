"""Options are values: equal ones are one key, and they can be copied, pickled and changed."""

from __future__ import annotations

import argparse
import copy
import json
import pickle
import shlex
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dagger_rust.builds.options import CargoOptionChanges, CargoOptions, with_changes
from pytest_dagger_rust.plugin.settings import resolve

_NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
_LISTS = st.lists(_NAMES, max_size=3)
# No program can be given a null character.
_VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9)
_VARIABLES = st.dictionaries(st.from_regex(r"X_[A-Z0-9_]{0,8}", fullmatch=True), _VALUES, max_size=3)
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("packages", "bins", "examples", "features"), _LISTS),
        **dict.fromkeys(("all_features", "no_default_features", "offline"), st.booleans()),
        "profile": _NAMES,
        "target": st.none() | _NAMES,
        "env": _VARIABLES,
        "locked": st.none() | st.booleans(),
    },
)


@given(OPTIONS)
def test_options_round_trip(values: dict[str, Any]) -> None:
    """Every way to copy options gives equal ones, with an equal hash."""
    options = CargoOptions(**values)
    copies = [
        pickle.loads(pickle.dumps(options)),  # noqa: S301 - its own
        copy.copy(options),
        copy.deepcopy(options),
        replace(options),
        with_changes(CargoOptions(), values),
        CargoOptions(**asdict(options)),
        CargoOptions(**json.loads(json.dumps(asdict(options)))),
    ]
    for other in copies:
        assert other == options
        assert hash(other) == hash(options)
        assert other.describe() == options.describe()


@given(OPTIONS, st.sampled_from(["options", "environ", "ini"]))
def test_options_round_trip_through_settings(values: dict[str, Any], place: str) -> None:
    """Whatever can be built can be configured, on the command line, in the environment and in an ini file."""
    options = CargoOptions(**values)
    given_in: dict[str, dict[str, Any]] = {"options": {}, "environ": {}, "ini": {}}
    for name, value in asdict(options).items():
        setting = {"env": "build_env"}.get(name, name)
        words: Any = [f"{key}={text}" for key, text in value.items()] if name == "env" else value
        if words in (None, [], ()):
            continue
        is_list = name in {"packages", "bins", "examples", "features", "env"}
        if place == "environ":
            written: Any = shlex.join(words) if is_list else str(words)
            given_in[place][f"PYTEST_DAGGER_RUST_{setting.upper()}"] = written
        else:
            given_in[place][setting] = list(words) if is_list else str(words)
    assert resolve(**given_in).cargo_options() == options


# cargo's own flags, as cargo reads them.
CARGO = argparse.ArgumentParser(allow_abbrev=False, exit_on_error=False)
for _flag, _name in (("--package", "packages"), ("--bin", "bins"), ("--example", "examples")):
    CARGO.add_argument(_flag, dest=_name, action="append", default=[])
CARGO.add_argument("--features", type=lambda words: words.split(","), default=[])
CARGO.add_argument("--profile", default="dev")
CARGO.add_argument("--target")
for _flag in ("--all-features", "--no-default-features", "--locked", "--offline"):
    CARGO.add_argument(_flag, action="store_true")


@given(OPTIONS)
def test_options_round_trip_through_flags(values: dict[str, Any]) -> None:
    """Cargo's flags say all of the options but the variables; what is not locked is left to cargo."""
    options = replace(CargoOptions(**values), env={})
    read: dict[str, Any] = vars(CARGO.parse_args([*options.selection_flags(), *options.build_flags()]))
    read["locked"] = read["locked"] or None
    assert CargoOptions(**read) == replace(options, locked=options.locked or None)


def test_any_sequence_of_names_is_kept_as_a_tuple() -> None:
    """What a caller does with its list later changes no options."""
    features = ["tls"]
    options = CargoOptions(features=features)
    features.append("json")
    assert options.features == ("tls",)


@pytest.mark.parametrize(
    "change", ["options.env['A'] = '2'", "options.env.clear()", "options.env |= {'B': ''}"]
)
def test_variables_cannot_be_changed(change: str) -> None:
    """A key of a dictionary that changed would be lost in it."""
    options = copy.deepcopy(CargoOptions(env={"A": "1"}))
    with pytest.raises((TypeError, AttributeError)):
        exec(change, {"options": options})  # noqa: S102
    assert dict(options.env) == {"A": "1"}


def test_changes_have_the_names_of_the_options() -> None:
    """Type checkers are told of every option where changes are taken, and of no other."""
    assert list(CargoOptionChanges.__annotations__) == list(CargoOptions.__dataclass_fields__)
