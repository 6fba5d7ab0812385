"""The Debian packages the stack is made of, installed only where they are missing."""

from __future__ import annotations

import os
import shutil

from dev.stack.settings import StackError
from dev.stack.shell import run, step

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# program -> the package that has it
ENGINE = {
    "runc": "runc",
    "dnsmasq": "dnsmasq-base",
    "iptables": "iptables",
    "ip": "iproute2",
    "git": "git",
    "unshare": "util-linux",
}
IMAGES = {
    "mmdebstrap": "mmdebstrap",
    "umoci": "umoci",
    "skopeo": "skopeo",
    "docker-registry": "docker-registry",
}
ARCHIVE_KEYS = "debian-archive-keyring"


def find(program: str) -> str | None:
    """Look a program up where the user does, and in the system's own folders too."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def ensure(wanted: dict[str, str]) -> None:
    """Install the packages of those programs that are not there."""
    if missing := sorted({package for program, package in wanted.items() if not find(program)}):
        install(missing)


def install(names: list[str]) -> None:
    """Install Debian packages, or say who can."""
    listed = " ".join(names)
    if not find("apt-get"):
        raise StackError(f"Needed here, and there is no apt-get to install them (Debian's names): {listed}.")
    if os.geteuid() != 0:
        raise StackError(f"Packages are missing; install them as root: apt-get install {listed}.")
    with step(f"installing {listed}"):
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-q"], environment=quiet)
        run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *names], environment=quiet)


def install_browser() -> None:
    """Install Chromium, unless it is there."""
    if not find("chromium"):
        install(["chromium"])
