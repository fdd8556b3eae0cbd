"""What the five calls of the mlock family do, as data: mlock, mlock2, munlock, mlockall, munlockall.

The shape is that of the kernel's API specification framework (proposed to linux-kernel in 2025): parameters, return,
errors, signals, side effects, state transitions, locks taken, notes. Each statement names its source. `securemem spec`
prints it; `securemem conformance` holds the running kernel to it.

Sources: mlock(2) of the Linux man-pages 5.10, mlockall(2) of older man-pages, POSIX.1-2008, the GNU C library's manual
("Page Lock Functions"), and the specifications of mlockall and munlock proposed for the kernel.
"""

from __future__ import annotations

from securemem._frozen import Frozen

__all__ = [
    "CALLS",
    "GLIBC",
    "KERNEL",
    "MAN",
    "OLD",
    "Call",
    "Effect",
    "Error",
    "Note",
    "Parameter",
    "Signal",
    "TakenLock",
    "Transition",
    "specification",
]


class Parameter(Frozen):
    """One argument: its name, its C type, what it is, what values it may have, and how it is rounded."""

    name: str
    type: str
    meaning: str
    allowed: str
    rounding: str = ""


class Error(Frozen):
    """One errno that the call may give: on which condition, and who says so."""

    name: str
    condition: str
    source: str


class Signal(Frozen):
    """A signal that ends the call (direction "received") or that may come of it later ("sent later")."""

    name: str
    direction: str
    condition: str


class Effect(Frozen):
    """Something that the call changes: of what, how, on which condition, and whether it can be undone."""

    target: str
    change: str
    condition: str = ""
    reversible: bool = True


class Transition(Frozen):
    """A state of something before and after the call, and the condition."""

    subject: str
    before: str
    after: str
    condition: str = ""


class TakenLock(Frozen):
    """A lock of the kernel that the call takes and gives back, and what for."""

    name: str
    kind: str
    purpose: str


class Note(Frozen):
    """A statement beside the tables, and its source."""

    text: str
    source: str


class Call(Frozen, kw_only=True):
    """The specification of one call.

    context: where it may be called. returns: what success and failure give. since: the first Linux that has it.
    privilege: the capability and limit that bind it.
    """

    name: str
    prototype: str
    description: str
    context: str
    parameters: tuple[Parameter, ...]
    returns: str
    errors: tuple[Error, ...]
    signals: tuple[Signal, ...]
    effects: tuple[Effect, ...]
    transitions: tuple[Transition, ...]
    locks: tuple[TakenLock, ...]
    since: str
    privilege: str
    notes: tuple[Note, ...]


MAN = "mlock(2)"
OLD = "mlockall(2), older"
GLIBC = "GNU C library manual"
KERNEL = "kernel API specification"

_CONTEXT = "a process, which may sleep"
_RETURNS = "0; or -1 and errno"
_PRIVILEGE = "CAP_IPC_LOCK lifts RLIMIT_MEMLOCK's soft limit, which binds other processes (since Linux 2.6.9)"
_ADDRESS = Parameter(
    "addr",
    "const void *",
    "the first byte of the range",
    "any",
    "to the begin of its page (POSIX allows to require that)",
)
_LENGTH = Parameter("len", "size_t", "bytes of the range", "0 to LONG_MAX", "its end to the end of its page")
_MMAP_LOCK = TakenLock("mmap_lock", "reader-writer lock", "the process's mappings do not change meanwhile")
_LRU_LOCK = TakenLock("lru_lock", "spinlock", "pages move between the evictable and the unevictable lists")
_FATAL = Signal("any fatal signal", "received", "it comes while the call waits for the process's mappings (EINTR)")
_SIGBUS = Signal(
    "SIGBUS", "sent later", "a locked page is used that cannot be brought in, such as one past the end of a file cut"
)
_SIGSEGV = Signal("SIGSEGV", "sent later", "under MCL_FUTURE, the stack grows past the limit")
_LOCK_ERRORS = (
    Error("ENOMEM", "a page of the range is not mapped", MAN),
    Error("ENOMEM", "without privilege: more would be locked than the soft limit RLIMIT_MEMLOCK", MAN),
    Error("ENOMEM", "a mapping would have to be split, and the process has as many as it may", MAN),
    Error("EPERM", "without privilege: the soft limit RLIMIT_MEMLOCK is 0", MAN),
    Error("EAGAIN", "some pages could not be locked", MAN),
    Error("EINVAL", "addr + len is less than addr: the sum ran over", MAN),
    Error("EINTR", "a fatal signal came before the end", KERNEL),
)
_LOCK_EFFECTS = (
    Effect("pages of the range", "are brought into RAM and stay there", "not with MLOCK_ONFAULT"),
    Effect("flags of the mappings", "VM_LOCKED is set; mappings are split at the ends of the range"),
    Effect("locked memory of the process (VmLck)", "grows by the pages that were not locked before"),
    Effect("flags of the pages", "PG_mlocked is set, and they go to the unevictable list", "they are in RAM"),
    Effect("page tables", "entries are made", "not with MLOCK_ONFAULT", reversible=False),
)
_LOCK_TRANSITIONS = (
    Transition("pages", "may be swapped out", "stay in RAM"),
    Transition("mappings", "without VM_LOCKED", "with VM_LOCKED"),
    Transition("accounting", "counted as ordinary memory", "counted against RLIMIT_MEMLOCK"),
)
_LIFE = (
    Note("Locks do not stack: one munlock or munlockall undoes any number of locks of a page.", MAN),
    Note("A child made by fork has no lock; exec and the end of the process remove them.", MAN),
    Note("munmap removes the lock of what it unmaps.", MAN),
    Note("A page mapped at several places stays in RAM while it is locked at one of them.", MAN),
    Note("fork makes pages copy-on-write: the next write faults, and its copy has to be found.", MAN),
    Note("Suspend saves RAM to disk whatever is locked.", MAN),
    Note("VmLck in /proc/PID/status tells how much a process has locked, in kB.", MAN),
    Note("Before Linux 2.6.9 only privileged processes could lock, and the limit bound these.", MAN),
    Note("Before Linux 4.9 a range that was locked already was counted twice against the limit.", MAN),
)

_MLOCK = Call(
    name="mlock",
    prototype="int mlock(const void *addr, size_t len)",
    description="Locks the pages that hold any byte of a range into RAM.",
    context=_CONTEXT,
    parameters=(_ADDRESS, _LENGTH),
    returns=_RETURNS,
    errors=(
        *_LOCK_ERRORS,
        Error("EINVAL", "addr is no multiple of the page size, where an implementation requires it", "POSIX"),
        Error("EINVAL", "len is not positive", GLIBC),
        Error("EPERM", "the caller is not the superuser", GLIBC),
        Error("ENOSYS", "the kernel does not have the call", GLIBC),
    ),
    signals=(_FATAL, _SIGBUS),
    effects=_LOCK_EFFECTS,
    transitions=_LOCK_TRANSITIONS,
    locks=(_MMAP_LOCK, _LRU_LOCK),
    since="2.0",
    privilege=_PRIVILEGE,
    notes=(
        *_LIFE,
        Note("A call that fails changes no lock.", GLIBC),
        Note("_POSIX_MEMLOCK_RANGE is defined where mlock and munlock work; PAGESIZE is a page in bytes.", "POSIX"),
    ),
)
_MLOCK2 = Call(
    name="mlock2",
    prototype="int mlock2(const void *addr, size_t len, unsigned int flags)",
    description="As mlock; with MLOCK_ONFAULT pages that are not in RAM are locked when they are first touched.",
    context=_CONTEXT,
    parameters=(
        _ADDRESS,
        _LENGTH,
        Parameter("flags", "unsigned int", "how pages are locked", "0 or MLOCK_ONFAULT (mask 0x1)"),
    ),
    returns=_RETURNS,
    errors=(*_LOCK_ERRORS, Error("EINVAL", "flags has an unknown bit", MAN)),
    signals=(_FATAL, _SIGBUS),
    effects=(
        *_LOCK_EFFECTS,
        Effect("flags of the mappings", "VM_LOCKONFAULT is set", "with MLOCK_ONFAULT"),
    ),
    transitions=(*_LOCK_TRANSITIONS, Transition("page faults", "bring in", "bring in and lock", "with MLOCK_ONFAULT")),
    locks=(_MMAP_LOCK, _LRU_LOCK),
    since="4.4",
    privilege=_PRIVILEGE,
    notes=(
        *_LIFE,
        Note("MLOCK_ONFAULT counts the whole range against the limit at once.", KERNEL),
        Note("mlock2 is Linux's own; the GNU C library has it since 2.27.", MAN),
    ),
)
_MUNLOCK = Call(
    name="munlock",
    prototype="int munlock(const void *addr, size_t len)",
    description="Unlocks the pages that hold any byte of a range, so that they may be swapped out.",
    context=_CONTEXT,
    parameters=(_ADDRESS, _LENGTH),
    returns=_RETURNS,
    errors=(
        Error("ENOMEM", "a page of the range is not mapped (since Linux 2.6.9)", MAN),
        Error("ENOMEM", "a mapping would have to be split, and the process has as many as it may", MAN),
        Error("EINVAL", "addr + len is less than addr: the sum ran over", MAN),
        Error("EINTR", "a fatal signal came before the end", KERNEL),
    ),
    signals=(_FATAL,),
    effects=(
        Effect("pages of the range", "may be swapped out", "they were locked"),
        Effect("locked memory of the process (VmLck)", "falls by the pages that were locked"),
        Effect("flags of the mappings", "VM_LOCKED and VM_LOCKONFAULT are taken away"),
        Effect("flags of the pages", "PG_mlocked is taken away", "no other mapping locks the page"),
        Effect("lists of pages", "they leave the unevictable list", "no other mapping locks the page"),
    ),
    transitions=(
        Transition("pages", "stay in RAM", "may be swapped out"),
        Transition("mappings", "with VM_LOCKED", "without VM_LOCKED"),
        Transition("residency", "certain", "until memory is short"),
        Transition("accounting", "counted against RLIMIT_MEMLOCK", "counted as ordinary memory"),
        Transition("lists of pages", "unevictable", "active or inactive", "the pages were mlocked"),
    ),
    locks=(_MMAP_LOCK, _LRU_LOCK),
    since="2.0",
    privilege="none: who may not lock may unlock",
    notes=(
        Note("One call undoes any number of locks of a page, those of mlockall too.", KERNEL),
        Note("There is no EPERM.", GLIBC),
    ),
)
_MLOCKALL = Call(
    name="mlockall",
    prototype="int mlockall(int flags)",
    description="Locks all pages of the process, those that it has now, those that it will have, or both.",
    context=_CONTEXT,
    parameters=(
        Parameter(
            "flags",
            "int",
            "MCL_CURRENT (1): what is mapped now; MCL_FUTURE (2): what will be; MCL_ONFAULT (4): at the first touch",
            "a mask of 0x7 with MCL_CURRENT or MCL_FUTURE or both",
        ),
    ),
    returns=_RETURNS,
    errors=(
        Error("EINVAL", "flags is 0, has an unknown bit, or is MCL_ONFAULT alone", MAN),
        Error("EPERM", "without privilege: the soft limit RLIMIT_MEMLOCK is 0", MAN),
        Error("ENOMEM", "without privilege, with MCL_CURRENT: the process is larger than the soft limit", KERNEL),
        Error("EINTR", "a fatal signal came before the end", KERNEL),
        Error("EAGAIN", "some pages could not be locked", KERNEL),
        Error("EPERM", "the caller has no CAP_IPC_LOCK", OLD),
        Error("ENOSYS", "the kernel does not have the call", GLIBC),
    ),
    signals=(_FATAL, _SIGBUS, _SIGSEGV),
    effects=(
        Effect("all pages", "are brought into RAM and stay there", "MCL_CURRENT without MCL_ONFAULT"),
        Effect("flags of new mappings", "VM_LOCKED from their birth", "MCL_FUTURE"),
        Effect("locked memory of the process (VmLck)", "grows to the size of the process", "MCL_CURRENT"),
        Effect("page tables", "entries are made", "MCL_CURRENT without MCL_ONFAULT", reversible=False),
        Effect("flags of all mappings", "VM_LOCKED is set", "MCL_CURRENT"),
        Effect("the caller", "waits until the process is in RAM", "MCL_CURRENT without MCL_ONFAULT", reversible=False),
    ),
    transitions=(
        Transition("all pages", "may be swapped out", "stay in RAM", "MCL_CURRENT"),
        Transition("future mappings", "ordinary", "locked from birth", "MCL_FUTURE"),
        Transition("mappings", "some with VM_LOCKED", "all with VM_LOCKED", "MCL_CURRENT"),
        Transition("page faults", "bring in", "bring in and lock", "MCL_ONFAULT"),
        Transition("accounting", "locked ranges counted", "the whole process counted", "MCL_CURRENT"),
    ),
    locks=(_MMAP_LOCK, _LRU_LOCK),
    since="2.0",
    privilege=_PRIVILEGE,
    notes=(
        *_LIFE,
        Note("A later call without MCL_FUTURE undoes what MCL_FUTURE set.", MAN),
        Note("MCL_FUTURE is not inherited by a child, and cleared by exec.", MAN),
        Note("Over the limit, what asks for memory under MCL_FUTURE fails; a stack that grows gets SIGSEGV.", OLD),
        Note("A process that gives up its privilege after MCL_FUTURE meets the limit at its next mapping.", MAN),
        Note("Reserve stack before a time-critical part: a function with a large array that it writes to.", MAN),
        Note("A call that fails changes neither locks nor the mode for future mappings.", GLIBC),
        Note("_POSIX_MEMLOCK is above 0 where mlockall and munlockall work.", "POSIX"),
    ),
)
_MUNLOCKALL = Call(
    name="munlockall",
    prototype="int munlockall(void)",
    description="Unlocks all pages of the process, and ends the locking of future ones.",
    context=_CONTEXT,
    parameters=(),
    returns=_RETURNS,
    errors=(Error("EINTR", "a fatal signal came before the end", KERNEL),),
    signals=(_FATAL,),
    effects=(
        Effect("all pages", "may be swapped out", "they were locked"),
        Effect("locked memory of the process (VmLck)", "falls to 0"),
        Effect("flags of all mappings", "VM_LOCKED and VM_LOCKONFAULT are taken away"),
        Effect("flags of new mappings", "ordinary again", "MCL_FUTURE was set"),
    ),
    transitions=(
        Transition("all pages", "stay in RAM", "may be swapped out"),
        Transition("future mappings", "locked from birth", "ordinary", "MCL_FUTURE was set"),
    ),
    locks=(_MMAP_LOCK, _LRU_LOCK),
    since="2.0",
    privilege="none: who may not lock may unlock",
    notes=(Note("It undoes the locks of mlock and mlock2 too.", MAN),),
)

CALLS: tuple[Call, ...] = (_MLOCK, _MLOCK2, _MUNLOCK, _MLOCKALL, _MUNLOCKALL)


def specification(name: str) -> Call:
    """The specification of one call by its name, such as "mlock2"; KeyError where there is none."""
    return {call.name: call for call in CALLS}[name]
