"""The password manager of the examples, driven at a terminal as a person does, and read from its screen."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time

import pytest

from securemem import KeyStore
from tests.support import ROOT, programs
from tests.support.stores import passphrase

pytest.importorskip("textual", reason="textual is not installed")
pyte = pytest.importorskip("pyte", reason="pyte is not installed")

PATIENCE = 60
PHRASE = b"Correct Horse 7"
COLUMNS, LINES = 90, 24


class Screen:
    """The program at a terminal of its own, and what it shows."""

    def __init__(self, *arguments):
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (LINES, COLUMNS))
        self.screen = pyte.Screen(COLUMNS, LINES)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import os, sys, fcntl, termios, runpy\n"
                "fcntl.ioctl(0, termios.TIOCSCTTY, 0)\nsys.argv = sys.argv[1:]\n"
                "runpy.run_path(sys.argv[0], run_name='__main__')",
                *map(str, arguments),
            ],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env=programs.environment({"TERM": "xterm-256color", "TEXTUAL_ANIMATIONS": "none"}),
        )
        os.close(slave)

    @property
    def text(self):
        """What is on it now."""
        return "\n".join(self.screen.display)

    def wait_for(self, *texts, gone=()):
        """Until all of these are on it, and none of those."""
        self.wait_until(lambda: all(one in self.text for one in texts) and not any(one in self.text for one in gone))

    def wait_for_prompt(self, text, count=1):
        """Until it asks, for the count-th time, and does not echo."""
        self.wait_until(lambda: self.raw.count(text) >= count and not termios.tcgetattr(self.master)[3] & termios.ECHO)

    def wait_until(self, what):
        """Until something is so; what is written meanwhile is shown."""
        end = time.monotonic() + PATIENCE
        while not what():
            if select.select([self.master], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):  # EIO: it has ended
                    data = os.read(self.master, 65536)
                    self.raw += data
                    self.stream.feed(re.sub(rb"\x1b\[[?>=<][0-9;]*[um]", b"", data))  # pyte does not know these
            assert time.monotonic() < end, self.text

    def type(self, data):
        """Keys."""
        os.write(self.master, data)

    def close(self):
        """End it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def store(tmp_path):
    """A store with two entries."""
    tmp_path.chmod(0o700)
    with KeyStore.create(tmp_path / "store", passphrase(PHRASE)) as made:
        made.put("bank", bytearray(b"money password"), keep=5)
        made.set_details("bank", labels=["finance"], url="https://bank.example")
        made.put("mail", bytearray(b"letter password"))
    return tmp_path / "store"


@pytest.fixture
def start():
    """Starts it; ends it after the test."""
    started = []

    def begin(*arguments):
        started.append(Screen(ROOT / "examples" / "password_manager.py", *arguments))
        return started[-1]

    yield begin
    for one in started:
        one.close()


def test_a_person_uses_it(store, start):
    """Unlock, search, show and hide, generate, edit, lock, a wrong passphrase, unlock, and leave."""
    screen = start(store, "--idle", "600")
    screen.wait_for_prompt(b"Passphrase of")
    screen.type(PHRASE + b"\n")
    screen.wait_for("bank", "mail", "locks in 9:", "https://bank.example", "••••", gone=["money password"])
    screen.type(b"FINANCE")
    screen.wait_for("bank", gone=["mail"])
    screen.type(b"\x12")
    screen.wait_for("money password")
    screen.type(b"\x12")
    screen.wait_for("••••", gone=["money password"])
    screen.type(b"\x0e")
    screen.wait_for("Name of the new entry")
    screen.type(b"aaa\r")
    screen.wait_for("aaa", "mail", gone=["Name of the new entry"])
    screen.type(b"\x14")
    screen.wait_for_prompt(b"New password of aaa")
    screen.type(b"typed by hand\n")
    screen.wait_for_prompt(b"Again")
    screen.type(b"typed by hand\n")
    screen.wait_for("1 former passwords")
    screen.type(b"\x0c")
    screen.wait_for("Ctrl+L unlocks", "locked", gone=["bank.example", "mail"])
    screen.type(b"\x0c")
    screen.wait_for_prompt(b"Passphrase of", 2)
    screen.type(b"wrong\n")
    screen.wait_for("passphrase is wrong")
    screen.type(b"\x0c")
    screen.wait_for_prompt(b"Passphrase of", 3)
    screen.type(PHRASE + b"\n")
    screen.wait_for("aaa", "mail", "locks in")
    screen.type(b"\x11")
    assert screen.process.wait(PATIENCE) == 0
    assert PHRASE not in screen.raw
    assert b"typed by hand" not in screen.raw
    with KeyStore.open(store, passphrase(PHRASE)) as made:
        assert sorted(made) == ["aaa", "bank", "mail"]
        with made.get("aaa") as secret:
            assert secret == b"typed by hand"
        with made.get("aaa", former=1) as secret:
            assert len(secret) == 24


def test_it_locks_itself(store, start):
    """The time that is left is shown, and nothing is when it is over; a key lets it begin anew."""
    screen = start(store, "--idle", "4")
    screen.wait_for_prompt(b"Passphrase of")
    screen.type(PHRASE + b"\n")
    screen.wait_for("Ctrl+L unlocks", "locked", gone=["bank.example"])
    assert re.search(rb"locks in 0:0[0-4]", screen.raw)
    assert b"https://bank.example" in screen.raw


def test_the_picture_is_drawn(tmp_path):
    """scripts/screenshot shows names, and no password; nothing in it is fetched from elsewhere."""
    subprocess.run([sys.executable, ROOT / "scripts" / "screenshot", tmp_path], check=True, env=programs.environment())
    drawn = (tmp_path / "password-manager.svg").read_text()
    assert all(text in drawn for text in ("bank", "https://mail.example.org", "••••", "locks"))
    assert "url(http" not in drawn
