"""Judges a report: for each fact, what is so, why it matters for a secret, and what to do about it.

Nothing is read here: the same report gives the same findings. Names and levels are part of the documented output of
`securemem doctor --json` (docs/reference/doctor.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

    from securemem.process._facts import Report

__all__ = ["LEVELS", "Finding", "Level", "findings"]

Level = Literal["ok", "note", "unknown", "warning", "problem"]
LEVELS: tuple[Level, ...] = ("ok", "note", "unknown", "warning", "problem")

# Below this, a program soon meets the limit; 64 KiB is what some systems give.
_COMFORTABLE_SECRETS = 10_000
_MAPPINGS_PER_PAGE = 2
_HARDEN = "in the program: securemem.process.harden(), or start it by: securemem run"


@dataclass(frozen=True, slots=True)
class Finding:
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
    why = "secrets live in locked memory only; at the limit the next one is refused"
    bound = "no limit (CAP_IPC_LOCK)" if here.unlimited else f"limit {_size(here.soft_limit)}"
    if here.soft_limit is None:
        bound = "no limit"
    if here.secrets_of_32 is None and here.refusal is None:
        return Finding(
            "lock-limit", "unknown", f"{bound}; what is locked already cannot be read", why, ("mount /proc",)
        )
    fits = here.secrets_of_32 or 0
    locked = "" if here.locked is None else f", {_size(here.locked)} locked by this process"
    refusal = f"; the kernel refuses with {here.refusal}" if here.refusal else ""
    level: Level = "ok"
    if fits < _COMFORTABLE_SECRETS:
        level = "warning" if fits else "problem"
    raise_it = (
        "systemd unit: LimitMEMLOCK=64M",
        "Docker: docker run --ulimit memlock=67108864:67108864 ...",
        "Compose: ulimits: {memlock: 67108864}",
        "Kubernetes: securityContext: {capabilities: {add: [IPC_LOCK]}}, or LimitMEMLOCK=64M in the unit of the "
        "node's containerd (pods have no ulimits of their own)",
        "login sessions: in /etc/security/limits.conf: USER - memlock 65536",
        "shell: ulimit -l 65536",
    )
    return Finding(
        "lock-limit",
        level,
        f"{bound}{locked}; {fits} secrets of 32 bytes fit now{refusal}",
        why,
        () if level == "ok" else raise_it,
    )


def _swap(report: Report) -> Finding:
    why = "locked memory is never swapped; copies that other code makes of a secret in ordinary memory are"
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
    why = "a bound on memory decides whether pages are swapped out, or the process is killed, before RAM is full"
    here = report.cgroup
    if here is None:
        return Finding("cgroup", "note", "no control group bounds memory, or none is mounted", why)
    swap = "no bound on swap" if here.swap_max is None else f"at most {_size(here.swap_max)} of swap"
    memory = "no bound on memory" if here.memory_max is None else f"at most {_size(here.memory_max)} of memory"
    return Finding("cgroup", "ok", f"version {here.version}: {memory}, {swap}", why)


def _hibernation(report: Report) -> Finding:
    why = "hibernation writes all of RAM to disk, locked pages too; a live memfd_secret page forbids it"
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
            "systemd: systemctl mask hibernate.target hybrid-sleep.target suspend-then-hibernate.target",
            "/etc/systemd/sleep.conf, section [Sleep]: AllowHibernation=no",
            "kernel command line: nohibernate",
            'in the program: Arena(backend="memfd_secret"), which forbids it while a secret lives',
        ),
    )


def _cores(report: Report) -> Finding:
    here = report.cores
    why = "a core dump holds all ordinary memory; secrets' own pages are left out, copies made elsewhere are not"
    pattern = "core_pattern cannot be read" if here.pattern is None else f'core_pattern "{here.pattern}"'
    piped = (here.pattern or "").startswith("|")
    limit = "unlimited" if here.soft_limit is None else _size(here.soft_limit)
    fact = f"limit {limit}, {pattern}"
    if here.dumpable == 0:
        return Finding("core-dumps", "ok", f"{fact}; this process is not dumpable", why)
    if here.soft_limit == 0 and not piped:
        return Finding("core-dumps", "ok", fact, why)
    return Finding(
        "core-dumps",
        "warning",
        fact + ("; a pipe gets the core whatever the limit is" if piped else ""),
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
    why = "other processes of this user may read a dumpable process's memory (ptrace, /proc/PID/mem)"
    if report.cores.dumpable == 0:
        return Finding("dumpable", "ok", "this process is not dumpable", why)
    if report.cores.dumpable != 1:
        return Finding("dumpable", "note", "this process is dumpable for root only", why, (_HARDEN,))
    return Finding("dumpable", "note", "this process is dumpable, as every program is after exec", why, (_HARDEN,))


def _ptrace_scope(report: Report) -> Finding:
    why = "it bounds which processes of the same user may attach to this one; root and CAP_SYS_PTRACE always may"
    scope = report.tracing.yama_scope
    words = {
        0: "any process of this user may attach",
        1: "only parents may attach",
        2: "only CAP_SYS_PTRACE may attach",
    }
    fact = (
        "Yama is not in this kernel: " + words[0]
        if scope is None
        else f"scope {scope}: {words.get(scope, 'nobody may')}"
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
    why = "a tracer reads and writes all of the process, closed pages too"
    tracer = report.tracing.tracer
    if tracer is None:
        return Finding("tracer", "unknown", "/proc/self/status cannot be read", why, ("mount /proc",))
    if tracer == 0:
        return Finding("tracer", "ok", "nobody traces this process", why)
    return Finding("tracer", "problem", f"process {tracer} traces this one", why, (f"see who it is: ps -fp {tracer}",))


def _secret_memory(report: Report) -> Finding:
    why = "memory that the kernel itself does not map: hidden from root's debuggers too"
    if report.secret_memory.available:
        return Finding("memfd-secret", "ok", 'available: Arena(backend="memfd_secret")', why)
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
    why = "merged pages can be told apart by the time of a write, so a neighbour can guess what they hold"
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
    why = "a huge page that is locked in part can be split, moved and written out; secrets' own pages are never huge"
    return Finding("huge-pages", "ok", report.pages.huge_pages or "not in this kernel", why)


def _mappings(report: Report) -> Finding:
    why = "each locked page between guards costs two mappings; short of them, arenas use fewer guards and get slower"
    most, now = report.pages.max_mappings, report.pages.mappings
    if most is None or now is None:
        return Finding("max-map-count", "unknown", "/proc/sys/vm/max_map_count or maps cannot be read", why)
    limit = report.locking.soft_limit
    if report.locking.unlimited or limit is None:
        return Finding("max-map-count", "ok", f"{now} of {most} in use", why)
    need = limit // report.platform.page_size * _MAPPINGS_PER_PAGE
    fact = f"{now} of {most} in use; {need} more would use up the lock limit"
    if now + need <= most:
        return Finding("max-map-count", "ok", fact, why)
    needed = 1 << (now + need).bit_length()
    return Finding("max-map-count", "note", fact, why, (f"sysctl: vm.max_map_count={needed}",))


def _container(report: Report) -> Finding:
    why = "whoever is root on the machine reads every container; a user namespace's capabilities do not lift limits"
    here = report.container
    parts = [here.kind or "no container is seen"]
    if here.user_namespace:
        parts.append("in a user namespace")
    return Finding("container", "note" if here.kind or here.user_namespace else "ok", ", ".join(parts), why)


def _freed_memory(report: Report) -> Finding:
    why = "copies that Python and C libraries make of a secret stay in memory they freed until it is used again"
    wiped = report.interpreter.wipes_freed
    if wiped:
        return Finding("freed-memory", "ok", "the allocators overwrite what is freed", why)
    if wiped is None:
        return Finding("freed-memory", "unknown", "the kernel does not let this process look at its own memory", why)
    if not report.platform.c_library.startswith("glibc"):
        return Finding(
            "freed-memory", "note", f"kept as it was; {report.platform.c_library} has no setting to wipe it", why
        )
    return Finding("freed-memory", "note", "kept as it was until used again", why, ("securemem run PROGRAM ARGS",))


def _python(report: Report) -> Finding:
    why = "tracebacks and debuggers that show local variables show the secrets in them"
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
    _python,
)


def findings(report: Report) -> tuple[Finding, ...]:
    """Every check's finding, in the order of the documentation; never fails."""
    return tuple(check(report) for check in _CHECKS)
