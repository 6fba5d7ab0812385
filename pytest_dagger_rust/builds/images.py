"""The default images: Rust in the toolchain file's version, and the slim image of its Debian release."""

from __future__ import annotations

import re

# With the platform after it, as `1.95-x86_64-unknown-linux-gnu`, it is the same image.
_VERSION = re.compile(r"(?P<version>1\.(?P<minor>\d+)(\.\d+)?)(-[a-z0-9]+_.*)?\Z")

# The first Rust release whose images are published for Debian trixie.
_FIRST_ON_TRIXIE = 89


def default_builder_image(toolchain: str | None) -> str:
    """Return the builder image for the channel of a rust-toolchain file; None means there is no such file.

    A channel that is no version (`stable`, `nightly-2026-01-01`) gets the newest image, whose rustup installs what it
    has not.
    """
    version = _VERSION.match(toolchain or "")
    if version is None:
        return "rust:1-trixie"
    release = "trixie" if int(version["minor"]) >= _FIRST_ON_TRIXIE else "bookworm"
    return f"rust:{version['version']}-{release}"


def default_runtime_image(builder_image: str) -> str:
    """Return a slim image of the Debian release the builder image is made from, so that both have the same libc."""
    release = re.search(r"-(trixie|bookworm|bullseye)\b", builder_image)
    return f"debian:{release[1] if release else 'trixie'}-slim"
