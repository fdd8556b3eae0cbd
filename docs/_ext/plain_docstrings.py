"""Gives docstrings to Sphinx: they are plain text for a terminal, and would mean other things as reStructuredText.

A paragraph stays a paragraph. Lines of the form `name: what it is`, and indented lines after them, become a list.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_TERM = re.compile(r"[\w*|.,\" ]{1,60}: ")


def _escaped(text: str) -> str:
    """The text with what is markup in reStructuredText made literal; `code` is code here too."""
    parts = re.split(r"(`[^`]+`)", text)
    return "".join(
        f"``{part[1:-1]}``" if part.startswith("`") and len(part) > 2 else re.sub(r"([\\*|_`])", r"\\\1", part)  # noqa: PLR2004 - the two marks
        for part in parts
    )


def _paragraph(lines: list[str]) -> list[str]:
    """One paragraph, as a list where its lines hang."""
    if any(line.startswith((" ", "\t")) for line in lines[1:]) or sum(bool(_TERM.match(line)) for line in lines) > 1:
        items: list[list[str]] = []
        for line in lines:
            if items and (line.startswith((" ", "\t")) or not _TERM.match(line)):
                items[-1].append(line.strip())
            else:
                items.append([line.strip()])
        return [f"* {_escaped(' '.join(item))}" for item in items]
    return [_escaped(line.strip()) for line in lines]


def _process(_app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            paragraphs[-1].append(line)
        elif paragraphs[-1]:
            paragraphs.append([])
    lines[:] = [line for paragraph in paragraphs if paragraph for line in (*_paragraph(paragraph), "")]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("autodoc-process-docstring", _process)
    return {"parallel_read_safe": True}
