"""What `report()` says: every fact about this machine and process that decides whether a secret can leave memory.

All classes are frozen. Sizes are in bytes. None means that this could not be read here: the file is missing, or this
user may not see it. Their fields are the `facts` of `securemem doctor --json`, described in docs/reference/doctor.md.
"""

from __future__ import annotations

from securemem._frozen import Frozen

__all__ = [
    "Cgroup",
    "Container",
    "Cores",
    "Interpreter",
    "Locking",
    "Pages",
    "Platform",
    "Report",
    "SecretMemory",
    "Swap",
    "SwapDevice",
    "Tracing",
]


class Platform(Frozen):
    """Where this runs.

    kernel: the release, as in `uname -r`. machine: `uname -m`. c_library: "glibc 2.36", "musl" or "unknown".
    page_size: of one page. user: the effective user's number. hibernation: whether the kernel offers to write all of
    RAM to disk (`disk` in /sys/power/state).
    """

    kernel: str
    machine: str
    c_library: str
    page_size: int
    user: int
    hibernation: bool | None


class Locking(Frozen):
    """How much memory this process may lock.

    soft_limit, hard_limit: RLIMIT_MEMLOCK; None for infinity. unlimited: whether the process may lock more than that,
    found by locking more (CAP_IPC_LOCK, which user namespaces show but do not give). locked: what the process has
    locked (VmLck). secrets_of_32: how many 32-byte secrets can be made now. refusal: the name of the error with
    which the kernel refused what the question needs, or None.
    """

    soft_limit: int | None
    hard_limit: int | None
    unlimited: bool
    locked: int | None
    secrets_of_32: int | None
    refusal: str | None


class SwapDevice(Frozen):
    """One line of /proc/swaps.

    name: device or file. size, used: bytes. in_memory: a zram device without a disk behind it. encrypted: whether
    it is a dm-crypt device; False also where only the file system under a swap file is encrypted.
    """

    name: str
    size: int
    used: int
    in_memory: bool
    encrypted: bool


class Swap(Frozen):
    """Where pages that are not locked may be written.

    devices: those in use. zswap: whether the kernel keeps a compressed pool in front of them. swappiness: 0-200.
    """

    devices: tuple[SwapDevice, ...] | None
    zswap: bool | None
    swappiness: int | None


class Cgroup(Frozen):
    """The control group's bounds, the tightest of it and its parents.

    version: 1 or 2, of the hierarchy that bounds memory. path: as in /proc/self/cgroup. memory_max: bytes of memory.
    swap_max: bytes of swap. Either is None where nothing bounds it.
    """

    version: int
    path: str
    memory_max: int | None
    swap_max: int | None


class Cores(Frozen):
    """Whether a crash writes memory out.

    soft_limit, hard_limit: RLIMIT_CORE; None for infinity. pattern: kernel.core_pattern. dumpable: PR_GET_DUMPABLE,
    0 no, 1 yes, 2 for root only. suid_dumpable: fs.suid_dumpable.
    """

    soft_limit: int | None
    hard_limit: int | None
    pattern: str | None
    dumpable: int
    suid_dumpable: int | None


class Tracing(Frozen):
    """Who may read this process's memory through the kernel.

    yama_scope: kernel.yama.ptrace_scope, 0 classic to 3 nobody; None without Yama. tracer: the process that traces
    this one, 0 for none. may_trace_others: whether this process holds CAP_SYS_PTRACE.
    """

    yama_scope: int | None
    tracer: int | None
    may_trace_others: bool | None


class SecretMemory(Frozen):
    """memfd_secret, by trial.

    available: a page of it was mapped. error: the errno's name otherwise, such as "ENOSYS". of_user: whether its pages
    count against what all processes of the user may lock together (RLIMIT_MEMLOCK), and not this process alone.
    """

    available: bool
    error: str | None
    of_user: bool = False


class Pages(Frozen):
    """What the kernel does with pages.

    merging_runs: KSM's `run` file, 0 stopped, 1 running, 2 stopped and unmerged. merged_by_default: whether every
    page of this process may be merged (PR_GET_MEMORY_MERGE). huge_pages: "always", "madvise" or "never".
    max_mappings: vm.max_map_count. mappings: what this process has of them.
    """

    merging_runs: int | None
    merged_by_default: bool
    huge_pages: str | None
    max_mappings: int | None
    mappings: int | None


class Container(Frozen):
    """Signs of a container.

    kind: "docker", "podman", "kubernetes", "systemd-nspawn", "lxc", ..., or None. user_namespace: whether user numbers
    are mapped, so that root here is not root of the machine.
    """

    kind: str | None
    user_namespace: bool | None


class Interpreter(Frozen):
    """What this Python does with memory and with what it shows of local variables.

    version: "3.13.0". allocator: PYTHONMALLOC, or None. wipes_freed: whether freed memory no longer holds what it
    held, found by freeing some and looking. clears_stack: bytes of dead stack that could be cleared below the calling
    thread, of the 64 KiB that are cleared after an operation with a key. spills: settings and modules by which values
    of local variables reach a screen, a log or another machine: names such as "sys.excepthook".
    remote_debugging: whether another process may make this one run code (PEP 768, Python 3.14).
    """

    version: str
    allocator: str | None
    wipes_freed: bool | None
    clears_stack: int
    spills: tuple[str, ...]
    remote_debugging: bool


class Report(Frozen):
    """Everything, read at one moment."""

    platform: Platform
    locking: Locking
    swap: Swap
    cgroup: Cgroup | None
    cores: Cores
    tracing: Tracing
    secret_memory: SecretMemory
    pages: Pages
    container: Container
    interpreter: Interpreter
