"""The doctor's judgement: made-up reports in, findings out."""

from __future__ import annotations

import pytest

from securemem.process import findings, report
from securemem.process._advice import LEVELS
from tests.support.reports import DISK, DUMPABLE, GOOD, replace, with_part


def judged(facts, name):
    """One finding of a report."""
    (found,) = [one for one in findings(facts) if one.name == name]
    return found


def test_a_good_machine_is_all_ok():
    """Positive control of all the cases below: nothing is held against a machine that is well."""
    assert {one.name: one.level for one in findings(GOOD) if one.level != "ok"} == {}


@pytest.mark.parametrize(
    ("facts", "name", "level", "words"),
    [
        (with_part("locking", secrets_of_32=0, soft_limit=0), "lock-limit", "problem", "limit 0 bytes"),
        (with_part("locking", secrets_of_32=None, locked=None), "lock-limit", "unknown", "cannot be read"),
        (with_part("locking", secrets_of_32=None, refusal="EPERM"), "lock-limit", "problem", "EPERM"),
        (with_part("locking", secrets_of_32=1632, soft_limit=65536), "lock-limit", "warning", "64 KiB"),
        (with_part("locking", unlimited=True), "lock-limit", "ok", "CAP_IPC_LOCK"),
        (with_part("locking"), "lock-limit", "ok", "208,896 secrets of 32 bytes fit now"),
        (with_part("swap", devices=(DISK,)), "swap", "warning", "/dev/sda2"),
        (with_part("swap", devices=(replace(DISK, encrypted=True),)), "swap", "note", "encrypted"),
        (with_part("swap", devices=(replace(DISK, in_memory=True),)), "swap", "note", "in memory"),
        (with_part("swap", devices=(DISK, replace(DISK, encrypted=True))), "swap", "warning", "/dev/sda2"),
        (with_part("swap", with_part("cgroup", swap_max=0), devices=(DISK,)), "swap", "ok", "none of it"),
        (with_part("swap", with_part("cgroup", swap_max=1), devices=(DISK,)), "swap", "warning", "/dev/sda2"),
        (with_part("swap", devices=None), "swap", "unknown", "cannot be read"),
        (replace(GOOD, cgroup=None), "cgroup", "note", "no control group"),
        (with_part("platform", hibernation=True), "hibernation", "warning", "offers it"),
        (with_part("platform", hibernation=None), "hibernation", "ok", "no power management"),
        (with_part("cores", dumpable=1, soft_limit=None), "core-dumps", "warning", "unlimited"),
        (with_part("cores", dumpable=1, pattern="|/usr/lib/systemd-coredump"), "core-dumps", "warning", "a pipe gets"),
        (with_part("cores", dumpable=1), "core-dumps", "ok", "limit 0"),
        (with_part("cores", soft_limit=None), "core-dumps", "ok", "not dumpable"),
        (with_part("cores", dumpable=2, soft_limit=None), "core-dumps", "warning", "unlimited"),
        (with_part("cores", dumpable=1, soft_limit=None, pattern=None), "core-dumps", "warning", "cannot be read"),
        (DUMPABLE, "dumpable", "note", "is dumpable"),
        (with_part("cores", dumpable=2), "dumpable", "note", "root only"),
        (with_part("tracing", DUMPABLE, yama_scope=0), "ptrace-scope", "warning", "any process"),
        (with_part("tracing", DUMPABLE, yama_scope=None), "ptrace-scope", "warning", "no Yama in this kernel"),
        (with_part("tracing", yama_scope=0), "ptrace-scope", "ok", "not dumpable"),
        (with_part("tracing", DUMPABLE, yama_scope=3), "ptrace-scope", "ok", "nobody"),
        (with_part("tracing", tracer=77), "tracer", "problem", "process 77"),
        (with_part("tracing", tracer=None), "tracer", "unknown", "cannot be read"),
        (with_part("secret_memory", available=False, error="ENOSYS"), "memfd-secret", "note", "ENOSYS"),
        (with_part("secret_memory", available=False, error="EAGAIN"), "memfd-secret", "note", "RLIMIT_MEMLOCK"),
        (with_part("pages", merged_by_default=True), "page-merging", "warning", "merge every page"),
        (with_part("pages", merging_runs=1), "page-merging", "note", "takes no part"),
        (with_part("pages", huge_pages=None), "huge-pages", "ok", "not in this kernel"),
        (with_part("pages", max_mappings=1000), "max-map-count", "note", "4,096 more"),
        (with_part("pages", max_mappings=None), "max-map-count", "unknown", "cannot be read"),
        (with_part("container", kind="docker"), "container", "note", "docker"),
        (with_part("container", user_namespace=True), "container", "note", "user namespace"),
        (with_part("interpreter", wipes_freed=False), "freed-memory", "note", "until used again"),
        (with_part("interpreter", wipes_freed=None), "freed-memory", "unknown", "does not let"),
        (with_part("interpreter", clears_stack=0), "dead-stack", "warning", "0 bytes"),
        (with_part("interpreter", clears_stack=16_384), "dead-stack", "ok", "16 KiB"),
        (with_part("interpreter", spills=("cgitb", "sys.settrace")), "python", "warning", "cgitb, sys.settrace"),
        (with_part("interpreter", remote_debugging=True), "python", "warning", "remote debugging"),
    ],
)
def test_each_fact_is_judged(facts, name, level, words):
    """Each state of each fact gets its level, and its words name it; a finding that fails names a remedy."""
    found = judged(facts, name)
    assert found.level == level
    assert words in found.fact
    if level in {"warning", "problem"}:
        assert found.remedies


def test_musl_is_told_that_it_cannot_wipe():
    """Where the C library has no setting, the doctor names no remedy that would not work."""
    found = judged(with_part("platform", with_part("interpreter", wipes_freed=False), c_library="musl"), "freed-memory")
    assert "musl" in found.fact
    assert found.remedies == ()


@pytest.mark.parametrize(
    "way", ["systemd unit: LimitMEMLOCK=", "docker run --ulimit memlock=", "IPC_LOCK", "limits.conf"]
)
def test_the_lock_limit_is_raised_everywhere(way):
    """The remedies name systemd, Docker, Kubernetes and login sessions."""
    assert any(way in line for line in judged(with_part("locking", secrets_of_32=0), "lock-limit").remedies)


def test_no_figure_where_no_limit_binds():
    """What fits into all of RAM is not told as a number of secrets."""
    for facts in (with_part("locking", unlimited=True), with_part("locking", soft_limit=None)):
        assert "secrets of" not in judged(facts, "lock-limit").fact


def test_kubernetes_is_told_what_reaches_a_user_other_than_root():
    """An added capability alone does not reach one: capabilities(7). The file that is executed must have it too."""
    lines = [line for line in judged(with_part("locking", secrets_of_32=0), "lock-limit").remedies if "Kubern" in line]
    assert ["run by root" in line for line in lines if "add: [IPC_LOCK]" in line] == [True]
    assert any("setcap cap_ipc_lock=ep" in line and "allowPrivilegeEscalation: true" in line for line in lines)


def test_max_map_count_remedy_is_enough():
    """The sysctl line that is shown covers what is in use and what is needed."""
    (line,) = judged(with_part("pages", max_mappings=1000), "max-map-count").remedies
    assert int(line.rpartition("=")[2]) >= 4196


def test_this_machine_is_judged_whole():
    """On the real machine every check gives one finding, with a known level and a reason."""
    found = findings(report())
    assert [one.name for one in found] == [one.name for one in findings(GOOD)]
    for one in found:
        assert one.level in LEVELS
        assert one.fact
        assert one.why
