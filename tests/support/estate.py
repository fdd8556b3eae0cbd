"""What a parent leaves to a forked child: secrets of every kind, each use of which must raise ForkedError there.

Imported by the child programs of test_fork.py, so that all kinds of forks are held to the same list.
"""

from __future__ import annotations

import ctypes
import hashlib
import hmac
import os
import platform
import signal
import sys
import traceback
import warnings

from securemem import Arena, ForkedError, SecureBytes, SecureMemError, fits, purge, statistics
from securemem.exceptions import SecretTextWarning

SIZES = (1, 32, 4088, 70_000)


def read(secret):
    """A secret's bytes."""
    with secret.reveal() as view:
        return bytes(view)


def _enter(context):
    with context:
        pass


USES = {
    "len": len,
    "==": lambda secret: secret == b"x",
    "!=": lambda secret: secret != b"x",
    "== itself": lambda secret: secret == secret,  # noqa: PLR0124 - both sides are the parent's
    "slice": lambda secret: secret[:1],
    "memoryview": lambda secret: memoryview(secret).release(),
    "hash": hashlib.sha256,
    "hmac": lambda secret: hmac.digest(secret, b"message", "sha256"),
    "reveal": lambda secret: _enter(secret.reveal()),
    "reveal writable": lambda secret: _enter(secret.reveal(writable=True)),
    "copy_of": SecureBytes.copy_of,
    "protection": lambda secret: secret.protection,
    "wiped": lambda secret: secret.wiped,
    "freeze": lambda secret: secret.freeze(),
    "take": SecureBytes.take,
    "wipe": lambda secret: secret.wipe(),
    "with": _enter,
}
ARENA_USES = {
    "zeros": lambda arena: SecureBytes.zeros(8, arena=arena),
    "random": lambda arena: SecureBytes.random(8, arena=arena),
    "copy_of": lambda arena: SecureBytes.copy_of(b"8 bytes.", arena=arena),
    "take": lambda arena: SecureBytes.take(bytearray(b"8 bytes."), arena=arena),
    "large": lambda arena: SecureBytes.zeros(70_000, arena=arena),
    "statistics": lambda arena: arena.statistics(),
    "fits": lambda arena: arena.fits(32),
    "close": lambda arena: arena.close(),
    "with": _enter,
}
LEFT = "<SecureBytes: left in the parent process>"


def raised(use, argument):
    """The exception that a use raises, of securemem's; None."""
    try:
        use(argument)
    except SecureMemError as error:
        return type(error)
    return None


class Estate:
    """Arenas of both policies with secrets of all sizes: plain, frozen, viewed, doomed."""

    def __init__(self):
        self.arenas = [Arena(), Arena(at_rest="readwrite"), Arena(max_bytes=1 << 20)]
        self.secrets, self.contents = [], []
        for arena in [None, *self.arenas]:
            for size in SIZES:
                content = os.urandom(size)
                self.secrets.append(SecureBytes.copy_of(content, arena=arena))
                self.contents.append(content)
        self.secrets[0].freeze()
        self.viewed = SecureBytes.copy_of(b"viewed")
        self.view = memoryview(self.viewed)
        self.revealed = self.viewed.reveal()
        self.revealed.__enter__()
        self.doomed = SecureBytes.copy_of(b"doomed")
        self.doomed_view = memoryview(self.doomed)
        assert raised(USES["wipe"], self.doomed) is not None
        self.reserved = self._counts()

    @staticmethod
    def _counts():
        now = statistics()
        return now.live_secrets, now.live_bytes, now.open_windows, now.failed_closes, now.pending_wipes

    def check_intact(self):
        """In the parent: everything is as it was, and usable."""
        assert self._counts() == self.reserved
        assert [read(secret) for secret in self.secrets] == self.contents
        assert bytes(self.view) == b"viewed"
        for secret in self.secrets[:: len(SIZES)]:
            found = secret.protection
            assert found.locked, found
            assert found.dump_excluded, found
            assert found.fork_policy == "excluded", found
        for name, use in USES.items():  # the control: it is the fork that makes them raise
            secret = SecureBytes.random(8)
            assert raised(use, secret) is None, name
        for name, use in ARENA_USES.items():
            assert raised(use, Arena()) is None, name

    def check_refused(self):
        """In the child: every use of every object is refused, in one way."""
        for secret in [*self.secrets, self.viewed, self.doomed]:
            for name, use in USES.items():
                found = raised(use, secret)
                assert found is ForkedError, f"{name} of {len(self.secrets)}: {found}"
            assert raised(lambda mine: SecureBytes.random(8) == mine, secret) is ForkedError
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SecretTextWarning)
                assert repr(secret) == str(secret) == f"{secret}" == LEFT
        for arena in self.arenas:
            for name, use in ARENA_USES.items():
                found = raised(use, arena)
                assert found is ForkedError, f"{name} of {arena}: {found}"
        source = bytearray(b"to be kept")
        assert raised(lambda arena: SecureBytes.take(source, arena=arena), self.arenas[0]) is ForkedError
        assert source == b"to be kept"
        self.revealed.__exit__(None, None, None)  # nothing to close here, and nothing to say

    @staticmethod
    def check_own():
        """In the child: it makes secrets of its own, locked, in the default arena and in fresh ones."""
        assert fits(32) > 0
        mine = []
        for arena in (None, Arena(), Arena(at_rest="readwrite")):
            for size in SIZES:
                content = os.urandom(size)
                secret = SecureBytes.take(bytearray(content), arena=arena)
                assert read(secret) == content
                assert secret.protection.locked
                mine.append(secret)
        now = statistics()
        assert (now.live_secrets, now.live_bytes) == (len(mine), 3 * sum(SIZES)), now
        assert now.open_windows == 0, now
        assert purge() == 0
        assert all(secret.wiped for secret in mine)

    def check_child(self):
        """All that holds in a child."""
        self.check_refused()
        self.check_own()
        self.check_refused()


def raw_clone():
    """fork() by the system call alone: no handler of Python or the C library runs, in neither process."""
    number = {"x86_64": 56, "aarch64": 220}[platform.machine()]
    pid = ctypes.PyDLL(None).syscall(ctypes.c_long(number), signal.SIGCHLD, 0, 0, 0, 0)
    assert pid >= 0
    return pid


def child_of(check, fork=os.fork, deadline=30):
    """Fork, run the check in the child, which then ends as interpreters do; its exit code."""
    pid = fork()
    if pid == 0:
        signal.alarm(deadline)  # a mutex left locked shows as SIGALRM and not as a hang
        try:
            check()
        except SystemExit:  # a grandchild's end, on its way through this frame
            raise
        except BaseException:  # noqa: BLE001 - whatever it was, the parent learns of it
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
        sys.exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def check_in_process(estate=None):
    """For multiprocessing: its children import this by name."""
    signal.alarm(30)
    if estate is not None:
        estate.check_child()
    else:
        Estate.check_own()
