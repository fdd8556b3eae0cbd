"""harden() on the real process: what it changes, what it leaves, and how it is undone. Each test in a child process."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

NOBODY = 65534
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")

BECOME_NOBODY = f"""
import os
os.setgroups([])
os.setresgid({NOBODY}, {NOBODY}, {NOBODY})
os.setresuid({NOBODY}, {NOBODY}, {NOBODY})
"""
# A change of user makes a process not dumpable, as hardening would; an ordinary user's program starts dumpable.
START_AS_NOBODY = BECOME_NOBODY + "from securemem._binding import process as binding\nbinding.set_dumpable(True)\n"


def child(code, *, cwd=None, prefix=""):
    """Run code in a new Python after importing securemem; its standard output. An assertion in it fails the test."""
    program = "import securemem, securemem.process as process, resource, os\n"
    program += "from securemem._binding import process as binding\n"
    done = subprocess.run(
        [sys.executable, "-c", program + prefix + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_import_changes_nothing():
    """Neither import nor report() hardens: that is the program's own decision."""
    child("""
        before = binding.dumpable(), binding.merging(), resource.getrlimit(resource.RLIMIT_CORE)
        process.report()
        assert (binding.dumpable(), binding.merging(), resource.getrlimit(resource.RLIMIT_CORE)) == before
        assert before[0] == 1
    """)


@needs_root
def test_harden_changes_all_and_says_so():
    """Dumpable, the soft core limit and merging are changed, and returned with what they were."""
    child("""
        resource.setrlimit(resource.RLIMIT_CORE, (4096, 8192))
        done = process.harden()
        assert [(c.name, c.before, c.after) for c in done.changes] == [("core_limit", 4096, 0), ("dumpable", 1, 0)]
        assert binding.dumpable() == 0
        assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 8192)
        assert process.report().cores.dumpable == 0
        assert process.harden().changes == ()
    """)


def test_undo_sets_back():
    """What was changed is set back to what it was; undoing nothing changes nothing."""
    child("""
        before = binding.dumpable(), resource.getrlimit(resource.RLIMIT_CORE)
        first, second = process.harden(), process.harden()
        second.undo()
        assert binding.dumpable() == 0
        first.undo()
        assert (binding.dumpable(), resource.getrlimit(resource.RLIMIT_CORE)) == before
    """)


def test_undo_under_a_lowered_hard_limit():
    """A soft core limit above the hard one of now comes back as that hard one."""
    child("""
        soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, (min(4096, hard) if hard >= 0 else 4096, hard))
        done = process.harden()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        done.undo()
        assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)
    """)


def test_merging_is_turned_off_and_back_on():
    """Where KSM may merge every page of the process, harden() stops it, and undo() allows it again."""
    said = child("""
        try:
            binding.set_merging(True)
        except securemem.exceptions.ProtectionError as error:
            print("no flag", error.errno)
        else:
            assert binding.merging()
            done = process.harden()
            assert ("merging", 1, 0) in [(c.name, c.before, c.after) for c in done.changes]
            assert not binding.merging()
            done.undo()
            assert binding.merging()
    """)
    if said:
        pytest.skip(f"this kernel cannot merge all pages of a process: {said}")


def test_secrets_work_in_a_hardened_process():
    """Secrets are made, used and read back from the kernel as before."""
    child("""
        process.harden()
        secret = securemem.SecureBytes.random(32)
        assert secret.protection.locked and secret.protection.dump_excluded
        assert process.report().locking.secrets_of_32 > 0
    """)


@needs_root
def test_an_ordinary_user_hardens():
    """Without any privilege all of it works, also reading the protection back, though /proc/self is root's then."""
    child(
        """
        process.harden()
        assert binding.dumpable() == 0
        try:
            open("/proc/self/mem", "rb").close()
        except PermissionError:
            pass
        else:
            raise AssertionError("not hardened: /proc/self/mem opens")
        secret = securemem.SecureBytes.random(32)
        assert secret.protection.locked
        facts = process.report()
        assert facts.interpreter.wipes_freed is False
        assert facts.tracing.may_trace_others is False
        process.findings(facts)
    """,
        prefix=START_AS_NOBODY,
    )


@needs_root
@pytest.mark.parametrize("hardened", [False, True])
def test_another_process_of_the_user_can_read_it_only_before(hardened):
    """Without harden() another process of the same user opens its memory (the positive control); with it, none does."""
    program = (
        "import os, sys, securemem.process as process\n"
        + START_AS_NOBODY
        + f"process.harden() if {hardened} else None\n"
        "print('ready', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as held:
        assert held.stdout.readline() == "ready\n"
        attacker = BECOME_NOBODY + f"open('/proc/{held.pid}/mem', 'rb').close()"
        done = subprocess.run([sys.executable, "-c", attacker], capture_output=True, text=True, check=False)
        held.stdin.close()
    assert (done.returncode == 0) is not hardened, done.stderr
    assert ("PermissionError" in done.stderr) is hardened


@needs_root
@pytest.mark.parametrize("hardened", [False, True])
def test_a_crash_leaves_a_core_only_before(tmp_path, hardened):
    """An aborting process leaves a core where the kernel writes cores (the positive control), a hardened one none."""
    if Path("/proc/sys/kernel/core_pattern").read_text(encoding="utf-8")[0] in {"|", "/"}:
        pytest.skip("kernel.core_pattern leads elsewhere than to the working directory")
    infinity = resource.RLIM_INFINITY
    program = f"""
import os, resource, securemem.process as process
resource.setrlimit(resource.RLIMIT_CORE, ({infinity}, {infinity}))
if {hardened}:
    process.harden()
    resource.setrlimit(resource.RLIMIT_CORE, ({infinity}, {infinity}))
os.abort()
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, cwd=tmp_path, stderr=subprocess.DEVNULL)
    assert done.returncode == -signal.SIGABRT
    assert bool(list(tmp_path.iterdir())) is not hardened


def test_fork_keeps_and_exec_forgets():
    """A forked child is not dumpable either; a program started by exec is again, with the core limit kept."""
    child("""
        import subprocess, sys
        process.harden()
        pid = os.fork()
        if pid == 0:
            os._exit(binding.dumpable())
        assert os.waitpid(pid, 0)[1] == 0
        program = (
            "from securemem._binding import process as binding; import resource; "
            "print(binding.dumpable(), resource.getrlimit(resource.RLIMIT_CORE)[0])"
        )
        assert subprocess.check_output([sys.executable, "-c", program], text=True).split() == ["1", "0"]
    """)


def test_a_refusal_changes_nothing():
    """Where a later step is refused, earlier ones are undone, and the refusal is raised."""
    child("""
        from securemem.process import _hardening as hardening
        resource.setrlimit(resource.RLIMIT_CORE, (0 if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 else 4096,
                                                  resource.getrlimit(resource.RLIMIT_CORE)[1]))
        before = resource.getrlimit(resource.RLIMIT_CORE)
        def refuse(flag):
            raise securemem.exceptions.ProtectionError(22, "refused (prctl)")
        hardening.binding.set_dumpable = refuse
        try:
            process.harden()
        except securemem.exceptions.ProtectionError as error:
            assert "refused" in str(error)
        else:
            raise AssertionError("no error")
        assert resource.getrlimit(resource.RLIMIT_CORE) == before
    """)


def test_a_stack_that_cannot_be_is_refused():
    """A size below 1 is a SizeError before anything is changed."""
    child("""
        for size in (0, -1):
            try:
                process.harden(stack_bytes=size)
            except securemem.exceptions.SizeError as error:
                assert f"stack_bytes={size}" in str(error)
            else:
                raise AssertionError("no error")
        assert binding.dumpable() == 1
    """)


@needs_root
def test_lock_everything_and_back():
    """With room enough all memory of the process is locked, new memory too; undo() unlocks all but the secrets."""
    child("""
        from securemem._memory_map import status_kib
        import mmap
        secret = securemem.SecureBytes.random(32)
        before = binding.locked_by_process()
        done = process.harden(lock_everything=True)
        assert [change.name for change in done.changes][-1] == "locked"
        assert status_kib("VmLck") > 0.9 * status_kib("VmSize")
        locked = binding.locked_by_process()
        held = mmap.mmap(-1, 1 << 22)
        assert binding.locked_by_process() >= locked + (1 << 22)
        done.undo()
        assert binding.locked_by_process() < before + (1 << 20)
        assert secret.protection.locked
        assert binding.dumpable() == 1
        more = mmap.mmap(-1, 1 << 22)
        assert binding.locked_by_process() < before + (1 << 20)
    """)


@needs_root
def test_lock_everything_that_cannot_fit():
    """Under a small limit, locking everything is refused with the figures before anything is changed."""
    child(
        """
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
        try:
            process.harden(lock_everything=True)
        except securemem.LockLimitError as error:
            assert error.limit == 65536 and error.wanted > 65536
        else:
            raise AssertionError("no error")
        assert binding.dumpable() == 1
    """,
        prefix=START_AS_NOBODY,
    )


def test_the_trial_of_secret_memory_leaves_nothing():
    """Trying memfd_secret leaves no mapping, no file and no lock behind."""
    child("""
        def held():
            names = sorted(os.listdir("/proc/self/fd"))
            with open("/proc/self/maps") as maps:
                return len(names), "secretmem" in maps.read(), binding.locked_by_process()
        binding.merging(), held()
        before = held()
        for _ in range(100):
            process._interpreter.secret_memory()
        assert held() == before
    """)


def test_peek_reads_what_is_there():
    """Reading own memory gives its bytes, and an address without memory gives ProtectionError, not a fault."""
    child("""
        import errno
        known = bytearray(b"known to be here")
        seen = bytearray(len(known))
        binding.peek(binding.ffi.cast("uintptr_t", binding.ffi.from_buffer(known)).__int__(), seen)
        assert seen == known
        try:
            binding.peek(4096, seen)
        except securemem.exceptions.ProtectionError as error:
            assert error.errno == errno.EFAULT
        else:
            raise AssertionError("no error")
    """)


def test_the_trial_of_freed_memory_tells_both():
    """The trial finds what Python keeps by default, and finds it wiped under an allocator that wipes."""
    program = "from securemem.process import _interpreter as interpreter; print(interpreter.wipes_freed())"

    def tried(**variables):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONMALLOC"}
        return subprocess.check_output([sys.executable, "-c", program], text=True, env=environment | variables).strip()

    assert tried() == "False"
    assert tried(PYTHONMALLOC="malloc") == "False"
    assert tried(PYTHONMALLOC="malloc_debug") == "True"
