"""`securemem evidence`: it finds what is there, says what it may, and writes a page that stands alone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time

import pytest

from securemem.cli._evidence import judge
from securemem.cli._evidence_attacks import ATTACKS, WAYS, Cell
from securemem.cli._evidence_page import html_page
from tests.support.programs import environment

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "firefox-esr"))), None)
CLEAN = {way: dict.fromkeys(ATTACKS, Cell()) for way in WAYS}
LEAKS = CLEAN | {"bytes": dict.fromkeys(ATTACKS, Cell(3))}


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    """One run: its status, its JSON, its HTML, and how long it took."""
    folder = tmp_path_factory.mktemp("evidence")
    page = folder / "page.html"
    command = [sys.executable, "-m", "securemem", "evidence", "--json", "--html", str(page)]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False, cwd=folder)
    return done, json.loads(done.stdout), page, time.monotonic() - started


def test_no_copy_where_none_is_promised(evidence):
    """Status 0, within three minutes; the controls, bytes and bytearray, are found in every attack that was tried."""
    done, said, _, seconds = evidence
    assert done.returncode == 0, done.stdout + done.stderr
    assert seconds < 180
    for way in ("bytes", "bytearray"):
        for name in ("held", "used", "child"):
            assert said["found"][way][name]["unlocked"] >= 1
    for way in ("mlock", "crypto-heap"):
        assert said["found"][way]["held"] == {"unlocked": 0, "locked": 1, "why": ""}
        assert said["found"][way]["used"]["unlocked"] == 0
        assert said["found"][way]["released"] == {"unlocked": 0, "locked": 0, "why": ""}


def test_the_page_stands_alone(evidence):
    """No script, nothing loaded from anywhere, every way and attack, and the verdict."""
    page = evidence[2].read_text(encoding="utf-8")
    assert "<script" not in page
    assert not re.search(r"(src|href|url|@import)\s*[=(]", page)
    for text in (*WAYS.values(), *(label for label, _ in ATTACKS.values()), evidence[1]["verdict"]):
        assert text.replace("'", "&#x27;") in page
    assert page.count("<svg") == 1
    assert "#c0362c" in page.partition("<svg")[2]  # the control's copies are drawn


@pytest.mark.skipif(BROWSER is None or "firefox" in BROWSER, reason="chromium is not installed")
def test_a_browser_shows_the_page(evidence, tmp_path):
    """The verdict is in the document, the table has its cells, and the page is a picture, not an empty one."""
    picture = tmp_path / "page.png"
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    url = evidence[2].as_uri()
    dumped = subprocess.run([BROWSER, *options, "--dump-dom", url], capture_output=True, check=True, timeout=120)
    assert evidence[1]["verdict"].encode() in dumped.stdout
    assert dumped.stdout.count(b"<td class=") == len(WAYS) * len(ATTACKS)
    shot = [BROWSER, *options, "--window-size=1200,1600", f"--screenshot={picture}", url]
    subprocess.run(shot, capture_output=True, check=True, timeout=120)
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size > 20_000  # an empty page of this size is smaller


@pytest.mark.parametrize(
    ("way", "attack", "cell", "status"),
    [
        ("mlock", "used", Cell(1), 1),
        ("mlock", "released", Cell(0, 1), 1),
        ("memfd_secret", "gcore", Cell(1), 1),
        ("crypto-heap", "child", Cell(1), 1),
        ("mlock", "core", Cell(2), 1),
        ("mlock", "gcore", Cell(1), 0),
        ("mlock", "held", Cell(0, 1), 0),
        ("crypto-heap", "child", Cell(0, 28), 0),
        ("run", "released", Cell(5), 0),
        ("mlock", "core", Cell(why="not here"), 0),
    ],
)
def test_verdict(way, attack, cell, status):
    """One copy where none is promised fails; what SECURITY.md states, and what was not tried, does not."""
    found = LEAKS | {way: LEAKS[way] | {attack: cell}}
    got, words = judge(found)
    assert got == status
    assert ("FAILED" in words) == (status == 1)
    assert status == 0 or WAYS[way] in words


def test_a_scan_that_finds_nothing_at_all_proves_nothing():
    """Where the control is not found, or nothing could be attacked, there is no verdict: status 2."""
    assert judge(CLEAN)[0] == 2
    refused = LEAKS | {"bytes": dict.fromkeys(ATTACKS, Cell(why="the kernel refuses it"))}
    assert judge(refused) == (2, "nothing could be attacked: the kernel refuses it")


def test_what_was_not_tried_is_said_in_the_page():
    """A cell without figures has its reason, escaped."""
    found = LEAKS | {"pynacl": dict.fromkeys(ATTACKS, Cell(why="<none> installed"))}
    page = html_page(found, {"Linux": "6"}, "verdict", {"PyNaCl": "<none> installed"})
    assert page.count("not tried: &lt;none&gt; installed") >= len(ATTACKS)
    assert "<none>" not in page
