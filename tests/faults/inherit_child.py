"""A process whose securemem runs over the faulty platform: forks with inherited secrets, under every planned failure.

    python -m tests.faults.inherit_child SHARED_OBJECT [LOCK_LIMIT]

prints a line per failure that fired in a fork: verb, call, how, where it fired, how many secrets were lost.
With a limit in bytes the process becomes an ordinary user's first, so that the child cannot lock all of them.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback

from tests.support.faulty_core import FOREVER, end_plan, fired, plan

# isort: split
# The module over the faulty platform is loaded: securemem takes it from here on.
from securemem import Arena, ForkedError, SecureBytes, statistics
from securemem._memory_map import mappings
from tests.faults.faulty_child import address_of
from tests.support.estate import raised, read
from tests.support.ordinary_user import become

VERBS = (
    "include_in_fork",
    "exclude_from_fork",
    "exclude_from_dumps",
    "exclude_from_merging",
    "exclude_from_huge_pages",
    "protect",
    "lock_on_fault",
    "unshare",
    "reserve_over",
    "reserve_at",
    "unmap",
)
HOW = ((1, False), (FOREVER, False), (1, True))
PARTIAL = ("include_in_fork", "exclude_from_fork", "lock_on_fault")  # may take effect, and fail all the same
SIZES = (32, 4000, 70_000)


class Inherited:
    """Secrets of both policies, and where they lie."""

    def __init__(self) -> None:
        """Make them."""
        arenas = [Arena(fork="inherit", at_rest=at_rest) for at_rest in ("noaccess", "readwrite")]
        self.contents = [os.urandom(size) for _ in arenas for size in SIZES]
        made = iter(self.contents)
        self.secrets = [SecureBytes.copy_of(next(made), arena=arena) for arena in arenas for _ in SIZES]
        self.addresses = [address_of(secret) for secret in self.secrets]

    def check_parent(self) -> None:
        """In the parent all are whole, and kept from the next child."""
        assert statistics().lost_secrets == 0
        for secret, content in zip(self.secrets, self.contents, strict=True):
            assert read(secret) == content
            found = secret.protection
            assert found.locked, found
            assert found.dump_excluded, found
            assert found.fork_excluded, found

    def check_child(self) -> int:
        """In the child each is whole and locked, or lost, and then not in its memory; the number of those lost."""
        lost = 0
        here = list(mappings())
        for secret, content, address in zip(self.secrets, self.contents, self.addresses, strict=True):
            found = raised(read, secret)
            if found is None:
                assert read(secret) == content
                assert secret.protection.locked, secret.protection
                assert secret.protection.dump_excluded, secret.protection
                assert secret.protection.fork_excluded, secret.protection
            else:
                assert found is ForkedError, found
                lost += 1
                over = [one for one in here if one.start <= address < one.end]
                assert all(one.sizes["Rss"] == 0 and not one.accessible for one in over), over
        held = statistics()
        assert held.lost_secrets == lost, (held, lost)
        assert held.live_secrets == len(self.secrets) - lost, held
        assert held.page_bytes == held.locked_bytes, held
        assert held.stuck_pages == held.pending_wipes == held.open_windows == 0, held
        return lost


def attempt(estate: Inherited, verb: str, first: int, count: int, after: bool) -> tuple[int, int, int]:
    """A fork under one plan: how often it fired in the parent and in the child, and how many secrets were lost."""
    error = errno.EAGAIN if verb == "unshare" else errno.ENOMEM
    reading, writing = os.pipe()
    plan(verb, first, count, error, after=after)
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        try:
            times = end_plan()
            lost = estate.check_child()
            own = SecureBytes.copy_of(b"the child's", arena=Arena(fork="inherit"))
            assert read(own) == b"the child's"
        except BaseException:  # noqa: BLE001 - the parent hears of it
            traceback.print_exc()
            os._exit(1)
        os.write(writing, f"{times} {lost}".encode())
        os._exit(0)
    in_parent = fired()
    end_plan()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read().split()
    assert os.waitpid(pid, 0)[1] == 0, (verb, first, count, after)
    estate.check_parent()
    return in_parent, int(said[0]), int(said[1])


def main() -> None:
    """Every verb at every call, once, from there on, and with effect all the same."""
    estate = Inherited()
    if len(sys.argv) > 2:
        become(int(sys.argv[2]))
    assert attempt(estate, VERBS[0], FOREVER, 1, after=False)[:2] == (0, 0)
    for verb in VERBS:
        for count, after in HOW if verb in PARTIAL else HOW[:2]:
            first = 1
            while True:
                in_parent, in_child, lost = attempt(estate, verb, first, count, after)
                if not in_parent and not in_child:
                    break
                how = "after" if after else "once" if count == 1 else "forever"
                print(verb, first, how, in_parent, in_child, lost)
                first += 1


if __name__ == "__main__":
    main()
