"""The crypto heap: the memory that cryptography itself allocates, locked into RAM and wiped when it is freed.

While an object of cryptography lives, its key lies in memory of cryptography's own. `enable()` makes its compiled
extension take that memory, and the bytes that it returns, from a heap of securemem::

    from securemem import crypto_heap

    crypto_heap.enable()
    with crypto_heap.secret_section():
        key = serialization.load_pem_private_key(pem, None)  # Python's own objects are in the heap too

The heap is for the whole process and stays once it is there. The documentation's page on it tells what
changes, what it costs, and what stays impossible.
"""

from __future__ import annotations

import errno
import importlib
import operator
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Literal

from securemem._binding import heap as binding
from securemem._frozen import Frozen
from securemem.exceptions import (
    CryptoHeapError,
    InvalidArgumentError,
    LockLimitError,
    LockWarning,
    SecureMemError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import SupportsIndex

    from securemem._types import Section

    Lock = Literal["require", "warn"]
    Scrub = Literal["calls", "sections"]
    Wanted = Literal["auto", "require", "off"]

__all__ = ["HeapStatus", "disable", "enable", "secret_section", "status"]

_MIB = 1 << 20
_SMALLEST_BUDGET = 64 << 10
_LARGEST_BUDGET = 512 * _MIB
# As docs/reference/crypto.md: the deepest use of the stack is 10.3 KiB.
_SCRUB_DEPTH = 16 << 10
_PATIENCE = 10  # seconds for another thread that turns it on
# Prepared ciphers that securemem keeps have a quarter of the budget, or what they take of it: up to 2.4 KiB each.
_KEPT = 10 << 10

# The objects that hold these functions, as these modules see them, and what their slots must include.
_OBJECTS = {
    "cryptography": (("cryptography.hazmat.bindings._rust", "PyInit__rust"),),
    "ssl": (("_ssl", "CRYPTO_malloc"), ("_hashlib", "CRYPTO_malloc"), ("_ssl", "SSL_CTX_new")),
}
_NEEDED = {
    "cryptography": {"malloc", "calloc", "realloc", "free", "PyBytes_FromStringAndSize"},
    "ssl": {"malloc", "free"},
}

_REASONS = {
    binding.NOT_LOADED: "the compiled module of {module} was replaced on disk after it was loaded, or is built in",
    binding.STATIC: "{module} is built in statically: no loaded object holds {symbol} for it",
    binding.FORMAT: "the tables of the object behind {module} are not understood",
    binding.MISSING: "the object behind {module} imports malloc's kin, but not {symbol}",
    binding.TAKEN: "other code has redirected {symbol} of {module} already, as memory profilers do",
    binding.LIBRARY: "{symbol} is not that of a C library that is known here (glibc, musl): another allocator is "
    "preloaded",
    binding.FULL: "{module} has more slots than there is room for",
}


class HeapStatus(Frozen, kw_only=True):
    """What the crypto heap holds at one moment. Sizes in bytes.

    enabled: it serves blocks. objects: whose memory it serves, in the order of their adding.
    slots: import slots redirected, by the name of the function, as (name, number).
    budget: how much may be locked. locked: how much is, now. locked_used: of that, in units that hold blocks.
    unlocked: bytes in use in the second tier, which is wiped and left out of dumps but may be swapped out.
    unlocked_peak: the most that this ever was. overflow: of those, bytes of blocks up to 1 MiB, which belong into
        locked memory and found no room there.
    live_blocks, live_bytes: blocks that are in use, and their sizes.
    python_bytes: of those, bytes of Python's objects.
    kept_ciphers: prepared ciphers that securemem keeps of keys in use; the one used longest ago goes first.
    sections_refused: Python's objects that sections did not take, since they may hold at most half the budget; ever.
    outside: blocks that the C library had to give, wiped when freed, but neither locked nor left out of dumps; ever.
    failures: what went wrong, in words; empty where nothing did.
    """

    enabled: bool
    objects: tuple[str, ...]
    slots: tuple[tuple[str, int], ...]
    budget: int
    locked: int
    locked_used: int
    unlocked: int
    unlocked_peak: int
    overflow: int
    live_blocks: int
    live_bytes: int
    python_bytes: int
    kept_ciphers: int
    sections_refused: int
    outside: int
    failures: tuple[str, ...]


class _State:
    """What was asked for; changed under the lock."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.objects: tuple[str, ...] = ()
        self.policy: Lock = "require"


_state = _State()


def _refuse(reason: str) -> CryptoHeapError:
    return CryptoHeapError(f"the crypto heap cannot be turned on: {reason}; nothing was changed")


def _check_process() -> None:
    """Refuse what would end in a crash: other code that replaces allocators, and Pythons without the GIL."""
    if sys.implementation.name != "cpython" or "t" in sys.abiflags:
        raise _refuse("it needs CPython with the GIL, since a free-threaded one walks through its own heaps")
    if any(name.partition(".")[0] == "memray" for name in sys.modules):
        raise _refuse("memray is in this process, and at its end would lead free() past the heap")
    tracemalloc = sys.modules.get("_tracemalloc") or importlib.import_module("_tracemalloc")
    if tracemalloc.is_tracing():
        raise _refuse("tracemalloc is tracing, and at its end would put back allocators that do not know the heap")


def _default_budget(limit: int | None) -> int:
    """A quarter of what may be locked, so that secrets have room, and 1 MiB at most."""
    quarter = _MIB if limit is None else limit // 4
    return max(_SMALLEST_BUDGET, min(_MIB, quarter // _SMALLEST_BUDGET * _SMALLEST_BUDGET))


def _checked_budget(budget: SupportsIndex | None, policy: str) -> int:
    limit = binding.lock_limit()
    if budget is None:
        known = binding.count()["budget"]
        return known or _default_budget(limit)
    size = operator.index(budget)
    if not 0 <= size <= _LARGEST_BUDGET:
        raise InvalidArgumentError(f"budget must be from 0 to {_LARGEST_BUDGET} bytes, not {size}")
    if policy == "require" and size < _SMALLEST_BUDGET:
        raise InvalidArgumentError(
            f'a budget of {size} bytes locks nothing: give at least {_SMALLEST_BUDGET}, or lock="warn"'
        )
    if policy == "require" and limit is not None and size > limit:
        raise LockLimitError(limit, binding.locked_by_process(), size)
    return size


def _checked_objects(objects: Iterable[str]) -> tuple[str, ...]:
    if isinstance(objects, str):
        raise InvalidArgumentError(f'objects must be a tuple of names, such as ("{objects}",)')
    names = tuple(dict.fromkeys(objects))
    if not names or not all(name in _OBJECTS for name in names):
        raise InvalidArgumentError(f"objects must be one or more of {', '.join(map(repr, _OBJECTS))}, not {names!r}")
    return names


def _path_of(name: str) -> str:
    """The file of a compiled module, which is imported first."""
    try:
        path = getattr(importlib.import_module(name), "__file__", None)
    except ImportError as error:
        raise _refuse(f"{name} cannot be imported") from error
    if not isinstance(path, str):
        raise _refuse(f"{name} is built into Python and has no file of its own")
    return path


def _plan(names: Iterable[str]) -> None:
    """Plan the slots of all objects; CryptoHeapError where one cannot be done."""
    for name in names:
        found: set[str] = set()
        for module, anchor in _OBJECTS[name]:
            answer, symbol = binding.plan(_path_of(module), anchor)
            if answer:
                raise _refuse(_REASONS[answer].format(module=module, symbol=symbol))
            found |= binding.found()
        if missing := _NEEDED[name] - found:
            raise _refuse(f"{name} has no import slot for {', '.join(sorted(missing))}")
    if not binding.prepare_python():
        raise _refuse("this Python does not export its allocators")


def _write() -> None:
    """Write what is planned; CryptoHeapError where the kernel does not let it be."""
    if binding.write_slots():
        call, error = binding.refusal()
        raise _refuse(f"the kernel does not let the slots be written ({call}: {errno.errorcode.get(error, error)})")


def _redirect(names: Iterable[str], policy: Lock) -> None:
    try:
        _plan(names)
        _lock_first(policy)
        _write()
    except BaseException:
        binding.forget_plan()
        raise
    binding.start_python()


def enable(
    *,
    objects: Iterable[str] = ("cryptography",),
    budget: SupportsIndex | None = None,
    lock: Lock = "require",
    scrub: Scrub = "calls",
) -> None:
    """Serve the memory of these objects from locked, wipe-on-free pages from now on, all of them or none.

    objects: "cryptography" (its compiled extension, OpenSSL included) and "ssl" (libssl and libcrypto as Python's ssl
        and hashlib use them). What they allocated before stays where it is, and is wiped when it is freed.
    budget: bytes that may be locked, up to 512 MiB; None: a quarter of RLIMIT_MEMLOCK, 1 MiB at most. They are locked
        as they are needed. Blocks that find no room, and all over 1 MiB, are wiped and left out of dumps, but may be
        swapped out; `status()` counts them. Argon2 and scrypt take such large blocks.
    lock: "require": securemem's own operations raise LockLimitError while key material finds no room in locked memory;
        "warn": they go on, and enable() warns (LockWarning) where nothing can be locked.
    scrub: "calls": the dead stack and the vector registers are cleared near the end of each call into cryptography;
        "sections": at the end of each `secret_section()` only, and by securemem's own operations.

    May be called again, to add objects or to change the rest; budget=None leaves the budget as it is. In a forked child
    the heap goes on. A block that is freed twice ends the process with a message.

    Raises CryptoHeapError, nothing having been changed, where it cannot be done: memray or tracemalloc in the process,
    another allocator preloaded, an unknown C library, statically built or sealed objects, a slot that is missing or was
    redirected by other code, a free-threaded Python. Raises LockLimitError or LockError where the kernel locks nothing
    and lock is "require", OutOfMemoryError where 5 GiB of addresses cannot be reserved, and InvalidArgumentError for
    arguments that do not exist.
    """
    names = _checked_objects(objects)
    if lock not in {"require", "warn"}:
        raise InvalidArgumentError(f'lock must be "require" or "warn", not {lock!r}')
    if scrub not in {"calls", "sections"}:
        raise InvalidArgumentError(f'scrub must be "calls" or "sections", not {scrub!r}')
    # With a bound: on Python 3.14 an exception around a with statement may leave a lock held.
    if not _state.lock.acquire(timeout=_PATIENCE):
        raise _refuse("another thread is at it")
    try:
        size = _checked_budget(budget, lock)
        _check_process()
        before = binding.count()["budget"]
        binding.start(size)
        try:
            _redirect([name for name in names if name not in _state.objects], lock)
        except BaseException:
            binding.start(before)
            raise
        binding.set_most_python(size // 2)
        binding.set_scrub(_SCRUB_DEPTH if scrub == "calls" else 0)
        _state.objects = tuple(dict.fromkeys((*_state.objects, *names)))
        _state.policy = lock
        binding.serve(True)
        _keep_ciphers(size)
    finally:
        _state.lock.release()


def _keep_ciphers(budget: int) -> None:
    """Let securemem's own operations keep ciphers, and refuse to begin where key material is not locked."""
    most = budget // _KEPT if _is_on() else 0
    binding.keep(most, _check_locked if _state.policy == "require" else None)


def _lock_first(policy: Lock) -> None:
    try:
        binding.lock_some()
    except SecureMemError:
        if policy == "require":
            raise
        warnings.warn(
            "the kernel locks nothing for the crypto heap: its memory is wiped and left out of dumps, but may be "
            "swapped out",
            LockWarning,
            stacklevel=3,
        )


def disable() -> None:
    """Serve nothing more. What was served stays where it is until it is freed, and is wiped then.

    The slots stay redirected, so that blocks of the heap find their way back. `enable()` turns it on again. A section
    that is entered goes on, without effect.
    """
    binding.serve(False)
    binding.set_scrub(0)
    binding.keep(0, None)


def secret_section() -> Section:
    """Make a with statement in which Python's own objects of this thread come from the heap too.

    Use it around the making, loading and decoding of keys: what lies in `bytes`, `bytearray`, `str` and `int` there is
    locked and wiped with the object. Values made before it stay where they are. At its end the vector registers and
    64 KiB of dead stack are cleared. It ends with its object too, where an exception kept the with statement from
    ending it. Python's objects take at most half the budget; what is more comes from Python's own memory, and is
    counted: do not import modules inside.

    Raises CryptoHeapError where the heap is off.
    """
    if not binding.is_serving():
        raise CryptoHeapError("the crypto heap is off: call crypto_heap.enable() first")
    binding.verify_slots()
    return binding.section()


def _failures(counts: dict[str, int]) -> tuple[str, ...]:
    changed, writable = binding.verify_slots()
    said = {
        f"other code changed {changed} import slots, which were written again": changed,
        f"{writable} pages of import slots stayed writable, since the kernel did not protect them again": writable,
        f"the kernel refused {counts['refusals']} times to lock or open pages": counts["refusals"],
        "this process was forked, and could not lock the heap's pages again": counts["lost"],
    }
    return tuple(text for text, happened in said.items() if happened)


def status() -> HeapStatus:
    """What the heap holds, what leads to it, and what went wrong; slots that other code changed are repaired."""
    counts = binding.count()
    failures = _failures(counts)
    same = ("budget", "locked", "locked_used", "unlocked", "unlocked_peak", "overflow", "live_blocks", "live_bytes")
    return HeapStatus(
        enabled=binding.is_serving(),
        objects=_state.objects,
        slots=tuple(binding.slots().items()),
        sections_refused=counts["python_refused"],
        failures=failures,
        python_bytes=counts["python_bytes"],
        kept_ciphers=binding.kept(),
        outside=counts["outside"],
        **{name: counts[name] for name in same},
    )


def _is_on() -> bool:
    """Whether cryptography's memory is served now: then ciphers may be kept."""
    return binding.is_serving() and "cryptography" in _state.objects


def _turn_on(policy: Wanted) -> str:
    """Turn it on as a key store wants it; why it is off, or an empty string where it is on.

    "auto" leaves it off where less than 1 MiB may be locked, or where it cannot be turned on; operations go on where it
    is full. "require" raises what enable() raises, and operations are refused then. "off" does nothing.
    """
    if policy not in {"auto", "require", "off"}:
        raise InvalidArgumentError(f'crypto_heap must be "auto", "require" or "off", not {policy!r}')
    if policy == "off":
        return 'the crypto heap was not wanted (crypto_heap="off")'
    if _is_on():
        if policy == "require":
            _state.policy = policy
            _keep_ciphers(binding.count()["budget"])
        return ""
    if policy == "auto" and _state.objects:
        return "the crypto heap was turned off, or on for other objects than cryptography: it stays so"
    if policy == "auto" and (limit := binding.lock_limit()) is not None and limit < _MIB:
        return f"the crypto heap is off, since only {limit} bytes may be locked: raise RLIMIT_MEMLOCK to 1 MiB or more"
    try:
        enable()
    except SecureMemError as error:
        if policy == "require":
            raise
        return str(error)
    if policy == "auto":
        _state.policy = "warn"
        _keep_ciphers(binding.count()["budget"])
    return ""


def _why_off(why: str) -> str:
    """Why it is off now, given why it was at the beginning; an empty string where it is on."""
    if _is_on():
        return ""
    return why or "the crypto heap was turned off by crypto_heap.disable()"


def _check_locked() -> None:
    """Raise LockLimitError where the heap was turned on with lock="require", and key material is not locked now."""
    if not binding.is_serving() or _state.policy != "require" or binding.is_locked():
        return
    limit = binding.lock_limit()
    counts = binding.count()
    wanted = counts["overflow"] or _SMALLEST_BUDGET
    raise LockLimitError(counts["budget"] if limit is None else limit, binding.locked_by_process(), wanted)
