"""The plugin with the oldest and the newest of what it works with, on every Python that is installed: `make nox`."""

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False

PYTHONS = nox.project.python_versions(nox.project.load_toml("pyproject.toml"))

# The model of workspaces and the parts that read and write text; then the fixtures, on the engine.
PURE = [
    "tests/unit/plugin/test_settings.py",
    "tests/unit/builds/test_messages.py",
    "tests/unit/builds/test_archive.py",
    "tests/unit/manifests/test_reading.py",
]
PLUGIN = [
    "tests/pytest/test_fixtures.py",
    "tests/pytest/test_configuration.py",
    "tests/pytest/test_rust_tests.py",
    "tests/pytest/test_several_builds.py",
    "tests/pytest/test_beside_other_plugins.py",
]


@nox.session(python=PYTHONS)
def lowest(session: nox.Session) -> None:
    """The lowest versions that pyproject.toml allows."""
    check(session, "--resolution=lowest-direct")


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """The newest versions there are; but dagger-io's goes with the engine."""
    check(session, "--upgrade", "dagger-io==0.19.10")


def check(session: nox.Session, *versions: str) -> None:
    """Install the project and run what tells most in little time, or the tests that are named."""
    session.install(*versions, "--group=test", "--editable=.")
    session.run("pytest", *(session.posargs or [*PURE, *PLUGIN]))
