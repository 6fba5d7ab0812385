"""The dependency build compiles the units of other packages that the source build needs, and no others."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from pytest_dagger_rust.builds.options import CargoOptions
from pytest_dagger_rust.errors import WorkspaceError
from pytest_dagger_rust.workspace import RustWorkspace
from tests.cargo import oracle
from tests.cargo.generator import Files, workspaces, write
from tests.cargo.layouts import LIB, MACRO, MAIN, package
from tests.cargo.units import missing_and_surplus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

pytestmark = [
    pytest.mark.skipif(shutil.which("cargo") is None, reason="compares with cargo"),
    pytest.mark.usefixtures("shelf_only"),
]
MORE = os.environ.get("GENERATED_EXAMPLES")
ALL = CargoOptions(packages=("*",))

_DEV = '\n[dependencies]\nbeta = "1"\n\n[dev-dependencies]\ngamma = "0.3"\n'
_TEST = "#[test]\nfn it() {}\n"
_PANIC = '\n[profile.dev]\npanic = "abort"\n'
_MACRO = "\n[lib]\nproc-macro = true\n"

CASES: Mapping[str, Mapping[str, str]] = {
    "a profile for a dependency that shares its name with a member": {
        "Cargo.toml": '[workspace]\nmembers = ["app", "alpha"]\nresolver = "2"\n\n'
        "[profile.dev.package.alpha]\nopt-level = 3\n",
        "app/Cargo.toml": package("app", '\n[dependencies]\nbeta = "1"\n'),
        "app/src/main.rs": MAIN,
        "alpha/Cargo.toml": package("alpha", version="9.0.0"),
        "alpha/src/lib.rs": LIB,
    },
    "a profile for a version of a dependency that shares its name": {
        "Cargo.toml": '[workspace]\nmembers = ["app", "alpha"]\nresolver = "2"\n\n'
        '[profile.dev.package."alpha@1.1.0"]\nopt-level = 3\n',
        "app/Cargo.toml": package("app", '\n[dependencies]\nbeta = "1"\n'),
        "app/src/main.rs": MAIN,
        "alpha/Cargo.toml": package("alpha", version="9.0.0"),
        "alpha/src/lib.rs": LIB,
    },
    "panics abort, a program with unit tests": {
        "Cargo.toml": package("app", _DEV + _PANIC),
        "src/main.rs": MAIN,
    },
    "panics abort, a library with unit tests": {
        "Cargo.toml": package("app", _DEV + _PANIC),
        "src/lib.rs": LIB,
    },
    "panics abort, a program with integration tests": {
        "Cargo.toml": package("app", _DEV + _PANIC),
        "src/main.rs": MAIN,
        "tests/it.rs": _TEST,
    },
    "panics abort, some members with integration tests": {
        "Cargo.toml": '[workspace]\nmembers = ["one", "two", "only"]\nresolver = "2"\n' + _PANIC,
        "one/Cargo.toml": package("one", _DEV),
        "one/src/main.rs": MAIN,
        "one/tests/it.rs": _TEST,
        "two/Cargo.toml": package("two", '\n[dependencies]\nscripted = "1"\n'),
        "two/src/main.rs": MAIN,
        "only/Cargo.toml": package("only", '\n[dev-dependencies]\nderive = "1"\n'),
        "only/tests/it.rs": _TEST,
    },
    "a procedural macro with a program": {
        "Cargo.toml": package("macros", _MACRO + _DEV),
        "src/lib.rs": MACRO,
        "src/main.rs": MAIN,
    },
    "a procedural macro with tests": {
        "Cargo.toml": package("macros", _MACRO + _DEV),
        "src/lib.rs": MACRO,
        "tests/it.rs": _TEST,
    },
    "a procedural macro, and its users": {
        "Cargo.toml": '[workspace]\nmembers = ["app", "macros"]\nresolver = "2"\n',
        "app/Cargo.toml": package("app", '\n[dependencies]\nmacros = { path = "../macros" }\ngamma = "0.3"\n'),
        "app/src/main.rs": MAIN,
        "macros/Cargo.toml": package("macros", _MACRO + _DEV),
        "macros/src/lib.rs": MACRO,
        "macros/src/main.rs": MAIN,
    },
    "a patched member with development dependencies": {
        "Cargo.toml": '[workspace]\nmembers = ["app", "inner"]\nresolver = "2"\n\n'
        '[patch.crates-io]\ninner = { path = "inner" }\n',
        "app/Cargo.toml": package("app", '\n[dependencies]\nouter = "1"\n'),
        "app/src/main.rs": MAIN,
        "inner/Cargo.toml": package("inner", '\n[dev-dependencies]\ngamma = "0.3"\n', version="1.0.5"),
        "inner/src/lib.rs": "pub fn inner() -> u32 { 9 }\n",
        "inner/tests/it.rs": _TEST,
    },
    "a patched member with programs": {
        "Cargo.toml": '[workspace]\nmembers = ["app", "inner"]\nresolver = "2"\n\n'
        '[patch.crates-io]\ninner = { path = "inner" }\n',
        "app/Cargo.toml": package("app", '\n[dependencies]\nouter = "1"\n'),
        "app/src/main.rs": MAIN,
        "inner/Cargo.toml": package("inner", '\n[dependencies]\ngamma = "0.3"\n', version="1.0.5"),
        "inner/src/lib.rs": "pub fn inner() -> u32 { 9 }\n",
        "inner/src/main.rs": MAIN,
        "inner/examples/shown.rs": MAIN,
    },
}  # fmt: skip


def _loaded(root: Path) -> RustWorkspace:
    if not (root / "Cargo.lock").exists():
        oracle.cargo("generate-lockfile", "--offline", cwd=root)
    return RustWorkspace.load(root)


@pytest.mark.parametrize("tests", [False, True], ids=["build", "tests"])
@pytest.mark.parametrize("name", CASES)
def test_units(tree: Callable[[Mapping[str, str]], Path], tmp_path: Path, name: str, *, tests: bool) -> None:
    """Each kind of workspace: the same units of other packages, with features, platform and profile."""
    workspace = _loaded(tree(CASES[name]))
    missing, surplus = missing_and_surplus(workspace, tmp_path / "skeleton", ALL, tests=tests)
    assert missing == set()
    assert surplus == set()


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("panics abort")])
def test_stubs_with_tests_compile(
    tree: Callable[[Mapping[str, str]], Path], tmp_path: Path, name: str
) -> None:
    """Where panics abort, the stubs' tests are linked, and the source build then finds all dependencies compiled."""
    workspace = _loaded(tree(CASES[name]))
    skeleton = workspace.skeleton()
    laid = oracle.lay(skeleton, workspace, tmp_path / "skeleton")
    command, *flags = skeleton.command(ALL, tests=True)
    oracle.build(laid, tmp_path / "target", flags, command=command)
    done = oracle.build(
        workspace.root, tmp_path / "target", ("--no-run", "--tests", "--workspace"), command="test"
    )
    assert {item.split()[0] for item in done.compiled} <= {item.name for item in workspace.packages}


@settings(
    max_examples=int(MORE or 80) // 4,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    derandomize=not MORE,
    phases=[Phase.explicit, Phase.generate],  # shrinking takes minutes, and the workspaces are small
)
@given(workspaces())
def test_units_of_any_workspace(files: Files) -> None:
    """The dependency build of a random workspace misses no unit, neither for its programs nor for its tests."""
    with tempfile.TemporaryDirectory() as folder:
        root = write(Path(folder).resolve() / "repository", files)
        (root / ".git").mkdir()
        try:
            workspace = RustWorkspace.load(root)
            workspace = _loaded(root)
        except (WorkspaceError, oracle.CargoFailed):
            return
        for tests in (False, True):
            missing, _ = missing_and_surplus(workspace, root.parent / f"skeleton-{tests}", ALL, tests=tests)
            assert missing == set()
