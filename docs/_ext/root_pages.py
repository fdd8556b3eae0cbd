"""Takes README.md and SECURITY.md in as pages: a page that is one comment with the file's name has the file's text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[2]
_PAGES = {"README.md": "start.md", "SECURITY.md": "security.md"}


def _place(match: re.Match[str]) -> str:
    target, fragment = match[1], match[2] or ""
    return f"]({_PAGES.get(target, target.removeprefix('docs/'))}{fragment})"


def _take_in(_app: Sphinx, _page: str, source: list[str]) -> None:
    named = re.fullmatch(r"<!-- (\w+\.md) -->\s*", source[0])
    if named:
        text = (ROOT / named[1]).read_text(encoding="utf-8")
        source[0] = re.sub(r"\]\(((?!https?:)[\w./-]+)(#[\w-]+)?\)", _place, text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("source-read", _take_in)
    return {"parallel_read_safe": True}
