"""The CI recipes of the pages, and the project's own workflow, are what their platforms accept."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/continuous-integration.md"
RECIPES = re.findall(r"```yaml\n(# (\S+)\n.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def check(schema: str, file: Path) -> None:
    """Compare a file with a schema that comes with the checker."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("text", "name"), RECIPES, ids=[name for _, name in RECIPES])
def test_recipes_fit_their_schemas(tmp_path: Path, text: str, name: str) -> None:
    """Workflows of GitHub, and pipelines of GitLab."""
    (tmp_path / "recipe.yml").write_text(text)
    check("gitlab-ci" if "gitlab" in name else "github-workflows", tmp_path / "recipe.yml")


def test_there_are_recipes_for_both_platforms() -> None:
    """Each names its file in the first line."""
    names = [name for _, name in RECIPES]
    assert any(name.startswith(".github/") for name in names)
    assert ".gitlab-ci.yml" in names


@pytest.mark.parametrize(
    "file", sorted((ROOT / ".github/workflows").glob("*.yml")), ids=lambda file: file.name
)
def test_own_workflows_fit_the_schema(file: Path) -> None:
    """What is not run here is at least well formed."""
    check("github-workflows", file)
