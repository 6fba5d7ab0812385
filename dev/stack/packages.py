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


def find(program: str) -> str | None:
    """Look a program up where the user does, and in the system's own folders too."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}")


def ensure(wanted: dict[str, str]) -> None:
    """Install the packages of those programs that are not there."""
    missing = sorted({package for program, package in wanted.items() if not find(program)})
    if not missing:
        return
    if not find("apt-get"):
        raise StackError(
            f"These Debian packages are needed and there is no apt-get here to install them: {' '.join(missing)}."
        )
    if os.geteuid() != 0:
        raise StackError(f"Packages are missing; install them as root: apt-get install {' '.join(missing)}.")
    with step(f"installing {' '.join(missing)}"):
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-q"], environment=quiet)
        run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], environment=quiet)
