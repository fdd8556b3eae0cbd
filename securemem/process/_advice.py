"""Judges a report: for each fact, what is so, why it matters for a secret, and what to do about it.

Nothing is read here: the same report gives the same findings. Names and levels are part of the documented output of
`securemem doctor --json` (docs/reference/doctor.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from securemem._frozen import Frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from securemem.process._facts import Report

__all__ = ["LEVELS", "Finding", "Level", "findings"]

Level = Literal["ok", "note", "unknown", "warning", "problem"]
LEVELS: tuple[Level, ...] = ("ok", "note", "unknown", "warning", "problem")

# Below this, a program soon meets the limit; 64 KiB is what some systems give.
_COMFORTABLE_SECRETS = 10_000
_MAPPINGS_PER_PAGE = 2
_DEEPEST_RESIDUE = 16 << 10  # clearing so much removed every residue of 63 operations of cryptography 50
_HARDEN = "in the program: securemem.process.harden(); or: securemem run APP"
# The kernel's answers to secret memory over the lock limit: memfd_secret(2); EFAULT where it is charged at the fault.
_LIMIT_ERRORS = {"EAGAIN", "ENOMEM", "EFAULT"}
_RAISE_LOCK_LIMIT = (
    "systemd unit: LimitMEMLOCK=64M",
    "login sessions: in /etc/security/limits.conf: USER - memlock 65536",
    "shell, up to the hard limit: ulimit -l 65536",
    "Docker: docker run --ulimit memlock=67108864:67108864 ...",
    "Compose: ulimits: {memlock: 67108864}",
    "Kubernetes: LimitMEMLOCK=64M in the unit of the node's containerd or CRI-O (a pod has no ulimits of its own)",
    "Kubernetes, a container run by root: securityContext: {capabilities: {add: [IPC_LOCK]}}",
    # A capability that is added to the container is in the bounding set; a user other than root has it only by the
    # file that is executed: capabilities(7).
    "Kubernetes, run by another user: that, allowPrivilegeEscalation: true, and in the image: setcap "
    "cap_ipc_lock=ep $(realpath $(command -v python3))",
)


class Finding(Frozen):
    """One line of the doctor.

    name: of the check, stable. level: "ok"; "note" (worth knowing); "unknown" (could not be read); "warning" (a
    secret can leave memory that way); "problem" (secrets cannot be kept in memory, or are being read now).
    fact: what is so. why: why it matters. remedies: exact lines to write or run; empty where there is nothing to do.
    """

    name: str
    level: Level
    fact: str
    why: str
    remedies: tuple[str, ...] = ()


def _size(count: int | None) -> str:
    if count is None:
        return "unlimited"
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if count >= unit:
            return f"{count / unit:.4g} {name}"
    return f"{count} bytes"


def _lock_limit(report: Report) -> Finding:
    here = report.locking
    why = "secrets lie in locked memory: over the limit none can be made"
    bound = "no limit (CAP_IPC_LOCK)" if here.unlimited else f"limit {_size(here.soft_limit)}"
    if here.soft_limit is None:
        bound = "no limit"
    if here.secrets_of_32 is None and here.refusal is None:
        return Finding(
            "lock-limit", "unknown", f"{bound}; what is locked already cannot be read", why, ("mount /proc",)
        )
    fits = here.secrets_of_32 or 0
    # Where no limit binds, what fits is a matter of RAM, and no figure that helps.
    boundless = here.unlimited or here.soft_limit is None
    room = "" if boundless and fits else f"; {fits:,} secrets of 32 bytes fit now"
    locked = "" if here.locked is None else f", {_size(here.locked)} locked by this process"
    refusal = f"; the kernel refuses with {here.refusal}" if here.refusal else ""
    level: Level = "ok"
    if fits < _COMFORTABLE_SECRETS:
        level = "warning" if fits else "problem"
    return Finding(
        "lock-limit",
        level,
        f"{bound}{locked}{room}{refusal}",
        why,
        () if level == "ok" else _RAISE_LOCK_LIMIT,
    )


def _swap(report: Report) -> Finding:
    why = "copies that other code makes of a secret can be written there"
    devices = report.swap.devices
    if devices is None:
        return Finding("swap", "unknown", "/proc/swaps cannot be read", why, ("mount /proc into the container",))
    if not devices:
        return Finding("swap", "ok", "no swap is in use", why)
    shown = ", ".join(
        f"{one.name} ({_size(one.size)}{', encrypted' * one.encrypted}{', in memory' * one.in_memory})"
        for one in devices
    )
    zswap = "; zswap compresses pages in RAM first" if report.swap.zswap else ""
    bounded = report.cgroup is not None and report.cgroup.swap_max == 0
    safe = all(one.encrypted or one.in_memory for one in devices)
    if bounded:
        return Finding("swap", "ok", f"{shown}; but this control group may use none of it", why)
    return Finding(
        "swap",
        "note" if safe else "warning",
        shown + zswap,
        why,
        (
            "systemd unit: MemorySwapMax=0",
            "Docker: docker run --memory=512m --memory-swap=512m ... (the same figure twice: no swap)",
            "Kubernetes: kubelet configuration: memorySwap: {swapBehavior: NoSwap}",
            "machine: swapoff -a, and remove the swap lines from /etc/fstab",
            "encrypt it: in /etc/crypttab: swap /dev/DEVICE /dev/urandom swap,cipher=aes-xts-plain64,size=512",
        ),
    )


def _cgroup(report: Report) -> Finding:
    why = "it decides whether pages are swapped out before RAM is full"
    here = report.cgroup
    if here is None:
        return Finding("cgroup", "note", "no control group bounds memory, or none is mounted", why)
    swap = "no bound on swap" if here.swap_max is None else f"at most {_size(here.swap_max)} of swap"
    memory = "no bound on memory" if here.memory_max is None else f"at most {_size(here.memory_max)} of memory"
    return Finding("cgroup", "ok", f"version {here.version}: {memory}, {swap}", why)


def _hibernation(report: Report) -> Finding:
    why = "hibernation writes all of RAM to disk, locked pages too"
    offered = report.platform.hibernation
    if offered is None:
        return Finding("hibernation", "ok", "the kernel has no power management that could hibernate", why)
    if not offered:
        return Finding("hibernation", "ok", "the kernel does not offer it", why)
    return Finding(
        "hibernation",
        "warning",
        "the kernel offers it",
        why,
        (
            "/etc/systemd/sleep.conf, section [Sleep]: AllowHibernation=no",
            "systemd: systemctl mask hibernate.target hybrid-sleep.target suspend-then-hibernate.target",
            "kernel command line: nohibernate",
            'in the program: Arena(backend="memfd_secret"), which forbids it while a secret lives',
        ),
    )


def _cores(report: Report) -> Finding:
    here = report.cores
    why = "a core holds ordinary memory, and the copies that other code made"
    limit = "unlimited" if here.soft_limit is None else _size(here.soft_limit)
    piped = (here.pattern or "").startswith("|")
    if piped:  # core(5): the limit is not asked then
        fact = f"a pipe gets the core, whatever the limit: {(here.pattern or '').split()[0]}"
    else:
        pattern = "core_pattern cannot be read" if here.pattern is None else f'core_pattern "{here.pattern}"'
        fact = f"limit {limit}, {pattern}"
    if here.dumpable == 0:
        return Finding("core-dumps", "ok", f"{fact}; this process is not dumpable", why)
    if here.soft_limit == 0 and not piped:
        return Finding("core-dumps", "ok", fact, why)
    return Finding(
        "core-dumps",
        "warning",
        fact,
        why,
        (
            _HARDEN,
            "systemd unit: LimitCORE=0",
            "Docker: docker run --ulimit core=0 ...",
            "Kubernetes: LimitCORE=0 in the unit of the node's containerd",
            "sysctl: kernel.core_pattern=|/bin/false",
            "systemd-coredump: in /etc/systemd/coredump.conf, section [Coredump]: Storage=none and ProcessSizeMax=0",
        ),
    )


def _dumpable(report: Report) -> Finding:
    why = "other processes of this user may read its memory (ptrace)"
    if report.cores.dumpable == 0:
        return Finding("dumpable", "ok", "this process is not dumpable", why)
    if report.cores.dumpable != 1:
        return Finding("dumpable", "note", "this process is dumpable for root only", why, (_HARDEN,))
    return Finding("dumpable", "note", "this process is dumpable, as every program is after exec", why, (_HARDEN,))


def _ptrace_scope(report: Report) -> Finding:
    why = "whoever may attach reads all of the memory; root always may"
    scope = report.tracing.yama_scope
    words = {
        0: "any process of this user may attach",
        1: "only parents may attach",
        2: "only CAP_SYS_PTRACE may attach",
    }
    fact = (
        "no Yama in this kernel: " + words[0] if scope is None else f"scope {scope}: {words.get(scope, 'nobody may')}"
    )
    if scope:
        return Finding("ptrace-scope", "ok", fact, why)
    if report.cores.dumpable != 1:
        return Finding("ptrace-scope", "ok", fact + ", but this process is not dumpable", why)
    return Finding(
        "ptrace-scope",
        "warning",
        fact,
        why,
        (
            _HARDEN,
            "sysctl: in /etc/sysctl.d/60-ptrace.conf: kernel.yama.ptrace_scope=1",
            "kernel command line: lsm=...,yama",
            "Docker: leave --cap-add SYS_PTRACE and --pid=host away",
            "Kubernetes: capabilities: {drop: [ALL]}, shareProcessNamespace: false, hostPID: false",
            "systemd unit: CapabilityBoundingSet=~CAP_SYS_PTRACE and SystemCallFilter=~@debug",
        ),
    )


def _tracer(report: Report) -> Finding:
    why = "a tracer reads and writes all of the process's memory"
    tracer = report.tracing.tracer
    if tracer is None:
        return Finding("tracer", "unknown", "/proc/self/status cannot be read", why, ("mount /proc",))
    if tracer == 0:
        return Finding("tracer", "ok", "nobody traces this process", why)
    return Finding("tracer", "problem", f"process {tracer} traces this one", why, (f"see who it is: ps -fp {tracer}",))


def _secret_memory(report: Report) -> Finding:
    why = "memory that the kernel gives to no debugger, not even root's"
    if report.secret_memory.available:
        shared = "; RLIMIT_MEMLOCK bounds all processes of this user together" if report.secret_memory.of_user else ""
        return Finding("memfd-secret", "ok", f'available: Arena(backend="memfd_secret"){shared}', why)
    if report.secret_memory.error in _LIMIT_ERRORS:
        return Finding(
            "memfd-secret",
            "note",
            f"RLIMIT_MEMLOCK leaves no page for it ({report.secret_memory.error})",
            why,
            _RAISE_LOCK_LIMIT,
        )
    return Finding(
        "memfd-secret",
        "note",
        f"not available ({report.secret_memory.error})",
        why,
        (
            "Linux 5.14 to 6.4: kernel command line: secretmem.enable=1",
            "kernel built with CONFIG_SECRETMEM=y",
            "Docker: docker run --security-opt seccomp=PROFILE.json, with memfd_secret among its allowed calls",
            "Kubernetes: securityContext: {seccompProfile: {type: Localhost, localhostProfile: PROFILE.json}}",
            "systemd unit: SystemCallFilter=memfd_secret",
        ),
    )


def _merging(report: Report) -> Finding:
    why = "the time of a write tells a neighbour what a merged page holds"
    remedies = (
        _HARDEN,
        "systemd unit: MemoryKSM=no",
        "machine: echo 2 > /sys/kernel/mm/ksm/run",
    )
    if report.pages.merged_by_default:
        return Finding(
            "page-merging", "warning", "KSM may merge every page of this process but secrets'", why, remedies
        )
    if report.pages.merging_runs == 1:
        return Finding("page-merging", "note", "KSM runs, and this process takes no part in it", why)
    return Finding("page-merging", "ok", "KSM does not run", why)


def _huge_pages(report: Report) -> Finding:
    why = "a huge page locked in part can be split and written out"
    return Finding("huge-pages", "ok", report.pages.huge_pages or "not in this kernel", why)


def _mappings(report: Report) -> Finding:
    why = "a locked page between guards costs two; short of them, no guards"
    most, now = report.pages.max_mappings, report.pages.mappings
    if most is None or now is None:
        return Finding("max-map-count", "unknown", "/proc/sys/vm/max_map_count or maps cannot be read", why)
    limit = report.locking.soft_limit
    if report.locking.unlimited or limit is None:
        return Finding("max-map-count", "ok", f"{now:,} of {most:,} in use", why)
    need = limit // report.platform.page_size * _MAPPINGS_PER_PAGE
    fact = f"{now:,} of {most:,} in use; {need:,} more would use up the lock limit"
    if now + need <= most:
        return Finding("max-map-count", "ok", fact, why)
    needed = 1 << (now + need).bit_length()
    return Finding("max-map-count", "note", fact, why, (f"sysctl: vm.max_map_count={needed}",))


def _container(report: Report) -> Finding:
    why = "whoever is root on the machine reads every container's memory"
    here = report.container
    parts = [here.kind or "no container is seen"]
    if here.user_namespace:
        parts.append("in a user namespace")
    return Finding("container", "note" if here.kind or here.user_namespace else "ok", ", ".join(parts), why)


def _freed_memory(report: Report) -> Finding:
    why = "copies that other code made and freed can be read until then"
    wiped = report.interpreter.wipes_freed
    if wiped:
        return Finding("freed-memory", "ok", "the allocators overwrite what is freed", why)
    if wiped is None:
        return Finding("freed-memory", "unknown", "the kernel does not let this process look at its own memory", why)
    if not report.platform.c_library.startswith("glibc"):
        return Finding(
            "freed-memory", "note", f"kept as it was; {report.platform.c_library} has no setting to wipe it", why
        )
    return Finding("freed-memory", "note", "kept as it was until used again", why, ("securemem run APP",))


def _dead_stack(report: Report) -> Finding:
    why = "ciphers leave parts of keys on the stack that they used"
    cleared = report.interpreter.clears_stack
    fact = f"{_size(cleared)} below an operation can be cleared"
    if cleared >= _DEEPEST_RESIDUE:
        return Finding("dead-stack", "ok", fact, why)
    return Finding(
        "dead-stack", "warning", fact, why, ("mount /proc: the end of the main thread's stack is read there",)
    )


def _python(report: Report) -> Finding:
    why = "what shows local variables shows the secrets in them"
    here = report.interpreter
    spills = list(here.spills) + ["remote debugging"] * here.remote_debugging
    if not spills:
        return Finding("python", "ok", f"Python {here.version}: nothing shows local variables", why)
    return Finding(
        "python",
        "warning",
        f"Python {here.version}: local variables may be shown by {', '.join(spills)}",
        why,
        (
            "remote debugging: PYTHON_DISABLE_REMOTE_DEBUG=1 in the environment",
            "sentry_sdk: init(include_local_variables=False)",
            "rich: traceback.install(show_locals=False)",
            "leave cgitb, python -i and debuggers out of production",
        ),
    )


_CHECKS: tuple[Callable[[Report], Finding], ...] = (
    _lock_limit,
    _swap,
    _cgroup,
    _hibernation,
    _cores,
    _dumpable,
    _ptrace_scope,
    _tracer,
    _secret_memory,
    _merging,
    _huge_pages,
    _mappings,
    _container,
    _freed_memory,
    _dead_stack,
    _python,
)


def findings(report: Report) -> tuple[Finding, ...]:
    """Every check's finding, in the order of the documentation; never fails."""
    return tuple(check(report) for check in _CHECKS)
