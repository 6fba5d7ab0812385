"""Whether a crate does without std is read off its root file."""

from __future__ import annotations

import pytest

from pytest_dagger_rust.manifests.crate_attributes import lacks_std_or_main

BARE = (
    "#![no_std]",
    "#![no_main]\nfn main() {}",
    "\ufeff#![no_std]",
    "#!/usr/bin/env run\n#![no_std]",
    "//! Documented.\n\n// Said.\n#![allow(unused)]\n#![no_std]",
    "/* one /* in another */ still */ #![no_std]",
    "# ! [ no_std ]",
    '#![cfg_attr(not(feature = "std"), no_std)]',
    '#![cfg_attr(target_os = "none", no_std, no_main)]',
    '#![doc = "]"]\n#![no_std]',
    '#![doc = r#"a "]" b"#]\n#![no_std]',
    "#![feature(a, /* ] */ b)]\n#![cfg_attr(any(test, // ]\n c), no_std)]",
)
NOT_BARE = (
    "",
    "fn main() {}",
    "// #![no_std]",
    "/* #![no_std] */ fn main() {}",
    "//! Use `#![no_std]`.",
    '#![doc = "no_std"]',
    "fn main() {}\n#![no_std]",
    "mod inner { #![no_std] }",
    "#[no_std]\nfn main() {}",
    "#![allow(no_std_is_not_a_lint)]",
    '#![doc = r"no_std"]',
    "/* never closed #![no_std]",
    "#![never closed no_st",
)


@pytest.mark.parametrize("source", BARE)
def test_bare(source: str) -> None:
    """An inner attribute before the first item counts, also under a condition."""
    assert lacks_std_or_main(source)


@pytest.mark.parametrize("source", NOT_BARE)
def test_not_bare(source: str) -> None:
    """The words elsewhere, in comments, text, items or other attributes, do not count."""
    assert not lacks_std_or_main(source)
