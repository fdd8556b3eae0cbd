"""Composes the report: every fact, from the machine's files and from trials in this process."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

from securemem._binding import process as binding
from securemem.process import _interpreter as interpreter
from securemem.process import _machine as machine
from securemem.process._facts import Cores, Pages, Platform, Report, Tracing
from securemem.process._kernel_files import ROOT, chosen, lines, number, text

if TYPE_CHECKING:
    from pathlib import Path

_CAP_SYS_PTRACE = 19  # linux/capability.h


def _platform(root: Path) -> Platform:
    system = os.uname()
    return Platform(
        kernel=system.release,
        machine=system.machine,
        c_library=interpreter.c_library(),
        page_size=os.sysconf("SC_PAGE_SIZE"),
        user=os.geteuid(),
        hibernation=machine.hibernation(root),
    )


def _cores(root: Path) -> Cores:
    soft, hard = interpreter.limit(resource.RLIMIT_CORE)
    return Cores(
        soft_limit=soft,
        hard_limit=hard,
        pattern=text(root, "/proc/sys/kernel/core_pattern"),
        dumpable=binding.dumpable(),
        suid_dumpable=number(root, "/proc/sys/fs/suid_dumpable"),
    )


def _tracing(root: Path) -> Tracing:
    return Tracing(
        yama_scope=number(root, "/proc/sys/kernel/yama/ptrace_scope"),
        tracer=machine.tracer(root),
        may_trace_others=machine.has_capability(root, _CAP_SYS_PTRACE),
    )


def _pages(root: Path) -> Pages:
    table = lines(root, "/proc/self/maps")
    return Pages(
        merging_runs=number(root, "/sys/kernel/mm/ksm/run"),
        merged_by_default=binding.merging(),
        huge_pages=chosen(root, "/sys/kernel/mm/transparent_hugepage/enabled"),
        max_mappings=number(root, "/proc/sys/vm/max_map_count"),
        mappings=None if table is None else len(table),
    )


def report(root: Path = ROOT) -> Report:
    """Read every fact now. Needs no privilege, changes nothing, and does not use the default arena.

    root: a folder that stands for `/` where the kernel's files are read; limits, flags and trials are always of this
    process. What cannot be read is None. Trials: a page locked beyond RLIMIT_MEMLOCK, a page of memfd_secret, and a
    look at memory just freed; each is undone at once.

    Raises ProtectionError if the kernel refuses prctl's reading calls (a seccomp filter), OutOfMemoryError without
    address space for a page.
    """
    return Report(
        platform=_platform(root),
        locking=interpreter.locking(root),
        swap=machine.swap(root),
        cgroup=machine.cgroup(root),
        cores=_cores(root),
        tracing=_tracing(root),
        secret_memory=interpreter.secret_memory(),
        pages=_pages(root),
        container=machine.container(root),
        interpreter=interpreter.interpreter(),
    )
