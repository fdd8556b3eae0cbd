"""The forms in which a secret may lie in memory: what a scanner has to look for.

A scanner sees only the values that it knows. Ciphers keep keys in words of the other byte order, logs keep hex and
base64, and memory that is used again keeps parts.
"""

from __future__ import annotations

from base64 import b64encode

from securemem._frozen import Frozen

__all__ = ["Needle", "forms_of", "needle"]

FRAGMENT = 8
_MOST_FRAGMENTS = 16
_FEWEST_VALUES = 4


class Needle(Frozen):
    """One byte pattern to search.

    form: what it is of the secret, such as "raw" or "hex".
    pattern: the bytes; left out of repr.
    within: for a part, the longer patterns it is part of, each with its place there in bytes. Where one of those
        lies, the part is not counted again.
    """

    form: str
    pattern: bytes
    within: tuple[tuple[bytes, int], ...] = ()

    def __repr__(self) -> str:
        """Show the form, and no byte of the secret."""
        return f"Needle(form={self.form!r})"


def _is_regular(pattern: bytes) -> bool:
    return len(set(pattern)) < _FEWEST_VALUES


def needle(form: str, pattern: bytes) -> Needle:
    """One pattern, named.

    Raises ValueError for fewer than 8 bytes or fewer than 4 different ones: memory is full of such patterns.
    """
    if len(pattern) < FRAGMENT or _is_regular(pattern):
        raise ValueError("give 8 bytes or more, 4 of them different: a simpler pattern is found anywhere")
    return Needle(form, bytes(pattern))


def _swapped(secret: bytes, word: int) -> bytes:
    """Each word of the secret backwards, as a little-endian cipher loads it; a shorter last word too."""
    return b"".join(secret[at : at + word][::-1] for at in range(0, len(secret), word))


def _base64(secret: bytes, lead: int) -> bytes:
    """The base64 characters that the secret alone decides when `lead` other bytes stand before it."""
    text = b64encode(bytes(lead) + secret)
    return text[(8 * lead + 5) // 6 : 8 * (lead + len(secret)) // 6]


def _fragments(form: str, whole: bytes) -> list[tuple[bytes, str, int]]:
    count = len(whole) // FRAGMENT
    step = max(1, -(-count // _MOST_FRAGMENTS))
    places = (at * FRAGMENT for at in range(0, count, step))
    return [(whole[at : at + FRAGMENT], f"8 bytes of {form}", at) for at in places]


def forms_of(secret: bytes) -> tuple[Needle, ...]:
    """The secret raw, reversed, with 4- and 8-byte words swapped, in hex and base64, and 8-byte parts of it.

    At most 16 parts, evenly spaced, of each binary form. Raises ValueError as `needle` does. The patterns are copies
    of the secret in ordinary memory: call it in the attacking process only, never in the one that holds the secret.
    """
    raw = needle("raw", secret).pattern
    words = {"raw": raw, "reversed": raw[::-1], "4-byte words swapped": _swapped(raw, 4)}
    words["8-byte words swapped"] = _swapped(raw, 8)
    texts = {"hex": raw.hex().encode(), "upper-case hex": raw.hex().upper().encode()}
    texts |= {f"base64 after {lead} bytes" if lead else "base64": _base64(raw, lead) for lead in range(3)}
    names: dict[bytes, str] = {}
    for form, pattern in (words | texts).items():
        names.setdefault(pattern, form)
    found = {pattern: Needle(form, pattern) for pattern, form in names.items()}
    if len(raw) == FRAGMENT:
        return tuple(found.values())
    parts: dict[bytes, Needle] = {}
    for form, whole in words.items():
        for pattern, name, at in _fragments(form, whole):
            known = parts.get(pattern, Needle(name, pattern))
            if not _is_regular(pattern):
                parts[pattern] = Needle(known.form, pattern, (*known.within, (whole, at)))
    return (*found.values(), *parts.values())
