"""A program at a terminal of its own: what is typed, what is shown, and how the terminal is set."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import termios
import time
from typing import TYPE_CHECKING

import pytest

from tests.support import programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 20.0
LOCAL_MODES = 3  # of tcgetattr's list


class Terminal:
    """A pseudo-terminal, and a program whose controlling terminal it is; its standard output is a pipe."""

    def __init__(self, source: str, *arguments: str, ahead: bytes = b"") -> None:
        self.master, self._slave = pty.openpty()
        self.before = self.settings()
        self.shown = b""
        if ahead:
            self.type(ahead)

        def take_terminal() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            # As at a login: where the tests run under nohup or cron, these are ignored, and children inherit that.
            for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)

        self.process = programs.start(
            source, *arguments, stdin=self._slave, stderr=self._slave, start_new_session=True, preexec_fn=take_terminal
        )

    def settings(self) -> list[object]:
        """How the terminal is set."""
        return termios.tcgetattr(self.master)

    @property
    def echoes(self) -> bool:
        """Whether what is typed is shown."""
        return bool(termios.tcgetattr(self.master)[LOCAL_MODES] & termios.ECHO)

    def wait_until(self, what: Callable[[], object], why: str) -> None:
        """Wait until something is so, and read what is shown meanwhile."""
        end = time.monotonic() + PATIENCE
        while not what():
            self._look(0.005)
            if time.monotonic() > end:
                self.process.kill()
                raise AssertionError(f"{why} did not come: {self.shown!r} {self.process.communicate()}")

    def _look(self, seconds: float) -> None:
        if select.select([self.master], [], [], seconds)[0]:
            with contextlib.suppress(OSError):  # EIO: nobody has the other side open
                self.shown += os.read(self.master, 65536)

    def wait_for_prompt(self, text: bytes = b"? ", count: int = 1) -> None:
        """Wait until it asks, for the count-th time, and does not echo."""
        self.wait_until(lambda: self.shown.count(text) >= count and not self.echoes, "the prompt")

    def type(self, data: bytes) -> None:
        """Type, as fast as the terminal takes it."""
        os.set_blocking(self.master, False)
        end = time.monotonic() + PATIENCE
        while data and time.monotonic() < end:
            with contextlib.suppress(BlockingIOError):
                data = data[os.write(self.master, data[:512]) :]
            if data:
                self._look(0.001)
        os.set_blocking(self.master, True)
        assert not data

    def end(self) -> tuple[int, str]:
        """Wait until the program ends; its status and output."""
        out, _ = self.process.communicate(timeout=PATIENCE)
        self._look(0)
        return self.process.returncode, out

    def hang_up(self) -> None:
        """Close the terminal, as a line that breaks does."""
        os.close(self.master)
        self.master = -1
        os.close(self._slave)
        self._slave = -1

    def close(self) -> None:
        """End the program, whatever it does, and the terminal."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.communicate()
        if self.process.stdout is not None:
            self.process.stdout.close()
        for file in (self.master, self._slave):
            if file >= 0:
                os.close(file)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    """Start programs at terminals; end them after the test."""
    started: list[Terminal] = []

    def start(source: str, *arguments: str, ahead: bytes = b"") -> Terminal:
        started.append(Terminal(source, *arguments, ahead=ahead))
        return started[-1]

    yield start
    for one in started:
        one.close()
