"""MkDocs hooks: the pages at the root of the repository become pages of the site, and links lead to where they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
ROOT_PAGES = {
    ROOT / "README.md": "index.md",
    ROOT / "CONTRIBUTING.md": "contributing.md",
    ROOT / "CHANGELOG.md": "changelog.md",
}

_LINK = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<file>[^)#:\s]+)(?P<anchor>#[^)\s]+)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages at the root."""
    for source, name in ROOT_PAGES.items():
        files.append(File.generated(config, name, content=relinked(source.read_text("utf-8"), ROOT)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Set links to the pages at the root right."""
    return markdown if page.file.generated_by else relinked(markdown, DOCS)


def relinked(markdown: str, folder: Path) -> str:
    """Have links of a page in `folder` lead to pages of the site; what is no page keeps its text only."""

    def place(link: re.Match[str]) -> str:
        target = (folder / link["file"]).resolve()
        if target in ROOT_PAGES:
            return f"[{link['text']}]({ROOT_PAGES[target]}{link['anchor'] or ''})"
        if target.is_relative_to(DOCS):
            return f"[{link['text']}]({target.relative_to(DOCS)}{link['anchor'] or ''})"
        return link["text"]

    return _LINK.sub(place, markdown)
