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
    bare_project.write(program.FILES)
    reports = ("-s", "--junitxml=junit.xml", "--dagger-rust-html-report=page.html")
    bare_project.pytest(*reports, it=SOURCE).assert_outcomes(passed=1)
    (bare_project.folder / ".coverage").write_text("data")
    again = bare_project.pytest(*reports, it=SOURCE)
    again.stdout.fnmatch_lines(["*cached: True*"])
