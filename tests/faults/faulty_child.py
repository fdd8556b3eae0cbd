"""A process whose securemem runs over the faulty platform: every operation, under every planned failure.

    python -m tests.faults.faulty_child SHARED_OBJECT AT_REST LOCK BACKEND SIZE

prints a line per failure that fired: operation, verb, call, how many calls failed, what the operation answered.
Ends with a traceback and status 1 where something was leaked, left half done, or lost.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import gc
import os
import sys
import warnings
from pathlib import Path

from tests.support.faulty_core import FOREVER, VERBS, end_plan, fired, plan

# isort: split
# The module over the faulty platform is loaded: securemem takes it from here on.
import securemem
from securemem import Arena, SecureBytes, SecureMemError

ADVICE = ("exclude_from_dumps", "exclude_from_fork", "exclude_from_merging", "exclude_from_huge_pages")
ERRORS = {
    "lock_on_fault": (errno.ENOMEM, errno.EPERM, errno.EAGAIN),
    "populate": (errno.EAGAIN, errno.EIO),
    "touch": (errno.ENOMEM, errno.EFAULT),
    "protect": (errno.ENOMEM, errno.EACCES),
    "map_secret": (errno.ENOMEM, errno.EAGAIN),
    "secret_file": (errno.ENOSYS, errno.EMFILE),
    **dict.fromkeys(ADVICE, (errno.ENOMEM, errno.EINVAL)),
}
# How many calls fail, and whether they take effect all the same: as a failed mlock does in part, and close always.
HOW = {"lock_on_fault": [(1, False), (FOREVER, False), (1, True)], "close": [(1, True), (FOREVER, True)]}
SIZES = {"small": 32, "growing": 32, "large": 20_000, "long": 150_000}
# Secrets that fill the first runs, of one and two pages, so that the next one asks for a run of four.
FILLING = 3 * (4096 // 40)


def pattern(size: int) -> bytes:
    """Bytes to know a secret by."""
    return bytes(range(1, 252)) * (size // 251) + bytes(range(1, size % 251 + 1))


def held() -> tuple[int, int, int]:
    """Bytes of inaccessible mappings (every run has guards, so a lost run shows) and of locked memory; open files."""
    closed = 0
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, permissions = line.split()[:2]
        start, end = addresses.split("-")
        closed += (int(end, 16) - int(start, 16)) * permissions.startswith("---")
    status = Path("/proc/self/status").read_text()
    return closed, int(status.partition("VmLck:")[2].split()[0]) * 1024, len(list(Path("/proc/self/fd").iterdir()))


def closed_at(address: int) -> bool:
    """Whether the kernel gives no access to a page."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, end = (int(one, 16) for one in line.split()[0].split("-"))
        if start <= address < end:
            return line.split()[1].startswith("---")
    raise AssertionError("a live secret is not mapped")


def address_of(secret: SecureBytes) -> int:
    """Where a secret's bytes lie."""
    with secret.reveal(writable=True) as view:
        return ctypes.addressof(ctypes.c_char.from_buffer(view))


def memory(address: int, size: int) -> bytes:
    """What lies there, whatever the page protection; zeroes where nothing is mapped any more."""
    with Path("/proc/self/mem").open("rb", 0) as file:
        try:
            return os.pread(file.fileno(), size, address)
        except OSError:
            return bytes(size)


def is_frozen(secret: SecureBytes) -> bool:
    """Whether no writable view can be opened."""
    try:
        with secret.reveal(writable=True):
            return False
    except securemem.exceptions.FrozenError:
        return True


class Case:
    """An arena with two secrets, and what the operations use of it."""

    def __init__(self, at_rest: str, lock: str, backend: str, kind: str) -> None:
        """Make the secrets, and fill the runs where growth is asked for."""
        self.size = SIZES[kind]
        self.policies = {"at_rest": at_rest, "lock": lock, "backend": backend}
        self.arena = Arena(**self.policies)
        self.filling = [SecureBytes.zeros(32, arena=self.arena) for _ in range(FILLING - 3 if kind == "growing" else 0)]
        self.secret = SecureBytes.copy_of(pattern(self.size), arena=self.arena)
        self.sibling = SecureBytes.copy_of(pattern(self.size), arena=self.arena)
        self.frozen = SecureBytes.copy_of(pattern(self.size), arena=self.arena)
        self.frozen.freeze()
        self.address = address_of(self.secret)
        self.source = bytearray(pattern(self.size))
        self.made = None
        self.may_lose = False  # the operation wipes the siblings


def zeros(case: Case) -> None:
    """SecureBytes.zeros."""
    case.made = SecureBytes.zeros(case.size, arena=case.arena)


def random(case: Case) -> None:
    """SecureBytes.random."""
    case.made = SecureBytes.random(case.size, arena=case.arena)


def take(case: Case) -> None:
    """SecureBytes.take, whose source is wiped only when its bytes have arrived."""
    try:
        case.made = SecureBytes.take(case.source, arena=case.arena)
    finally:
        taken = case.made is not None
        assert case.source == (bytes(case.size) if taken else pattern(case.size)), "take() and its source disagree"


def copy_of(case: Case) -> None:
    """SecureBytes.copy_of."""
    case.made = SecureBytes.copy_of(bytes(case.source), arena=case.arena)


def slicing(case: Case) -> None:
    """A slice."""
    case.made = case.secret[: case.size]


def equal_secret(case: Case) -> None:
    """== with another secret."""
    assert case.secret == case.sibling


def equal_bytes(case: Case) -> None:
    """== with bytes."""
    assert case.secret == bytes(case.source)


def exporting(case: Case) -> None:
    """A memoryview over the secret."""
    with memoryview(case.secret) as view:
        assert view == case.source


def reveal_to_read(case: Case) -> None:
    """The secret is revealed to read."""
    with case.secret.reveal() as view:
        assert view == case.source


def reveal_to_write(case: Case) -> None:
    """reveal(writable=True)."""
    with case.secret.reveal(writable=True) as view:
        view[0] = case.source[0]


def freeze(case: Case) -> None:
    """The secret is frozen."""
    case.secret.freeze()


def wipe(case: Case) -> None:
    """The secret is wiped."""
    case.secret.wipe()


def wipe_frozen(case: Case) -> None:
    """wipe() of a frozen secret."""
    case.frozen.wipe()


def wipe_while_viewed(case: Case) -> None:
    """wipe() under a view, and the release of the view."""
    view = memoryview(case.secret)
    try:
        case.secret.wipe()
    except securemem.ExportedError:
        view.release()
    else:
        raise AssertionError("wiped under a view")


def delete(case: Case) -> None:
    """The last reference goes."""
    case.secret = None


def with_statement(case: Case) -> None:
    """A with statement, whose end wipes."""
    with case.secret as secret:
        assert len(secret) == case.size


def arena_create(case: Case) -> None:
    """A new arena."""
    case.made = Arena(**case.policies)


def arena_close(case: Case) -> None:
    """Arena.close()."""
    case.may_lose = True
    case.arena.close()


def arena_drop(case: Case) -> None:
    """The last references to an arena and its secrets go."""
    case.may_lose = True
    case.secret = case.sibling = case.frozen = case.arena = None
    case.filling.clear()


def purge(case: Case) -> None:
    """Everything is wiped."""
    case.may_lose = True
    securemem.purge()


def statistics(case: Case) -> None:
    """Arena.statistics()."""
    assert case.arena.statistics().live_secrets >= 3


def fits(case: Case) -> None:
    """Arena.fits()."""
    assert case.arena.fits(case.size) >= 0


def protection(case: Case) -> None:
    """SecureBytes.protection."""
    assert case.secret.protection.dump_excluded


def forking(case: Case) -> None:
    """A fork; the child uses what it must not have, and makes a secret of its own."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = in_child(case)
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in {0, 10}, f"the forked child ended with {status}"
    case.fired_in_child = status == 10


def in_child(case: Case) -> int:
    """What a forked child does: its exit status, 10 where the plan fired."""
    for use in (reveal_to_read, equal_bytes, wipe, slicing):
        try:
            use(case)
        except securemem.ForkedError:
            continue
        return 1
    with contextlib.suppress(SecureMemError):  # the plan may reach the child's own secret
        assert SecureBytes.copy_of(b"a secret of the child") == b"a secret of the child"
    return 10 if end_plan() else 0


OPERATIONS = [
    zeros, random, take, copy_of, slicing, equal_secret, equal_bytes, exporting, reveal_to_read, reveal_to_write,
    freeze, wipe, wipe_frozen, wipe_while_viewed, delete, with_statement, arena_create, arena_close, arena_drop, purge,
    statistics, fits, protection, forking,
]  # fmt: skip
WIPING = {"wipe", "wipe_while_viewed", "delete", "with_statement", "arena_close", "arena_drop", "purge"}
GROWING = {"zeros", "random", "take", "copy_of", "slicing", "arena_drop", "purge"}


def attempt(operation, case: Case) -> str:
    """Run an operation; the error's name, or "done", with a plus for each LockWarning."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", securemem.LockWarning)
        try:
            operation(case)
        except SecureMemError as error:
            return type(error).__name__ if str(error) else "an error without a message"
    return "done" + "+" * len(seen)


def check_after(case: Case, operation: str, earlier: list[SecureBytes], *, refused: bool) -> None:
    """What must hold whatever failed, once the platform works again."""
    now = securemem.statistics()
    assert now.stuck_pages == now.pending_wipes == now.open_windows == 0, now
    assert held()[1] == now.locked_bytes, f"half locked: {held()[1]} of {now.locked_bytes} bytes"
    expected = pattern(SIZES["large"])
    if operation != "purge":
        assert all(secret == expected[: len(secret)] for secret in earlier), "an earlier secret changed"
    if case.policies["at_rest"] == "noaccess" and case.secret is not None and not case.secret.wiped:
        assert closed_at(case.address), "a page was left open"
    if not case.may_lose:
        assert case.sibling == pattern(case.size), "the neighbour changed"
    if case.secret is None or case.secret.wiped:
        assert operation in WIPING, "wiped, and nobody asked for it"
        assert not any(memory(case.address, case.size)), "bytes of a wiped secret remain"
    else:
        assert operation not in WIPING or refused, "neither wiped nor to be wiped"
        assert case.secret == pattern(case.size), "the secret changed"
        frozen = operation == "freeze" and not refused
        assert is_frozen(case.secret) == frozen, "frozen and refused, or neither"
    if operation in {"take", "copy_of", "slicing"} and case.made is not None:
        assert case.made == pattern(case.size), "the new secret holds other bytes"
    if operation == "zeros" and case.made is not None:
        assert case.made == bytes(case.size), "the new secret is not zero"
    if operation not in {"arena_close", "arena_drop"}:
        warnings.simplefilter("ignore", securemem.LockWarning)  # of an arena that went without its lock, again
        assert len(SecureBytes.random(case.size, arena=case.arena)) == case.size, "nothing can be made any more"


def make_earlier() -> list[SecureBytes]:
    """Secrets that no later failure may touch."""
    expected = pattern(SIZES["large"])
    arenas = [Arena(), Arena(at_rest="readwrite")]
    made = [SecureBytes.copy_of(expected[:n], arena=arena) for arena in arenas for n in (16, 32, 4000, 20_000)]
    made[0].freeze()
    made[5].freeze()
    return made


def every(at_rest: str, lock: str, backend: str, kind: str) -> None:
    """Every verb at every call index, once and from there on, in every operation."""
    earlier = make_earlier()
    for operation in OPERATIONS:
        name = operation.__name__
        if kind == "growing" and name not in GROWING:
            continue
        for verb in VERBS:
            for error in ERRORS.get(verb, [errno.ENOMEM]):
                for count, after in HOW.get(verb, [(1, False), (FOREVER, False)]):
                    first = 1
                    while one(operation, (at_rest, lock, backend, kind), earlier, (verb, first, count, error, after)):
                        first += 1
                        if name == "purge":
                            earlier = make_earlier()


def one(operation, kind: tuple[str, str, str, str], earlier: list[SecureBytes], planned: tuple) -> bool:
    """One operation under one plan, with all checks; whether the plan fired."""
    verb, first, count, error, after = planned
    name = operation.__name__
    gc.collect(0)
    before = held(), securemem.statistics()
    case = Case(*kind)
    case.fired_in_child = False
    plan(verb, first, count, error, after=after)
    try:
        answer = attempt(operation, case)
        failed = fired() > 0 or case.fired_in_child
        during = securemem.statistics() if count == FOREVER else None
        end_plan()
        now = securemem.statistics()
        deferred = now.failed_closes - before[1].failed_closes
        check_after(case, name, earlier, refused=answer.endswith("Error"))
        case.__dict__.clear()
        now = securemem.statistics()
        if name == "purge":
            earlier.clear()
        else:
            assert held() == before[0], f"leaked: {before[0]} before, {held()} after"
            assert (now.live_secrets, now.runs, now.page_bytes) == (
                before[1].live_secrets,
                before[1].runs,
                before[1].page_bytes,
            ), f"leaked: {before[1]} before, {now} after"
    except BaseException:
        print(f"in {name}, {kind}, {planned}:", file=sys.stderr)
        raise
    if failed:
        seen = during is not None and (during.stuck_pages + during.pending_wipes > 0)
        print(name, verb, first, "once" if count == 1 else "forever", answer, deferred, int(seen))
    return failed


if __name__ == "__main__":
    every(*sys.argv[2:])
