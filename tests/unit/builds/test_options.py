"""Options are values: equal ones are one key, and they can be copied, pickled and changed."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dagger_rust.builds.options import CargoOptionChanges, CargoOptions, with_changes

_NAMES = st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True)
_LISTS = st.lists(_NAMES, max_size=3)
_VARIABLES = st.dictionaries(
    st.from_regex(r"X_[A-Z0-9_]{0,8}", fullmatch=True), st.text(max_size=9), max_size=3
)
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
