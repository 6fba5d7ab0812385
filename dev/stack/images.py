"""The images, built from Debian packages by mmdebstrap and pushed to the registry."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import tarfile
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dev.stack import packages
from dev.stack.settings import StackError, content_key
from dev.stack.shell import run, step

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from dev.stack.registry import Registry

# Raise it when the way images are built changes, not only what is in them.
RECIPE = "1"

SUITE = "trixie"
MIRROR_VARIABLE = "STACK_DEBIAN_MIRROR"
INDEX_TARGETS = (
    "apt-get",
    "indextargets",
    "--format=$(ORIGIN) $(CODENAME) $(REPO_URI)",
    "Created-By: Packages",
)
ARCHIVE_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
TRUSTED = Path("/etc/ssl/certs/ca-certificates.crt")
LOCAL_CERTIFICATES = Path("/usr/local/share/ca-certificates")

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CARGO = {"CARGO_HOME": "/usr/local/cargo", "PATH": f"/usr/local/cargo/bin:{PATH}"}
POSTGRES = {"PATH": f"/usr/lib/postgresql/17/bin:{PATH}"}

# Debian's rustc links with GNU ld, three times slower than the linker the upstream toolchain brings.
LINKER = f"CARGO_TARGET_{platform.machine().upper()}_UNKNOWN_LINUX_GNU_RUSTFLAGS"


@dataclass(frozen=True)
class Image:
    """A recipe: a minimal Debian and these packages, or a base and this machine's own Rust toolchain.

    `suite` names the release of Debian where it is not the usual one.
    """

    name: str
    tag: str
    packages: tuple[str, ...] = ()
    backports: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    base: str | None = None
    suite: str = ""

    @property
    def reference(self) -> str:
        """The image's name and tag."""
        return f"{self.name}:{self.tag}"


_BUILD_TOOLS = ("ca-certificates", "gcc", "git", "libc6-dev", "lld", "pkg-config")
_LLD = {LINKER: "-Clink-arg=-fuse-ld=lld"}

# As the official images, it has a compiler for C++, and a name that is true of each release that backports will have.
BUILDER = Image("rust", f"1-{SUITE}", (*_BUILD_TOOLS, "g++"), ("cargo", "rustc"), CARGO | _LLD)
RUNTIME = Image("debian", f"{SUITE}-slim", ("ca-certificates",))
DATABASE = Image("postgres", "17", ("ca-certificates", "postgresql"), environment=POSTGRES)

DEFAULT = (BUILDER, RUNTIME, DATABASE)
ON_REQUEST = (
    Image("rust", "1.85", (*_BUILD_TOOLS, "cargo", "rustc"), environment=CARGO | _LLD),
    Image(
        "rust",
        "1.78",
        (*_BUILD_TOOLS, "cargo-web", "rustc-web"),
        environment=CARGO | _LLD,
        suite="bullseye",
    ),
    Image(
        "rust",
        "host",
        base=BUILDER.reference,
        environment={LINKER: "", "PATH": f"/usr/local/rust/bin:{CARGO['PATH']}"},
    ),
    Image("python", "3.13", ("ca-certificates", "python3", "python3-pip", "python3-venv")),
)
ALL = {image.reference: image for image in (*DEFAULT, *ON_REQUEST)}


def ensure(image: Image, registry: Registry) -> str:
    """Make the registry serve an image of exactly this recipe; return its full name."""
    if image.base:
        ensure(ALL[image.base], registry)
    mark = f"recipe-{key(image)}"
    served = registry.digest(image.name, mark)
    if served is None or served != registry.digest(image.name, image.tag):
        packages.ensure(packages.IMAGES)
        with step(f"building the image {image.reference}"), _scratch(registry.settings.cache) as scratch:
            layout = f"{scratch / 'oci'}:image"
            if image.base:
                _add_toolchain(f"{registry.settings.registry}/{image.base}", layout)
            else:
                _bootstrap(image, scratch, layout)
            _configure(image, layout)
            for tag in (image.tag, mark):
                _push(layout, f"{registry.settings.registry}/{image.name}:{tag}")
    return f"{registry.settings.registry}/{image.reference}"


def find(reference: str) -> Image:
    """Return the recipe of that name and tag."""
    if image := ALL.get(reference):
        return image
    raise StackError(f"There is no recipe for the image {reference!r}; there are {', '.join(ALL)}.")


def key(image: Image) -> str:
    """Return the name of an image's content: its recipe, this machine's certificates, its base."""
    recipe = {name: value for name, value in asdict(image).items() if value}
    parts = [RECIPE, SUITE, json.dumps(recipe, sort_keys=True)]
    parts.extend(file.read_text() for file in _certificates())
    if image.base:
        parts.extend((key(ALL[image.base]), run(["rustc", "-Vv"])))
    return content_key(*parts)


def sources(image: Image, mirror: str) -> list[str]:
    """Return the apt sources an image is built from."""
    release = image.suite or SUITE
    suites = [release, f"{release}-updates", *([f"{release}-backports"] if image.backports else [])]
    return [f"deb {mirror} {suite} main" for suite in suites]


def mirror_of(index_targets: str) -> str | None:
    """Pick Debian's archive from what `apt-get indextargets` lists as `ORIGIN CODENAME URI`."""
    for line in index_targets.splitlines():
        origin, codename, uri = (*line.split(), "", "", "")[:3]
        if origin == "Debian" and codename.isalpha():
            return uri.rstrip("/")
    return None


def bundle(environment: Mapping[str, str]) -> Path:
    """Return the file of certificates this machine trusts."""
    return Path(environment.get("SSL_CERT_FILE") or TRUSTED)


def _certificates() -> list[Path]:
    files = [bundle(os.environ), *sorted(LOCAL_CERTIFICATES.glob("*.crt"))]
    return [file for file in files if file.is_file()]


def _mirror() -> str:
    if chosen := os.environ.get(MIRROR_VARIABLE):
        return chosen.rstrip("/")
    found = mirror_of(run(INDEX_TARGETS))
    if not found:
        run(["apt-get", "update", "-q"])
        found = mirror_of(run(INDEX_TARGETS))
    if not found:
        raise StackError(f"This machine's apt knows no Debian mirror: name one in {MIRROR_VARIABLE}.")
    return found


def _bootstrap(image: Image, scratch: Path, layout: str) -> None:
    if not ARCHIVE_KEYS.exists():
        packages.install([packages.ARCHIVE_KEYS])
    tar = scratch / "rootfs.tar"
    included = [*image.packages, *(f"{package}/{SUITE}-backports" for package in image.backports)]
    run(
        [
            "mmdebstrap",
            "--variant=minbase",
            "--format=tar",
            f"--include={','.join(included)}",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/man/*",
            *_certificate_hooks(),
            image.suite or SUITE,
            tar,
            *sources(image, _mirror()),
        ],
        environment={"TMPDIR": str(scratch)},
    )
    check_name(image, _installed(tar))
    run(["umoci", "init", "--layout", scratch / "oci"])
    run(["umoci", "new", "--image", layout])
    run(["umoci", "raw", "add-layer", "--image", layout, tar])


def check_name(image: Image, installed: Mapping[str, str]) -> None:
    """Raise StackError if an image of Rust has another version of rustc than its tag says."""
    version = next((installed[name] for name in ("rustc", "rustc-web") if name in installed), "none")
    said = image.tag.partition("-")[0]
    if image.name == "rust" and not version.startswith(f"{said}."):
        hint = "Debian has another version by now: give the recipe in dev/stack/images.py a tag that is true."
        raise StackError(f"The image {image.reference} would have rustc {version}. {hint}")


def _installed(tar: Path) -> dict[str, str]:
    """Return the versions of the packages in a root file system."""
    with tarfile.open(tar) as archive:
        status = archive.extractfile("./var/lib/dpkg/status")
        assert status is not None  # noqa: S101 - it is a file
        text = status.read().decode()
    return dict(re.findall(r"^Package: (\S+)\n(?:.+\n)*?Version: (\S+)$", text, re.MULTILINE))


def _certificate_hooks() -> list[str]:
    """Put the machine's certificates into an image: what a container trusts is what its machine trusts."""
    trusted = bundle(os.environ)
    places = {file: TRUSTED if file == trusted else file for file in _certificates()}
    return [f"--customize-hook=upload {file} {place}" for file, place in places.items()]


def _add_toolchain(base: str, layout: str) -> None:
    """Lay this machine's own Rust toolchain over the base, for comparisons with its own cargo."""
    sysroot = Path(run(["rustc", "--print", "sysroot"]).strip())
    run(["skopeo", "copy", "--src-tls-verify=false", f"docker://{base}", f"oci:{layout}"])
    for part in ("bin", "lib"):
        run(["umoci", "insert", "--image", layout, sysroot / part, f"/usr/local/rust/{part}"])


def _configure(image: Image, layout: str) -> None:
    variables = {"PATH": PATH, **image.environment}
    settings = [f"--config.env={name}={value}" for name, value in variables.items()]
    run(
        [
            "umoci",
            "config",
            "--image",
            layout,
            *settings,
            "--config.cmd",
            "bash",
            "--author",
            "pytest-dagger-rust",
        ]
    )


def _push(layout: str, reference: str) -> None:
    run(["skopeo", "copy", "--dest-tls-verify=false", f"oci:{layout}", f"docker://{reference}"])


@contextmanager
def _scratch(cache: Path) -> Generator[Path]:
    """Return a folder that is gone afterwards, and is swept by the next build if this one is killed."""
    base = cache / "scratch"
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=base) as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
