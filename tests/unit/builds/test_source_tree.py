"""What a dependency build gets of local packages is what the source build gets of them."""

from __future__ import annotations

from pytest_dagger_rust.builds.source_tree import without_excluded

SOURCES = (
    "patched/README.md",
    "patched/docs/a/b.txt",
    "patched/src/lib.rs",
    "../beside/README.md",
    "../beside/docs/x.txt",
    "../beside/src/lib.rs",
)


def test_excluded_files_change_no_set_of_dependencies() -> None:
    """Patterns mean the same for both builds: from the workspace's root, or from a folder outside of it."""
    kept = without_excluded(SOURCES, ["*.md", "docs/", "!patched/docs/"], ["../beside"])
    assert kept == ["patched/docs/a/b.txt", "patched/src/lib.rs", "../beside/src/lib.rs"]
    assert without_excluded(SOURCES, ["/docs"], ["../beside"]) == [
        path for path in SOURCES if path != "../beside/docs/x.txt"
    ]
    assert without_excluded(SOURCES, [], ["../beside"]) == list(SOURCES)
