"""The evidence as a page for people: one HTML document without scripts and external loads, and the same as Markdown."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from securemem.cli._evidence_attacks import ATTACKS, WAYS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from securemem.cli._evidence_attacks import Cell

    Found = Mapping[str, Mapping[str, Cell]]

__all__ = ["cell_text", "html_page", "markdown_page"]

_STYLE = """
:root { color-scheme: light dark; --line: #8886; --good: #1a7f4b; --bad: #c0362c; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { border: 1px solid var(--line); padding: .4rem .5rem; text-align: left; vertical-align: top; }
td.good { color: var(--good); font-weight: 600; } td.bad { color: var(--bad); font-weight: 600; }
td.none { color: #888; font-size: .8rem; }
.wide { overflow-x: auto; }
svg { width: 100%; height: auto; } svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
caption { text-align: left; padding-bottom: .4rem; }
"""
_LEGEND = (
    "Copies of a 32-byte key, whole or in parts, in any form, that another process finds: outside locked memory, and "
    "in it. Green: none outside locked memory. Red: copies outside it."
)
_WIDTH, _BAR, _LABEL = 1000, 26, 190


def cell_text(cell: Cell) -> str:
    """What a cell says in a few words."""
    if cell.why:
        return f"not tried: {cell.why}"
    return f"{cell.unlocked}" + f" + {cell.locked} locked" * bool(cell.locked)


def _kind(cell: Cell) -> str:
    if cell.why:
        return "none"
    return "bad" if cell.unlocked else "good"


def _table(found: Found) -> str:
    head = "".join(f"<th scope='col'>{html.escape(label)}</th>" for label in WAYS.values())
    rows = []
    for attack, (label, _) in ATTACKS.items():
        cells = [found[way][attack] for way in WAYS]
        row = "".join(f"<td class='{_kind(one)}'>{html.escape(cell_text(one))}</td>" for one in cells)
        rows.append(f"<tr><th scope='row'>{html.escape(label)}</th>{row}</tr>")
    return f"<div class='wide'><table><caption>{_LEGEND}</caption><tr><th></th>{head}</tr>{''.join(rows)}</table></div>"


def _map(found: Found) -> str:
    """For each way a line of the memory in which copies lay while the key was in use, a mark for each place."""
    parts = []
    top = 0
    for way, label in WAYS.items():
        cell = found[way]["used"]
        parts.append(f"<text x='0' y='{top + 17}'>{html.escape(label)}</text>")
        parts.append(
            f"<rect x='{_LABEL}' y='{top + 2}' width='{_WIDTH - _LABEL}' height='{_BAR - 8}' fill='none' "
            "stroke='#8886'/>"
        )
        for place in cell.places:
            # An address space of 47 bits is mostly empty: so kinds of memory share the line, and within one the page
            # number decides, modulo a prime, where the mark stands.
            band = _BANDS.get(place.memory, 2)
            share = (_WIDTH - _LABEL) / len(_BAND_NAMES)
            within = place.address % 99991 / 99991
            x = _LABEL + share * (band + within * 0.96)
            colour = "#1a7f4b" if place.locked else "#c0362c"
            title = html.escape(f"{place.form} in {place.memory}, {place.mapping}")
            parts.append(
                f"<rect x='{x:.1f}' y='{top + 3}' width='4' height='{_BAR - 10}' fill='{colour}'>"
                f"<title>{title}</title></rect>"
            )
        if cell.why:
            parts.append(f"<text x='{_LABEL + 8}' y='{top + 17}'>{html.escape(cell_text(cell))}</text>")
        top += _BAR
    share = (_WIDTH - _LABEL) / len(_BAND_NAMES)
    for number, name in enumerate(_BAND_NAMES):
        x = _LABEL + share * number
        parts.append(f"<line x1='{x:.0f}' x2='{x:.0f}' y1='0' y2='{top}' stroke='#8886'/>")
        parts.append(f"<text x='{x + 4:.0f}' y='{top + 14}'>{name}</text>")
    label = "Where copies lay while the key was in use"
    return f"<svg viewBox='0 0 {_WIDTH} {top + 20}' role='img' aria-label='{label}'>{''.join(parts)}</svg>"


_BAND_NAMES = ("[heap]", "[stack]", "libraries' memory", "anonymous mappings")
_BANDS = {"[heap]": 0, "[stack]": 1, "anonymous": 3}


def _places(found: Found) -> str:
    rows = []
    for way, label in WAYS.items():
        for one in found[way]["used"].places[:8]:
            state = "locked" if one.locked else "not locked"
            cells = (label, one.form, one.memory, one.mapping, f"{one.offset:#x}", state)
            rows.append("<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in cells) + "</tr>")
    head = "".join(f"<th>{name}</th>" for name in ("way", "form", "memory", "mapping", "offset", ""))
    return f"<div class='wide'><table><tr>{head}</tr>{''.join(rows)}</table></div>"


def _list(rows: Mapping[str, str]) -> str:
    return "<ul>" + "".join(f"<li><b>{html.escape(a)}</b>: {html.escape(b)}</li>" for a, b in rows.items()) + "</ul>"


def html_page(found: Found, facts: Mapping[str, str], verdict: str, missing: Mapping[str, str]) -> str:
    """One document that can be read as it is, without scripts, and loads nothing."""
    how = dict(ATTACKS.values())
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>securemem: evidence</title><style>{_STYLE}</style></head><body>
<h1>securemem: evidence</h1>
<p><strong id="verdict">{html.escape(verdict)}</strong></p>
<h2>What was attacked, and what was found</h2>{_table(found)}
<h2>Where copies lay while the key was in use</h2>
<p>Red: outside locked memory. Green: in it. Each mark is a place; point at it for its mapping.</p>{_map(found)}
{_places(found)}
<h2>How</h2>{_list(how)}
<h2>Versions</h2>{_list(facts)}
<h2>What was not tried here</h2>{_list(missing) if missing else "<p>Everything was.</p>"}
</body></html>
"""


def markdown_page(found: Found, facts: Mapping[str, str], verdict: str, missing: Mapping[str, str]) -> str:
    """The same for the documentation."""
    lines = ["# Evidence", "", "Made by `securemem evidence`, which runs the same attacks on your machine.", ""]
    lines += [f"**{verdict}**", "", _LEGEND.partition(" Green")[0], ""]
    lines += ["| attack | " + " | ".join(WAYS.values()) + " |", "|---" * (len(WAYS) + 1) + "|"]
    for attack, (label, _) in ATTACKS.items():
        lines.append(f"| {label} | " + " | ".join(cell_text(found[way][attack]) for way in WAYS) + " |")
    lines += ["", "## How", ""]
    lines += [f"- **{label}**: {text}." for label, text in ATTACKS.values()]
    lines += ["", "## Versions", "", *(f"- {name}: {value}" for name, value in facts.items())]
    lines += ["", "## What was not tried", "", *(f"- {name}: {why}" for name, why in missing.items())]
    return "\n".join(lines) + "\n"
