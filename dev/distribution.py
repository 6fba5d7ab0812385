"""Check what would be published, by `python -m dev.distribution`: the wheel and the sdist, and that both install."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

from dev.stack.settings import CHECKOUT, StackError
from dev.stack.shell import main, run

PYTHON = Path(sys.executable)
TOOLS = PYTHON.parent

# Everything that is read when the plugin is loaded and builds: its modules, and the scripts beside them.
SMOKE_TEST = """
import importlib.metadata, importlib.resources, pathlib, sys
folder = pathlib.Path(sys.argv[1])
(distribution,) = importlib.metadata.distributions(name="pytest-dagger-rust", path=[str(folder)])
(entry_point,) = distribution.entry_points.select(group="pytest11", name="dagger_rust")
assert pathlib.Path(entry_point.load().__file__).is_relative_to(folder), entry_point
for name in importlib.import_module("pytest_dagger_rust").__all__:
    getattr(sys.modules["pytest_dagger_rust"], name)
importlib.import_module("pytest_dagger_rust.builds.pipeline")
"""


def check() -> None:
    """Build the sdist, and from it the wheel; both must be complete, well described and fit to be installed."""
    with tempfile.TemporaryDirectory(prefix="distribution-") as folder:
        built = Path(folder)
        # The tools are the pinned ones of this environment, so nothing is downloaded.
        run([PYTHON, "-m", "build", "--no-isolation", "--outdir", built], cwd=CHECKOUT)
        (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
        run([PYTHON, "-m", "twine", "check", "--strict", wheel, sdist])
        run([TOOLS / "check-wheel-contents", wheel], cwd=CHECKOUT)
        run([TOOLS / "check-sdist", "--no-isolation", "--installer", "pip"], cwd=CHECKOUT)
        _check_links(wheel)
        _check_installed(wheel, built / "installed")


def _check_links(wheel: Path) -> None:
    """Refuse a description whose links lead nowhere on a package index."""
    with ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        text = archive.read(metadata).decode()
    if relative := re.findall(r"\]\((?!https?://|#)[^)]+\)", text):
        raise StackError(f"the description has links that are relative: {', '.join(relative)}")


def _check_installed(wheel: Path, folder: Path) -> None:
    pip: list[str | Path] = [PYTHON, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    run([*pip, "install", "--no-deps", "--no-index", "--target", folder, wheel])
    # -S leaves the environment's own, editable installation out; its other packages follow the wheel's folder.
    packages = ":".join([str(folder), *(path for path in sys.path if path.endswith("site-packages"))])
    run([PYTHON, "-S", "-c", SMOKE_TEST, folder], cwd=folder, environment={"PYTHONPATH": packages})


if __name__ == "__main__":
    main("distribution", check)
