"""The documentation builds without a warning, and every public module has a page."""

from __future__ import annotations

import importlib.util
import os
import pkgutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import securemem
from tests.support import ROOT

if TYPE_CHECKING:
    from pathlib import Path

needs_sphinx = pytest.mark.skipif(
    importlib.util.find_spec("sphinx") is None, reason="the extra `docs` is not installed"
)
# Shown by their packages, not for users, or not modules to read about.
INSIDE = ("keystore.", "scanning.", "process.", "testing", "cli", "storage", "version", "crypto_heap")
INSIDE = tuple(f"securemem.{name}" for name in INSIDE)
API = ROOT / "docs" / "reference" / "api"


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """Build a folder of pages as scripts/docs does."""
    words = [sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going", "-b", "html"]
    environment = {**os.environ, "PYTHONWARNINGS": "default"}
    command = [*words, str(source), str(target)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@needs_sphinx
def test_the_site_builds_without_a_warning(tmp_path):
    """No broken link, no page outside the tables of contents, no docstring that cannot be shown."""
    done = build(ROOT / "docs", tmp_path / "site")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "index.html").exists()
    assert "SecureBytes" in (tmp_path / "site/reference/api/secure_bytes.html").read_text()


@needs_sphinx
def test_a_broken_link_is_found(tmp_path):
    """Positive control: a page with a link to nowhere does not build."""
    pages = tmp_path / "pages"
    pages.mkdir()
    (pages / "conf.py").write_text("extensions = ['myst_parser']\n")
    (pages / "index.md").write_text("# Title\n\n[nowhere](nowhere.md)\n")
    assert build(pages, tmp_path / "site").returncode != 0


def test_every_public_module_has_a_page():
    """The modules named in the pages are those that are public; one more or less is an oversight."""
    lines = [line for page in API.glob("*.md") for line in page.read_text().splitlines()]
    paged = {line.split()[-1] for line in lines if "automodule" in line}
    names = {found.name for found in pkgutil.walk_packages(securemem.__path__, "securemem.")}
    public = {name for name in names if not any(part.startswith("_") for part in name.split("."))}
    unpaged = {name for name in public - paged if not name.startswith(INSIDE)}
    assert not unpaged
    assert paged <= public
