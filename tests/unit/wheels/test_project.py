"""Tests of what `[tool.maturin]` adds to the options of a build."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_dagger_rust import CargoOptions, ConfigurationError
from pytest_dagger_rust.wheels.project import check_inside, options_of

if TYPE_CHECKING:
    from pathlib import Path


def options(
    tmp_path: Path, text: str, *, python: str = "3.12", given: CargoOptions | None = None
) -> CargoOptions:
    """Return the options that a project has for a Python."""
    file = tmp_path / "pyproject.toml"
    file.write_text(f"[tool.maturin]\n{text}\n")
    return options_of(file, given or CargoOptions(), python)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ('features = ["a", "b/c"]', {"features": ("a", "b/c")}),
        ('features = ["a", {feature = "new", python-version = ">=3.11"}]', {"features": ("a", "new")}),
        ('features = ["a", {feature = "old", python-version = "<3.11"}]', {"features": ("a",)}),
        ('features = [{feature = "p", python-implementation = "pypy"}]', {}),
        ('features = [{feature = "c", python-implementation = "cpython"}]', {"features": ("c",)}),
        ("no-default-features = true", {"no_default_features": True}),
        ("all-features = true", {"all_features": True}),
        ('profile = "release"', {"profile": "release"}),
        ("locked = true", {"locked": True}),
        ("frozen = true", {"locked": True, "offline": True}),
        ('target = "x86_64-unknown-linux-musl"', {"target": "x86_64-unknown-linux-musl"}),
        (
            'cargo-extra-args = "--features a,b -F c --release"',
            {"features": ("a", "b", "c"), "profile": "release"},
        ),
        ('cargo-extra-args = ["--profile=fast", "--locked"]', {"profile": "fast", "locked": True}),
        ("strip = true", {"env": {"CARGO_PROFILE_DEV_STRIP": "symbols"}}),
        (
            'strip = true\nprofile = "release-lto"',
            {"profile": "release-lto", "env": {"CARGO_PROFILE_RELEASE_LTO_STRIP": "symbols"}},
        ),
        ('python-source = "python"\ninclude = ["a"]\nmodule-name = "x._y"', {}),
    ],
)
def test_what_is_compiled_follows_the_project(tmp_path: Path, text: str, expected: dict[str, Any]) -> None:
    """Every key that changes what cargo compiles counts; what only packs is maturin's."""
    assert options(tmp_path, text) == CargoOptions(**expected)


def test_what_the_options_name_wins(tmp_path: Path) -> None:
    """Features add up, as flags of cargo do."""
    given = CargoOptions(profile="fast", features=("mine",), env={"CARGO_PROFILE_FAST_STRIP": "none"})
    found = options(tmp_path, 'profile = "release"\nfeatures = ["a"]\nstrip = true', given=given)
    assert found == CargoOptions(
        profile="fast", features=("mine", "a"), env={"CARGO_PROFILE_FAST_STRIP": "none"}
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('features = "a"', "features must be a list: got 'a'"),
        ("features = [1]", "features must hold names, or tables with `feature`: got 1"),
        (
            'features = [{feature = "a", python-version = "three"}]',
            "features has a python-version that is none",
        ),
        ('all-features = "yes"', "all-features must be true or false: got 'yes'"),
        ('cargo-extra-args = "--timings"', "cargo-extra-args has --timings, which is not supported"),
        ('cargo-extra-args = "--profile"', "cargo-extra-args has --profile, which is not supported"),
        ('rustc-args = ["-O"]', "rustc-args is not supported: it changes how the library is compiled"),
    ],
)
def test_what_cannot_be_followed_is_an_error(tmp_path: Path, text: str, words: str) -> None:
    """With the file, the key, and never in silence."""
    with pytest.raises(ConfigurationError) as error:
        options(tmp_path, text)
    assert str(error.value).startswith(f"{tmp_path / 'pyproject.toml'}: [tool.maturin] {words}")


def test_a_project_that_is_not_toml(tmp_path: Path) -> None:
    """One sentence."""
    (tmp_path / "pyproject.toml").write_text("[tool")
    with pytest.raises(ConfigurationError, match=r"pyproject\.toml: it cannot be read: "):
        options_of(tmp_path / "pyproject.toml", CargoOptions(), "3.12")


def test_a_project_above_the_workspace(tmp_path: Path) -> None:
    """One that names a manifest is not left out in silence; one of another kind is none."""
    root = tmp_path / "repository" / "rust"
    root.mkdir(parents=True)
    (tmp_path / "repository/.git").mkdir()
    check_inside(root, "fast-words")
    (root.parent / "pyproject.toml").write_text('[tool.maturin]\nmanifest-path = "rust/Cargo.toml"\n')
    with pytest.raises(
        ConfigurationError, match=r"pyproject\.toml describes the package fast-words, but lies outside"
    ):
        check_inside(root, "fast-words")
