"""What a run writes into its own workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.pytest import program

if TYPE_CHECKING:
    from tests.pytest.conftest import Project

SOURCE = """
def test_it(cached_rust_build):
    print("cached:", cached_rust_build.report.cached)
"""


def test_reports_in_the_workspace_change_no_build(bare_project: Project) -> None:
    """They have the time of the run in them; the next build is the engine's earlier one all the same."""
    # The folder that pytest is started in gets other files, from these tests.
    bare_project.write({f"rust/{name}": text for name, text in program.FILES.items()})
    reports = (
        *("-s", "--dagger-rust-workspace=rust"),
        *("--junitxml=rust/junit.xml", "--dagger-rust-html-report=rust/page.html"),
    )
    bare_project.pytest(*reports, it=SOURCE).assert_outcomes(passed=1)
    (bare_project.folder / "rust/.coverage").write_text("data")
    again = bare_project.pytest(*reports, it=SOURCE)
    again.stdout.fnmatch_lines(["*cached: True*"])
