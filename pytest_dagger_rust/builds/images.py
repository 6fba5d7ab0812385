"""The default images: Rust in the toolchain file's version, and the slim image of its Debian release."""

from __future__ import annotations

import re

_VERSION = re.compile(r"1\.(\d+)(\.\d+)?")

# The first Rust release whose images are published for Debian trixie.
_FIRST_ON_TRIXIE = 89


def default_builder_image(toolchain: str | None) -> str:
    """Return the builder image for the channel of a rust-toolchain file; None means there is no such file.

    A channel that is no version (`stable`, `nightly-2026-01-01`) gets the newest image, whose rustup installs it.
    """
    version = _VERSION.fullmatch(toolchain or "")
    if version is None:
        return "rust:1-trixie"
    release = "trixie" if int(version[1]) >= _FIRST_ON_TRIXIE else "bookworm"
    return f"rust:{toolchain}-{release}"


def default_runtime_image(builder_image: str) -> str:
    """Return a slim image of the Debian release the builder image is made from, so that both have the same libc."""
    release = re.search(r"-(trixie|bookworm|bullseye)\b", builder_image)
    return f"debian:{release[1] if release else 'trixie'}-slim"
