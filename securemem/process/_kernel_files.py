"""Reads the kernel's small text files; what is missing, forbidden or not understood is None, never an exception.

Every function takes the root that the path lies under, so that a tree of files stands in for a machine.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")


def text(root: Path, path: str) -> str | None:
    """The whole file, without the white space at its ends."""
    try:
        return (root / path.lstrip("/")).read_bytes().decode(errors="replace").strip()
    except OSError:  # absent in this kernel, hidden in this container, or not for this user
        return None


def number(root: Path, path: str) -> int | None:
    """The file's one integer."""
    content = text(root, path)
    try:
        return None if content is None else int(content)
    except ValueError:
        return None


def chosen(root: Path, path: str) -> str | None:
    """The word in brackets, as in `always [madvise] never`."""
    content = text(root, path)
    words = [] if content is None else [word[1:-1] for word in content.split() if word[:1] + word[-1:] == "[]"]
    return words[0] if words else None


def fields(root: Path, path: str) -> dict[str, str]:
    """Lines of the form `Name: value`, as in /proc/PID/status; empty where there is no file."""
    lines = (text(root, path) or "").splitlines()
    return {name: value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}


def lines(root: Path, path: str) -> list[str] | None:
    """The file's lines."""
    content = text(root, path)
    return None if content is None else content.splitlines()
