"""Lock a whole process so that its critical section cannot fault.

    python examples/realtime_like_lock.py [ROUNDS]

As mlock(2) advises for programs with deadlines: reserve the stack, make the memory that will be needed, lock all that
there is and all that will come, and only then begin. getrusage proves it: no page fault in the section. The same work
before the locking, on memory just made, is shown beside it, so that the proof can be seen to find faults.

The process must be allowed to lock all of itself: CAP_IPC_LOCK, or RLIMIT_MEMLOCK above its size. Where it is not, the
program says how much that would be, and ends with status 2.
"""

from __future__ import annotations

import mmap
import resource
import sys

import securemem
from securemem import locking

STACK = 512 * 1024
SAMPLES = 4 * 1024 * 1024


def page_faults() -> int:
    """Page faults of this process so far, minor and major."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_minflt + usage.ru_majflt


def critical_section(samples: mmap.mmap, rounds: int) -> int:
    """Write to every page of the samples, round after round; the page faults that it cost."""
    before = page_faults()
    for value in range(rounds):
        for offset in range(0, len(samples), mmap.PAGESIZE):
            samples[offset] = value & 0xFF
    return page_faults() - before


def make_samples() -> mmap.mmap:
    """Memory straight from the kernel, which has no frame behind it until it is touched or locked."""
    return mmap.mmap(-1, SAMPLES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def main() -> int:
    """Show the faults of an unprepared section, then none in a prepared one."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    key = securemem.SecureBytes.random(32)  # secrets live in a locked process as anywhere

    unprepared = critical_section(make_samples(), rounds)

    samples = make_samples()
    locking.reserve_stack(STACK)
    try:
        locking.mlockall(current=True, future=True)
    except securemem.LockLimitError as error:
        print(f"this process may not lock all of itself: {error}")
        return 2
    locked = locking.locked_bytes()
    prepared = critical_section(samples, rounds)

    released = locking.munlockall()
    print(f"page faults in the section, nothing prepared: {unprepared}")
    print(f"page faults in the section, all locked ({locked // 1024:,} KiB): {prepared}")
    print(f"unlocked afterwards: {released.unlocked_bytes // 1024:,} KiB")
    print(f"the key is still locked: {key.protection.locked}")
    return 0 if prepared == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
