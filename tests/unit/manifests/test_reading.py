"""The small rules: what a name, version, requirement, platform or pattern may be, and on which line a key stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_dagger_rust.manifests import globs
from pytest_dagger_rust.manifests.boundary import Tree
from pytest_dagger_rust.manifests.checks import semver, versions
from pytest_dagger_rust.manifests.manifest import line_of
from tests.cargo.oracle import write_tree

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
[package]
name = "a" # the name
metadata.docs.rs = 1

[dependencies]
b = "1"
"c d" = "1"

[dependencies.e]
version = "1"

[target.'cfg(unix)'.dependencies]
f = "1"

[[bin]]
name = "g"
"""


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("package", "name"), 2),
        (("package", "metadata", "docs"), 3),
        (("dependencies", "b"), 6),
        (("dependencies", "c d"), 7),
        (("dependencies", "e", "version"), 10),
        (("dependencies", "e", "path"), 9),
        (("target", "cfg(unix)", "dependencies", "f"), 13),
        (("bin", "name"), 16),
        (("bin", "path"), 15),
        (("features", "x"), None),
        ((), None),
    ],
)
def test_lines(keys: tuple[str, ...], line: int | None) -> None:
    """The line of a key is found, or of the nearest table around it."""
    assert line_of(TEXT, keys) == line


def test_a_line_that_looks_like_many_keys_takes_no_time() -> None:
    """No text makes the search for a line slow."""
    assert line_of("a." * 50_000 + "\n" + "a" * 100_000 + "\nb = 1", ("b",)) == 3


@pytest.mark.parametrize("text", ["1.0.0", "0.1.2-alpha.1", "1.2.3+build.5", "1.0.0-a-b.0.x+001"])
def test_versions(text: str) -> None:
    """A version has three numbers, and may have more behind them."""
    assert versions.is_version(text)


@pytest.mark.parametrize(
    "text", ["", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "v1.0.0", "1.0.0 "]
)
def test_no_versions(text: str) -> None:
    """Anything less, or more, is no version."""
    assert not versions.is_version(text)


@pytest.mark.parametrize(
    "text",
    ["1", "^1.2", "~1.2.3", "=1.2.3-rc.1", ">=1, <3", "*", "1.*", "1.2.*", "1.x", ">= 1.2 , < 2.0", " 1 "],
)
def test_requirements(text: str) -> None:
    """All forms of requirements are known."""
    assert versions.is_requirement(text)


@pytest.mark.parametrize("text", ["", "a", "1..2", "=>1", "1 2", "^", "1.2.3.4", "01", "*.1", "1.*.3"])
def test_no_requirements(text: str) -> None:
    """What semver rejects is no requirement."""
    assert not versions.is_requirement(text)


@pytest.mark.parametrize(
    ("version", "requirement"),
    [
        ("1.2.3", "1"), ("1.2.3", "^1.2"), ("1.2.3", "1.2.3"), ("0.2.5", "0.2.3"), ("0.0.3", "0.0.3"), ("0.0.3", "0.0"),
        ("0.9.0", "0"), ("1.0.0", "*"), ("1.4.0", "1.*"), ("1.2.9", "~1.2.3"), ("1.9.0", "~1"), ("2.0.0", ">=1, <3"),
        ("1.2.4", ">1.2.3"), ("1.3.0", ">1.2"), ("1.2.0", "<=1.2"), ("1.2.3+b", "=1.2.3"), ("1.2.3", "=1.2"),
        ("1.2.3", "<1.3"), ("1.2.3-rc.1", "1.2.3-rc.0"), ("1.2.3-rc.10", "^1.2.3-rc.9"), ("1.2.0-a.b", ">=1.2.0-a"),
        ("1.2.3", ">1.2.3-rc.1"),
    ],
)  # fmt: skip
def test_versions_that_fit(version: str, requirement: str) -> None:
    """A version fits a requirement where cargo would choose it."""
    assert semver.fits(version, requirement)


@pytest.mark.parametrize(
    ("version", "requirement"),
    [
        ("2.0.0", "1"), ("1.1.0", "^1.2"), ("0.3.0", "0.2.3"), ("0.0.4", "0.0.3"), ("0.1.0", "0.0"), ("1.0.0-rc.1", "*"),
        ("1.0.0-rc.1", "1"), ("1.3.0", "~1.2.3"), ("2.0.0", "1.*"), ("1.2.9", ">1.2"), ("1.2.3", "<1.2"),
        ("3.0.0", ">=1, <3"), ("1.2.3-rc.1", "1.2.4-rc.1"), ("1.2.2", "~1.2.3"), ("1.2.3", "=1.2.4"),
        ("1.2.3", "<1.2.3-rc.1"), ("1.2.3-rc.2", "=1.2.3-rc.1"), ("1.2.3-rc.1", ">=1.2.0"),
    ],
)  # fmt: skip
def test_versions_that_do_not_fit(version: str, requirement: str) -> None:
    """A version that is lower, breaks what the requirement asks for, or is no release yet, does not fit."""
    assert not semver.fits(version, requirement)


@pytest.mark.parametrize(
    "text",
    [
        "x86_64-unknown-linux-gnu", "thumbv7em-none-eabihf", "cfg(unix)", 'cfg(target_os = "linux")', "cfg(any())",
        'cfg(all(unix, not(any(windows, target_env="msvc"))))', "cfg(all(unix,))", "cfg(r#true)", "cfg( unix )",
    ],
)  # fmt: skip
def test_platforms(text: str) -> None:
    """Target triples and cfg expressions are platforms."""
    assert versions.is_platform(text)


@pytest.mark.parametrize(
    "text",
    [
        "cfg()",
        "cfg(all(unix)",
        "cfg(not())",
        "cfg(not(a, b))",
        "cfg(a b)",
        "cfg(a = b)",
        'cfg("a")',
        "cfg(a,)",
        "a b",
    ],
)
def test_no_platforms(text: str) -> None:
    """An expression that cargo cannot parse is none."""
    assert not versions.is_platform(text)


def test_a_platform_nested_without_end() -> None:
    """An expression nested deeper than anybody writes is refused and not followed."""
    assert not versions.is_platform("cfg(" + "not(" * 5_000 + "a" + ")" * 5_001)


@pytest.mark.parametrize("pattern", ["a/***", "a**", "[a", "x/[!"])
def test_patterns_that_are_none(tmp_path: Path, pattern: str) -> None:
    """What the glob library of cargo rejects is rejected."""
    with pytest.raises(ValueError, match="`"):
        globs.expand(Tree(str(tmp_path)), str(tmp_path), pattern)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("a*", ["a", "ab"]), ("?b", ["ab"]), ("[ab]", ["a", "b"]), ("[!a]", ["b"]), ("[a-b]b", ["ab"]),
        ("**/deep", ["a/x/deep", "b/deep"]), ("*/deep", ["b/deep"]), ("none*", ["none*"]), ("a", ["a"]),
        ("gone", ["gone"]), ("[]]", ["[]]"]),
    ],
)  # fmt: skip
def test_patterns(tmp_path: Path, pattern: str, found: list[str]) -> None:
    """Folders are found in order; what matches nothing stands for itself."""
    root = str(tmp_path.resolve())
    write_tree(tmp_path, {"a/x/deep/": "", "ab/": "", "b/deep/": "", "afile": ""})
    assert globs.expand(Tree(root), root, pattern) == [f"{root}/{name}" for name in found]
